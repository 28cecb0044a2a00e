"""The file platform: one CSV of hashed members per audience, ready to be uploaded by hand."""

from __future__ import annotations

import csv
import os
import re
import tempfile
from pathlib import Path

from connectors.audiences.base import Upload
from nurture.errors import OutsideFailed

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")


class FilePlatform:
    """Keeps `<folder>/<audience>.csv` equal to what has been told."""

    name = "file"
    batch_size = 10_000

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def upload(self, batch: Upload) -> None:
        """Rewrite the audience's file with the change, atomically."""
        if not _NAME.match(batch.audience):
            raise OutsideFailed(f"the audience name {batch.audience!r} cannot be a file name")
        path = self.folder / f"{batch.audience}.csv"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            members = set(_read(path))
            changed = set(batch.members)
            members = members | changed if batch.change == "add" else members - changed
            _write(path, sorted(members))
        except OSError as error:
            raise OutsideFailed(
                f"cannot write {path}: {error.strerror}; make the folder writable, or set audiences_folder"
            ) from None


def _read(path: Path) -> list[str]:
    if not path.exists():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return [row["email_sha256"] for row in csv.DictReader(file)]


def _write(path: Path, members: list[str]) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".csv")
    with os.fdopen(descriptor, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["email_sha256"])
        writer.writerows([member] for member in members)
    os.replace(name, path)
