"""Importing files: what comes in, what is refused with which words, and what a second or a broken-off import does."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from nurture import failpoints
from nurture.definitions.mappings import mapping_from_text
from nurture.errors import BadInput
from tasks import import_file as importing
from tasks.import_file import ImportReport, import_file
from tests.intake import NOW, SECRET, Store, catalogue

LEADS = "email,name,phone,company,country,source\n"
EVENTS = "source,source_event_id,email,type,occurred_at\n"


def run(stored: Store, folder: Path, content: str | bytes, kind: Any = "leads", **more: Any) -> ImportReport:
    """Import a file with this content."""
    path = folder / more.pop("name", f"{kind}.csv")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    mapping = more.pop("mapping", None)
    found = mapping_from_text(mapping, "test.yaml") if mapping else None
    given = {"now": NOW, "catalogue": catalogue(), "secret": SECRET, **more}
    return import_file(stored.database, path, kind, found, **given)


def said(stored: Store, folder: Path, content: str | bytes, kind: Any = "leads", **more: Any) -> str:
    """Why a file is refused as a whole; nothing of it may be in."""
    with pytest.raises(BadInput) as caught:
        run(stored, folder, content, kind, **more)
    assert stored.rows("leads") == stored.rows("events") == stored.rows("dead_letters") == []
    return str(caught.value)


def test_leads_come_in_by_their_usual_columns(stored: Store, tmp_path: Path) -> None:
    report = run(stored, tmp_path, LEADS + "bo@example.com,Bo Berg,12 34 56 78,Ørsted A/S,Danmark,fair\n")

    assert (report.rows, report.created, report.updated, report.duplicates, report.refused) == (1, 1, 0, 0, 0)
    (row,) = stored.rows("leads")
    assert (row["name"], row["phone"], row["country"]) == ("Bo Berg", "+4512345678", "DK")


def test_events_come_in_and_bring_their_leads(stored: Store, tmp_path: Path) -> None:
    report = run(
        stored,
        tmp_path,
        EVENTS
        + "web,1,bo@example.com,demo.requested,2026-03-01T10:00:00Z\nweb,1,bo@example.com,demo.requested,2026-03-01\n",
        "events",
    )

    assert (report.rows, report.created, report.duplicates) == (2, 1, 1)
    assert stored.rows("leads", "email", "source") == [("bo@example.com", "web")]


def test_imported_events_are_history_unless_the_import_enrolls(stored: Store, tmp_path: Path) -> None:
    run(stored, tmp_path, EVENTS + "web,1,bo@example.com,page.viewed,2026-03-01\n", "events")
    run(stored, tmp_path, EVENTS + "web,2,al@example.com,page.viewed,2026-03-01\n", "events", enroll=True)

    assert stored.rows("events", "silent") == [True, False]
    assert stored.rows("work_queue", "silent") == [True, False]


# --- Refused row by row, in so many words -----------------------------------------------------------------------------


def test_bad_rows_become_dead_letters_with_their_place_and_the_others_come_in(stored: Store, tmp_path: Path) -> None:
    rows = [
        "bo@example.com,Bo,,,,",
        "not an address,Al,,,,",
        ",Cy,,,,",
        "dy@example.com,D\x07y,,,,",
        "ed@example.com,Ed,,,,,,",
        "fy@example.com," + "x" * 301 + ",,,,",
        "gy@example.com," + "y" * 10_000_000 + ",,,,",
        "hy@example.com,Hy,,,,",
    ]
    report = run(stored, tmp_path, LEADS + "\n".join(rows) + "\n")

    assert (report.rows, report.created, report.refused) == (8, 2, 6)
    assert [(each["line"], each["reason"]) for each in sorted(report.refusals, key=lambda each: each["line"])] == [
        (3, "bad-email"),
        (4, "no-identifier"),
        (5, "control-character"),
        (6, "wrong-width"),
        (7, "too-long"),
        (8, "too-long"),
    ]
    letters = {row["place"]: row for row in stored.rows("dead_letters")}
    assert set(letters) == {f"leads.csv:{line}" for line in range(3, 9)}
    assert letters["leads.csv:4"]["message"] == (
        "no e-mail address, phone number or other identifier: nobody can be recognised"
    )
    assert b'"name":"Al"' in letters["leads.csv:3"]["raw"]
    assert len(letters["leads.csv:8"]["raw"]) > 10_000_000, "nothing is lost"


def test_events_from_the_future_and_of_unknown_type_are_named(stored: Store, tmp_path: Path) -> None:
    report = run(
        stored,
        tmp_path,
        EVENTS
        + "web,1,bo@example.com,demo.request,2026-03-01\n"
        + "web,2,bo@example.com,demo.requested,2026-03-09T12:00:00Z\n"
        + "web,3,,demo.requested,2026-03-01\n",
        "events",
    )

    assert {(each["line"], each["reason"], each["message"]) for each in report.refusals} == {
        (
            2,
            "unknown-event-type",
            "`demo.request` is no event type of events.yaml (did you mean `demo.requested`?)",
        ),
        (3, "future", "it happens in the future, at 2026-03-09T12:00:00+00:00; a run after that takes it in"),
        (4, "no-identifier", "no e-mail address, phone number or other identifier: nobody can be recognised"),
    }


def test_duplicate_ids_in_one_file_are_counted_and_harmless(stored: Store, tmp_path: Path) -> None:
    line = "web,1,bo@example.com,page.viewed,2026-03-01\n"
    report = run(stored, tmp_path, EVENTS + line * 3, "events")

    assert (report.rows, report.created, report.duplicates) == (3, 1, 2)


# --- Refused as a whole -----------------------------------------------------------------------------------------------


def test_an_unknown_column_is_named_with_the_nearest_one(stored: Store, tmp_path: Path) -> None:
    assert said(stored, tmp_path, "emial,name\nbo@example.com,Bo\n") == (
        "leads.csv: unknown column `emial` (did you mean `email`?)"
    )


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        ("name,city\nBo,Odense\n", "leads", "leads.csv: no column says who it is; one of email, phone, external_id, "
         "anonymous_id is needed, or a mapping"),
        ("email,occurred_at\nbo@example.com,2026-03-01\n", "events", "events.csv: events need the column `type`; "
         "rename the one that holds it, or give a mapping"),
        ("email;name\nbo@example.com;Bo\n", "leads", "leads.csv: the columns are separated by semicolon, not by comma; "
         "write `delimiter: semicolon` in a mapping file and give it with --mapping"),
        (LEADS.encode("utf-16"), "leads", "leads.csv: line 1, byte 1: the file is UTF-16; save it as UTF-8 "
         "(in a spreadsheet: CSV UTF-8)"),
        (LEADS + 'bo@example.com,"Bo\n', "leads", "leads.csv: line 2, byte 1: a quote in this row is never closed; "
         "the file is not complete, or a quote is missing"),
        (LEADS + "bo@example.com,Bo,,,,\nal@exam", "leads", "leads.csv: line 3 is cut off: the row has 1 fields, "
         "the header has 6; the file is not complete"),
    ],
)  # fmt: skip
def test_a_file_that_cannot_be_used_is_refused_before_anything_is_in(
    stored: Store, tmp_path: Path, content: str | bytes, kind: str, message: str
) -> None:
    assert said(stored, tmp_path, content, kind) == message


def test_a_byte_order_mark_is_fine(stored: Store, tmp_path: Path) -> None:
    assert run(stored, tmp_path, b"\xef\xbb\xbf" + LEADS.encode() + b"bo@example.com,Bo,,,,\n").created == 1


MAPPING = "source: crm\nidentities: {external: {crm: Id}}\nlead: {fields: {name: Name}}\n"


@pytest.mark.parametrize(
    ("mapping", "header", "kind", "message"),
    [
        (MAPPING, "ID,Name", "leads", "leads.csv has no column `Id`, which the mapping names (did you mean `ID`?)"),
        (MAPPING, "Id,Name,Town", "leads", "leads.csv: unknown column `Town`, which the mapping does not name "
         "(name it, or write `other_columns: ignore`)"),
        (MAPPING, "Id,Name", "events", "the mapping for events.csv makes no events; give it `events`, "
         "or import the file as leads"),
        (MAPPING + "events: [{type: demo.request, id: Id, occurred_at: Name}]\n", "Id,Name", "leads", "the mapping for "
         "leads.csv: `demo.request` is no event type of events.yaml (did you mean `demo.requested`?)"),
    ],
)  # fmt: skip
def test_what_mapping_and_file_disagree_about_is_named(
    stored: Store, tmp_path: Path, mapping: str, header: str, kind: str, message: str
) -> None:
    width = header.count(",")
    assert said(stored, tmp_path, f"{header}\n1{',x' * width}\n", kind, mapping=mapping) == message


def test_a_mapping_may_say_no_more_than_how_the_file_is_written(stored: Store, tmp_path: Path) -> None:
    content = "email;name\nbo@example.com;Søren\n".encode("windows-1252")
    report = run(stored, tmp_path, content, mapping="delimiter: semicolon\nencoding: windows-1252\n")

    assert report.created == 1
    assert stored.rows("leads", "name") == ["Søren"]


def test_json_lines_without_a_mapping_name_their_own_columns(stored: Store, tmp_path: Path) -> None:
    lines = (
        '{"email": "bo@example.com", "type": "page.viewed", "occurred_at": "2026-03-01", "properties": {"url": "/a"}}\n'
        '{"email": "bo@example.com", "tpye": "page.viewed", "occurred_at": "2026-03-01"}\n'
    )
    report = run(stored, tmp_path, lines, "events", name="events.jsonl")

    assert report.created == 1
    assert stored.rows("events", "properties") == [{"url": "/a"}]
    assert report.refusals == [
        {"line": 2, "reason": "unknown-column", "message": "unknown column `tpye` (did you mean `type`?)"}
    ]


def test_parquet_comes_in_like_csv(stored: Store, tmp_path: Path) -> None:
    import duckdb

    path = tmp_path / "events.parquet"
    with duckdb.connect() as connection:
        events = connection.sql(
            "SELECT 'web' AS source, range AS source_event_id, 'p' || range || '@example.com' AS email, "
            "'page.viewed' AS type, TIMESTAMPTZ '2026-03-01 10:00:00+02' AS occurred_at FROM range(3)"
        )
        events.write_parquet(str(path))
    report = import_file(stored.database, path, "events", None, now=NOW, catalogue=catalogue(), secret=SECRET)

    assert report.created == 3
    assert set(stored.rows("events", "occurred_at")) == {NOW - timedelta(days=1, hours=1)}


# --- Again, half, and only for show -----------------------------------------------------------------------------------


def many(folder: Path, count: int = 50) -> str:
    return LEADS + "".join(f"p{n}@example.com,P {n},,Acme,DK,fair\n" for n in range(count))


def test_a_second_import_of_a_file_changes_nothing(stored: Store, tmp_path: Path) -> None:
    run(stored, tmp_path, many(tmp_path) + "nobody,N,,,,\n")
    tables = ("leads", "identities", "events", "consents", "dead_letters", "work_queue", "intake_files")
    before = {table: stored.rows(table) for table in tables}

    report = run(stored, tmp_path, many(tmp_path) + "nobody,N,,,,\n", now=NOW + timedelta(days=1))

    assert (report.rows, report.created, report.updated, report.duplicates) == (51, 0, 0, 50)
    assert report.already_imported == NOW.isoformat()
    assert {table: stored.rows(table) for table in tables} == before


def test_an_import_that_stopped_goes_on_after_its_last_batch(
    stored: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH_ROWS", 10)

    class Killed(Exception):
        pass

    def kill(done: int, total: int) -> None:
        if done == 30:
            raise Killed

    with pytest.raises(Killed):
        run(stored, tmp_path, many(tmp_path), on_progress=kill)
    assert len(stored.rows("leads")) == 30
    assert stored.rows("intake_files", "rows_done", "status") == [(30, "reading")]

    report = run(stored, tmp_path, many(tmp_path))

    assert (report.resumed_at, report.rows, report.created) == (30, 50, 50)
    assert len(stored.rows("leads")) == 50
    assert stored.rows("intake_files", "rows_done", "status") == [(50, "done")]


def test_a_crash_at_any_point_of_an_import_loses_and_doubles_nothing(
    stored: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH_ROWS", 20)

    class Killed(BaseException):
        pass

    def file(number: int) -> str:
        return (
            EVENTS + "".join(f"s{number},{n},p{n}@example.com,page.viewed,2026-03-01\n" for n in range(49)) + "x,,,,\n"
        )

    try:
        for point in range(6):
            passed: list[str] = []

            def kill(name: str, point: int = point, passed: list[str] = passed) -> None:
                passed.append(name)
                if len(passed) > point:
                    raise Killed

            failpoints.listen(kill)
            with pytest.raises(Killed):
                run(stored, tmp_path, file(point), "events")
            failpoints.listen(None)
            report = run(stored, tmp_path, file(point), "events")

            assert (report.rows, report.created, report.refused) == (50, 49, 1), point
            assert len(stored.rows("events", source=f"s{point}")) == 49
        assert passed == ["pull.before_commit", "pull.committed"] * 3
    finally:
        failpoints.listen(None)


def test_two_imports_of_one_file_side_by_side_do_not_get_in_each_others_way(
    stored: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH_ROWS", 10)
    reports: list[ImportReport] = []

    def intrude(done: int, total: int) -> None:
        if done == 10:
            reports.append(run(stored, tmp_path, many(tmp_path)))

    with pytest.raises(BadInput, match="is being imported by another process"):
        run(stored, tmp_path, many(tmp_path), on_progress=intrude)

    assert len(stored.rows("leads")) == 50
    assert reports[0].created == 50
    assert stored.rows("intake_files", "status") == ["done"]


def test_a_dry_run_counts_and_leaves_nothing(stored: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "BATCH_ROWS", 10)
    report = run(stored, tmp_path, many(tmp_path) + "p1@example.com,Other,,,,\nnobody,,,,,\n", dry_run=True)

    assert (report.created, report.updated, report.refused) == (50, 1, 1)
    for table in ("leads", "identities", "accounts", "dead_letters", "work_queue", "intake_files"):
        assert stored.rows(table) == []


def test_progress_is_told_and_ends_at_the_last_row(
    stored: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "BATCH_ROWS", 20)
    seen: list[tuple[int, int]] = []

    run(stored, tmp_path, many(tmp_path), on_progress=lambda done, total: seen.append((done, total)))

    assert seen == [(20, 50), (40, 50), (50, 50)]
