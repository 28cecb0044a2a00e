"""The watched folder: which files count as complete."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connectors.events.folder import FolderSource
from nurture.errors import BadInput

NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)


def put(folder: Path, name: str, age: float = 60) -> Path:
    path = folder / name
    path.write_text("x")
    written = (NOW - timedelta(seconds=age)).timestamp()
    os.utime(path, (written, written))
    return path


def names(source: FolderSource) -> list[str]:
    return [each.path.name for each in source.files(NOW)]


def test_files_at_rest_come_by_name(tmp_path: Path) -> None:
    for name in ("b.csv", "a.jsonl", "c.parquet"):
        put(tmp_path, name)

    assert names(FolderSource("inbox", tmp_path)) == ["a.jsonl", "b.csv", "c.parquet"]


def test_a_file_that_was_just_written_has_to_wait(tmp_path: Path) -> None:
    put(tmp_path, "fresh.csv", age=2)

    assert names(FolderSource("inbox", tmp_path)) == []
    assert names(FolderSource("inbox", tmp_path, settle_seconds=1)) == ["fresh.csv"]
    assert names(FolderSource("inbox", tmp_path, settle_seconds=0)) == ["fresh.csv"]


def test_unfinished_hidden_and_foreign_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("a.csv.part", "b.csv.tmp", ".c.csv", "~d.csv", "notes.docx"):
        put(tmp_path, name)
    (tmp_path / "folder.csv").mkdir()
    (tmp_path / "link.csv").symlink_to(put(tmp_path, "elsewhere.txt.bak"))

    assert names(FolderSource("inbox", tmp_path)) == []


def test_a_finished_file_stays_unless_the_settings_ask_to_move_it(tmp_path: Path) -> None:
    path = put(tmp_path, "a.csv")
    FolderSource("inbox", tmp_path).finished(path)
    assert path.exists()

    FolderSource("inbox", tmp_path, move_done_to=tmp_path / "done").finished(path)
    assert not path.exists()
    assert (tmp_path / "done" / "a.csv").exists()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="of the source `inbox` does not exist"):
        names(FolderSource("inbox", tmp_path / "missing"))
