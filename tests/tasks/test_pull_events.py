"""Pulling sources: cursors move with their rows, and trouble with one source is trouble with one source."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from connectors.events.base import Page
from connectors.events.folder import FolderSource
from connectors.events.http_json import HttpJsonSettings, HttpJsonSource
from connectors.events.memory import MemorySource
from tasks.pull_events import pull
from tests.connectors.events.pages import PageServer, failing, saying, serving
from tests.intake import NOW, SECRET, Store, catalogue

MINUTE = timedelta(minutes=1)


def item(number: int, **more: Any) -> dict[str, Any]:
    return {
        "source_event_id": f"e{number}",
        "email": f"p{number % 3}@example.com",
        "type": "page.viewed",
        "occurred_at": "2026-03-01T10:00:00Z",
        **more,
    }


def pulled(stored: Store, *sources: Any, now: Any = NOW, troubles: dict[str, str] | None = None) -> dict[str, int]:
    return pull(stored.database, list(sources), now=now, catalogue=catalogue(), secret=SECRET, troubles=troubles)


def ids(stored: Store) -> list[str]:
    return sorted(stored.rows("events", "source_event_id"))


# --- Pages ------------------------------------------------------------------------------------------------------------


def test_a_source_is_read_to_its_end_and_the_next_run_reads_only_what_is_new(stored: Store) -> None:
    source = MemorySource("crm", [item(n) for n in range(5)], page_size=2)

    assert pulled(stored, source)["events_created"] == 5
    assert stored.rows("source_cursors", "source", "cursor") == [("crm", "5")]
    source.records.append(item(9))
    counts = pulled(stored, source)

    assert (counts["rows"], counts["events_created"], counts["duplicates"]) == (1, 1, 0)
    assert stored.rows("events", "silent") == [False] * 6


def test_a_poison_record_becomes_a_dead_letter_and_the_cursor_moves_on(stored: Store) -> None:
    source = MemorySource("crm", [item(0), b"\xff", item(1, type="no.such_type"), item(2, email="nobody"), item(3)])

    counts = pulled(stored, source)

    assert (counts["events_created"], counts["refused"]) == (2, 3)
    assert [row["place"] for row in stored.rows("dead_letters")] == [
        "crm: page 1, item 2",
        "crm: page 1, item 3",
        "crm: page 1, item 4",
    ]
    assert stored.rows("source_cursors", "cursor") == ["5"]


class Stopping(MemorySource):
    """Stops after a page, as a process that is killed does."""

    def pages(self, cursor: str | None) -> Iterator[Page]:
        yield next(super().pages(cursor))
        raise KeyboardInterrupt


def test_a_run_that_is_killed_leaves_whole_pages_with_their_cursor(stored: Store) -> None:
    records = [item(n) for n in range(5)]
    with pytest.raises(KeyboardInterrupt):
        pulled(stored, Stopping("crm", records, page_size=2))

    assert ids(stored) == ["e0", "e1"]
    assert stored.rows("source_cursors", "cursor") == ["2"]
    pulled(stored, MemorySource("crm", records, page_size=2))
    assert ids(stored) == [f"e{n}" for n in range(5)]


def test_a_run_that_is_overtaken_leaves_the_page_to_the_other(stored: Store) -> None:
    records = [item(n) for n in range(4)]

    class Slow(MemorySource):
        def pages(self, cursor: str | None) -> Iterator[Page]:
            for page in super().pages(cursor):
                pulled(stored, MemorySource("crm", records))
                yield page

    counts = pulled(stored, Slow("crm", records, page_size=2))

    assert counts["rows"] == 0
    assert ids(stored) == [f"e{n}" for n in range(4)]
    assert stored.rows("source_cursors", "cursor") == ["4"], "it never goes back"


def test_a_source_of_history_enrolls_nobody(stored: Store) -> None:
    pulled(stored, MemorySource("crm", [item(1)], silent=True))

    assert stored.rows("events", "silent") == [True]


# --- HTTP -------------------------------------------------------------------------------------------------------------


@pytest.fixture
def server() -> Iterator[PageServer]:
    with serving(PageServer([item(n) for n in range(5)])) as made:
        yield made


def http(server: PageServer) -> HttpJsonSource:
    settings = HttpJsonSettings(
        url=server.url, items="data.events", cursor="paging.next", cursor_parameter="after", call_deadline=5
    )
    return HttpJsonSource("crm", settings)


def test_pages_come_over_http_and_the_last_one_is_read_again_without_harm(stored: Store, server: PageServer) -> None:
    assert pulled(stored, http(server))["events_created"] == 5
    again = pulled(stored, http(server))
    assert (again["events_created"], again["duplicates"]) == (0, 1)

    server.items += [item(4), item(10)]
    assert pulled(stored, http(server))["events_created"] == 1


def test_a_failure_in_the_middle_keeps_what_came_before_and_the_next_run_goes_on(
    stored: Store, server: PageServer
) -> None:
    troubles: dict[str, str] = {}
    server.misbehave = [saying(json.dumps(server.page(None)).encode()), failing(500)]

    counts = pulled(stored, http(server), MemorySource("other", [item(7)]), troubles=troubles)

    assert (counts["events_created"], counts["sources_waiting"]) == (3, 1), "the other source is read all the same"
    assert troubles == {"crm": "crm: answers 500"}
    assert pulled(stored, http(server))["events_created"] == 3
    assert ids(stored) == ["e0", "e1", "e2", "e3", "e4", "e7"]


def test_a_source_that_asks_for_time_is_left_alone_until_then(stored: Store, server: PageServer) -> None:
    server.misbehave = [failing(429, Retry_After="600")]
    pulled(stored, http(server))

    pulled(stored, http(server), now=NOW + 9 * MINUTE)
    assert len(server.requests) == 1
    assert pulled(stored, http(server), now=NOW + 10 * MINUTE)["events_created"] == 5


def test_duplicates_and_poison_in_pages_are_counted(stored: Store, server: PageServer) -> None:
    server.items = [item(0), item(0), {"email": "bo@example.com"}, 7, item(1)]

    counts = pulled(stored, http(server))

    assert (counts["events_created"], counts["duplicates"], counts["refused"]) == (2, 1, 2)


def test_a_token_that_is_refused_is_a_trouble_for_a_person(stored: Store, server: PageServer) -> None:
    troubles: dict[str, str] = {}
    server.misbehave = [failing(401)]

    assert pulled(stored, http(server), troubles=troubles)["sources_failed"] == 1
    assert troubles == {"crm": "crm: answers 401; the token is missing, wrong or expired"}


# --- Folders ----------------------------------------------------------------------------------------------------------

HEADER = "source,source_event_id,email,type,occurred_at\n"


def drop(folder: Path, name: str, content: str, age: int = 60) -> None:
    path = folder / name
    path.write_text(content)
    written = NOW.timestamp() - age
    os.utime(path, (written, written))


def line(number: int) -> str:
    return f"web,e{number},p{number}@example.com,page.viewed,2026-03-01\n"


def test_files_in_a_folder_are_read_once_each(stored: Store, tmp_path: Path) -> None:
    source = FolderSource("inbox", tmp_path)
    drop(tmp_path, "one.csv", HEADER + line(1) + line(2))
    drop(tmp_path, "fresh.csv", HEADER + line(3), age=1)

    first = pulled(stored, source)
    again = pulled(stored, source)
    later = pulled(stored, source, now=NOW + MINUTE)

    assert (first["files"], first["events_created"], again.get("files"), later["events_created"]) == (1, 2, None, 1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["fresh.csv", "one.csv"], "nothing is moved"


def test_a_file_that_comes_again_under_another_name_is_the_same_file(stored: Store, tmp_path: Path) -> None:
    source = FolderSource("inbox", tmp_path)
    drop(tmp_path, "one.csv", HEADER + line(1))
    pulled(stored, source)
    drop(tmp_path, "copy.csv", HEADER + line(1))

    assert pulled(stored, source)["rows"] == 0
    assert len(stored.rows("intake_files")) == 1


def test_a_broken_file_is_told_and_the_others_are_read(stored: Store, tmp_path: Path) -> None:
    source = FolderSource("inbox", tmp_path)
    troubles: dict[str, str] = {}
    drop(tmp_path, "a.csv", HEADER + 'web,e1,"p1@exam')
    drop(tmp_path, "b.csv", HEADER + line(2))

    counts = pulled(stored, source, troubles=troubles)

    assert (counts["files_refused"], counts["events_created"]) == (1, 1)
    assert "a quote in this row is never closed" in troubles["inbox/a.csv"]
    assert sorted(stored.rows("intake_files", "name", "status")) == [("a.csv", "refused"), ("b.csv", "done")]
    drop(tmp_path, "a.csv", HEADER + line(1), age=30)
    assert pulled(stored, source)["events_created"] == 1


def test_a_missing_folder_is_a_trouble_of_that_source_alone(stored: Store, tmp_path: Path) -> None:
    troubles: dict[str, str] = {}
    counts = pulled(stored, FolderSource("inbox", tmp_path / "gone"), MemorySource("crm", [item(1)]), troubles=troubles)

    assert (counts["sources_failed"], counts["events_created"]) == (1, 1)
    assert "does not exist" in troubles["inbox"]


def test_what_waited_for_its_time_comes_in_with_the_run(stored: Store) -> None:
    source = MemorySource("crm", [item(1, occurred_at="2026-03-02T10:00:00Z")])
    assert pulled(stored, source)["refused"] == 1

    counts = pulled(stored, source, now=NOW + 60 * MINUTE)

    assert (counts["released"], counts["events_created"]) == (1, 1)
