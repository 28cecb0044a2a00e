"""Where exports and certificates lie in a workspace, closed to everybody but its owner."""

from __future__ import annotations

import os
from pathlib import Path

from nurture.errors import BadInput
from tasks.settings import Settings

_FOLDER = "privacy"


def exports(settings: Settings) -> Path:
    """Where exports lie, one folder a lead."""
    return settings.inside(_FOLDER) / "exports"


def export_of(settings: Settings, lead_id: int) -> Path:
    """Where the export of one lead lies, unless another place was named."""
    return exports(settings) / f"lead-{lead_id}"


def certificate_of(settings: Settings, erasure_id: int) -> Path:
    """Where the certificate of an erasure lies."""
    return settings.inside(_FOLDER) / "certificates" / f"erasure-{erasure_id}.json"


def make_folder(folder: Path) -> None:
    """Make a folder that only its owner may enter; raises BadInput."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
    except OSError as error:
        raise BadInput(f"cannot make the folder {folder}: {error.strerror}; name another one with --out") from None


def write(path: Path, content: bytes) -> None:
    """Write a file that only its owner may read, whole or not at all; raises BadInput."""
    half = path.with_name(f".{path.name}.part")
    try:
        half.unlink(missing_ok=True)
        descriptor = os.open(half, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(content)
        os.replace(half, path)
    except OSError as error:
        raise BadInput(f"cannot write {path}: {error.strerror}; name another folder with --out") from None
