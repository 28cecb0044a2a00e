"""Read a templates folder from disk, as texts by their path in it; what the texts say is judged by `nurture.check`."""

from __future__ import annotations

import os
from pathlib import Path

from nurture.errors import BadInput
from nurture.strict_yaml import MAX_BYTES

MAX_FILES = 2_000
MAX_TOTAL_BYTES = 16 * 1024 * 1024
_TEXTS = (".yaml", ".yml", ".md", ".txt", ".html", ".mjml")
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def load_tree(folder: Path) -> dict[str, str]:
    """The texts of a templates folder by relative path, `/` between the parts; BadInput names each bad file.

    Hidden files and editors' backups are passed over. A file of another kind comes without its content, so that the
    check can say that nothing reads it. Links that lead out of the folder are refused.
    """
    root = folder.resolve()
    if not root.is_dir():
        raise BadInput(f"there is no folder {folder}; create one with `ripen init`")
    files: dict[str, str] = {}
    faults: list[str] = []
    total = 0
    for path in _files_under(root, faults):
        name = _shown(path, root)
        if not path.resolve().is_relative_to(root):
            faults.append(f"{name}: the link leads out of the folder; put a copy here")
            continue
        if path.suffix not in _TEXTS:
            files[name] = ""
            continue
        raw = _read(path, name, faults)
        if raw is not None:
            total += len(raw)
            files[name] = _decode(raw, name, faults)
        if len(files) > MAX_FILES or total > MAX_TOTAL_BYTES:
            raise BadInput(
                f"{folder} holds more than {MAX_FILES} files or {MAX_TOTAL_BYTES // 1024 // 1024} MB of text; "
                "is it the right folder?"
            )
    if faults:
        raise BadInput(f"{folder} cannot be read:\n  " + "\n  ".join(sorted(faults)))
    return files


def _files_under(root: Path, faults: list[str]) -> list[Path]:
    """Every file that is not hidden, in a fixed order; links to folders are not followed."""

    def unreadable(error: OSError) -> None:
        place = _shown(Path(error.filename), root)
        faults.append(f"{place}: {error.strerror}; make the folder readable")

    found: list[Path] = []
    for place, folders, names in os.walk(root, onerror=unreadable):
        here = Path(place)
        for name in list(folders):
            if name.startswith("."):
                folders.remove(name)
            elif (here / name).is_symlink():
                folders.remove(name)
                faults.append(f"{_shown(here / name, root)}: a link to a folder; put a copy here")
        found += [
            here / name for name in names if not name.startswith(".") and not name.endswith(("~", ".swp", ".bak"))
        ]
    return sorted(found)


def _shown(path: Path, root: Path) -> str:
    """The path inside the folder; bytes that are no text become a sign that can be printed."""
    return os.fsencode(path.relative_to(root).as_posix()).decode("utf-8", "replace")


def _read(path: Path, name: str, faults: list[str]) -> bytes | None:
    try:
        if not path.is_file():
            faults.append(f"{name}: not a file")
            return None
        if path.stat().st_size > MAX_BYTES:
            faults.append(f"{name}: larger than {MAX_BYTES // 1024} KB; split it, or move it elsewhere")
            return None
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        faults.append(f"{name}: {error.strerror}; make the file readable")
        return None


def _decode(raw: bytes, name: str, faults: list[str]) -> str:
    if raw.startswith(_UTF16):
        faults.append(f"{name}: written in UTF-16; save it as UTF-8")
        return ""
    try:
        return raw.decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        faults.append(f"{name}: line {line} is not UTF-8; save the file as UTF-8")
        return ""
