"""Of a person: the files that Ripen wrote, which are deleted, and those of others, which are named."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from nurture.mentions import Mentions
from tasks.privacy import places
from tasks.settings import FolderSourceSettings, Settings

# Read a piece at a time; what stands across two pieces is seen in both.
_PIECE = 1 << 20
_OVERLAP = 4_096
# Packed, so that nothing is seen in them from outside.
_CLOSED = (".parquet", ".gz", ".zip", ".xlsx", ".zst", ".bz2")
_DATABASE = (".db", ".db-wal", ".db-shm", ".db-journal", ".sqlite", ".sqlite3")


def delete_mails(settings: Settings, keys: Mapping[str, bool]) -> int:
    """Delete mails that were written as files, by their keys; of one under way its half-written file stays."""
    folder = settings.inside(settings.email.folder)
    if not folder.is_dir() or not keys:
        return 0
    gone = 0
    for path in list(folder.iterdir()):
        name = path.name
        placed = name.endswith(".eml") and name.removesuffix(".eml") in keys
        left_over = name.startswith(".") and name.endswith(".tmp") and keys.get(name[1:].split(".")[0])
        if placed or left_over:
            gone += _delete(path)
    return gone


def delete_exports(settings: Settings, lead_ids: Iterable[int]) -> int:
    """Delete the exports of a person, where no other place was named for them."""
    gone = 0
    for lead in lead_ids:
        folder = places.export_of(settings, lead)
        if folder.is_dir() and not folder.is_symlink():
            gone += sum(1 for path in folder.rglob("*") if path.is_file())
            shutil.rmtree(folder, ignore_errors=True)
    return gone


def _delete(path: Path) -> int:
    try:
        path.unlink()
    except FileNotFoundError:
        return 0
    return 1


def files_with(settings: Settings, mentions: Mentions) -> tuple[list[str], list[str]]:
    """The files of the workspace and of its watched folders that speak of a person, and those that cannot be read.

    Without the database, and without what Ripen itself writes and deletes.
    """
    found: list[str] = []
    closed: list[str] = []
    if mentions.of_nobody:
        return found, closed
    for path in _given(settings):
        name = _shown(path, settings.home)
        if path.name.lower().endswith(_CLOSED):
            closed.append(name)
            continue
        try:
            if mentions.in_text(name) or _speaks_of(path, mentions):
                found.append(name)
        except OSError:
            closed.append(name)
    return sorted(found), sorted(closed)


def _given(settings: Settings) -> Iterator[Path]:
    own = {
        settings.templates,
        places.exports(settings).parent,
        *(
            settings.inside(each)
            for each in (settings.email.folder, settings.audiences_folder, settings.crm_folder, ".prefect")
        ),
    }
    watched = [settings.inside(each.path) for each in settings.sources if isinstance(each, FolderSourceSettings)]
    seen: set[Path] = set()
    for root in (settings.home, *watched):
        for path in _walk(root, own):
            if path not in seen and not path.name.endswith(_DATABASE):
                seen.add(path)
                yield path


def _walk(root: Path, own: set[Path]) -> Iterator[Path]:
    if not root.is_dir():
        return
    for path in sorted(root.iterdir()):
        if path.is_symlink() or path in own:
            continue
        if path.is_dir():
            yield from _walk(path, own)
        elif path.is_file():
            yield path


def _speaks_of(path: Path, mentions: Mentions) -> bool:
    before = b""
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            if mentions.in_text((before + piece).decode("utf-8", "replace").replace("\0", "")):
                return True
            before = piece[-_OVERLAP:]
    return False


def _shown(path: Path, home: Path) -> str:
    return str(path.relative_to(home)) if path.is_relative_to(home) else str(path)
