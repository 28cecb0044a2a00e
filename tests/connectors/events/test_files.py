"""Files of records: what is read, what is refused row by row, and what is refused as a whole with place and remedy."""

from __future__ import annotations

import json
import sys
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.events.base import BrokenRow, Row
from connectors.events.files import open_records
from nurture.errors import BadInput


def write(folder: Path, content: str | bytes, name: str = "leads.csv") -> Path:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path: Path, **dialect: Any) -> list[Row | BrokenRow]:
    with open_records(path, **dialect) as file:
        file.check()
        return list(file.rows())


def refusal(path: Path, **dialect: Any) -> str:
    with pytest.raises(BadInput) as caught:
        read(path, **dialect)
    return str(caught.value)


# --- CSV --------------------------------------------------------------------------------------------------------------


def test_rows_come_with_their_line_and_by_column(tmp_path: Path) -> None:
    rows = read(write(tmp_path, 'email,name\na@example.com,"Berg, Bo"\n\nb@example.com,"two\nlines"\nc@example.com,\n'))

    assert rows == [
        Row(2, {"email": "a@example.com", "name": "Berg, Bo"}),
        Row(4, {"email": "b@example.com", "name": "two\nlines"}),
        Row(6, {"email": "c@example.com", "name": ""}),
    ]


def test_a_byte_order_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    assert read(write(tmp_path, b"\xef\xbb\xbfemail\na@example.com\n")) == [Row(2, {"email": "a@example.com"})]


def test_what_looks_like_a_formula_is_data_and_kept(tmp_path: Path) -> None:
    rows = read(write(tmp_path, "name\n=1+1\n@SUM(A1)\n-3\n"))

    assert [row.values["name"] for row in rows if isinstance(row, Row)] == ["=1+1", "@SUM(A1)", "-3"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "end"])
def test_line_ends_of_both_kinds_and_a_last_line_without_one_are_fine(tmp_path: Path, end: str, last: str) -> None:
    text = f"email,name{end}a@example.com,A{end}b@example.com,B" + (end if last else "")

    assert len(read(write(tmp_path, text))) == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(tmp_path: Path, encoding: str) -> None:
    message = refusal(write(tmp_path, "email,name\na@example.com,Bo\n".encode(encoding)))

    assert message in (
        "leads.csv: line 1, byte 1: the file is UTF-16; save it as UTF-8 (in a spreadsheet: CSV UTF-8)",
        "leads.csv: line 1, byte 2: a NUL byte; is the file UTF-16? save it as UTF-8",
        "leads.csv: line 1, byte 1: a NUL byte; is the file UTF-16? save it as UTF-8",
    )


def test_a_byte_that_is_no_utf_8_is_named_with_line_and_byte(tmp_path: Path) -> None:
    path = write(tmp_path, "email,name\na@example.com,Bo\nb@example.com,Søren\n".encode("windows-1252"))

    assert refusal(path) == (
        "leads.csv: line 3, byte 16: the byte 0xf8 is not UTF-8; "
        "save the file as UTF-8, or write `encoding: windows-1252` in a mapping file"
    )
    assert read(path, encoding="windows-1252")[1] == Row(3, {"email": "b@example.com", "name": "Søren"})


def test_a_nul_byte_is_named_with_line_and_byte(tmp_path: Path) -> None:
    path = write(tmp_path, b"email,name\na@example.com,B\x00o\n")

    assert refusal(path) == "leads.csv: line 2, byte 16: a NUL byte; delete it"


@pytest.mark.parametrize(("sign", "name"), [(";", "semicolon"), ("\t", "tab"), ("|", "pipe")])
def test_a_wrong_delimiter_is_named_with_the_remedy(tmp_path: Path, sign: str, name: str) -> None:
    path = write(tmp_path, sign.join(("email", "name")) + "\n" + sign.join(("a@example.com", "Bo")) + "\n")

    assert refusal(path) == (
        f"leads.csv: the columns are separated by {name}, not by comma; "
        f"write `delimiter: {name}` in a mapping file and give it with --mapping"
    )
    assert read(path, delimiter=sign) == [Row(2, {"email": "a@example.com", "name": "Bo"})]


def test_a_quote_that_is_never_closed_is_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path, 'email,name\na@example.com,Bo\nb@example.com,"Berg\nc@example.com,C\n')

    assert refusal(path) == (
        "leads.csv: line 3, byte 1: a quote in this row is never closed; "
        "the file is not complete, or a quote is missing"
    )


def test_a_short_last_line_without_an_end_is_a_file_that_is_cut_off(tmp_path: Path) -> None:
    path = write(tmp_path, "email,name,city\na@example.com,Bo,Odense\nb@exam")

    assert refusal(path) == (
        "leads.csv: line 3 is cut off: the row has 1 fields, the header has 3; the file is not complete"
    )


def test_a_row_of_another_width_is_refused_alone_and_kept_as_it_came(tmp_path: Path) -> None:
    rows = read(write(tmp_path, "email,name\na@example.com,Bo,x\nb@example.com,Bo\n"))

    message = "the row has 3 fields, the header has 2"
    assert rows == [
        BrokenRow(2, "wrong-width", message, b"a@example.com,Bo,x\n"),
        Row(3, {"email": "b@example.com", "name": "Bo"}),
    ]


def test_a_row_with_a_stray_quote_is_refused_alone(tmp_path: Path) -> None:
    rows = read(write(tmp_path, 'email,name\na@example.com,"Bo" Berg\nb@example.com,Bo\n'))

    assert [type(row) for row in rows] == [BrokenRow, Row]
    assert rows[0][1] == "broken-quotes"
    assert rows[0][3] == b'a@example.com,"Bo" Berg\n'


def test_a_field_of_ten_megabytes_refuses_its_row_and_not_the_file(tmp_path: Path) -> None:
    rows = read(write(tmp_path, b"email,name\na@example.com," + b"x" * 10_000_000 + b"\nb@example.com,Bo\n"))

    assert isinstance(rows[0], BrokenRow)
    assert (rows[0].reason, rows[0].message) == (
        "too-long",
        "`name` holds 10,000,000 characters; at most 1,000,000 can be used",
    )
    assert len(rows[0].raw) == 10_000_015
    assert rows[1] == Row(3, {"email": "b@example.com", "name": "Bo"})


def test_a_header_with_one_column_twice_is_refused(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, "email,name,email\na@example.com,Bo,b@example.com\n"))

    assert message == "leads.csv: the column `email` stands twice in the header; rename one of them"


def test_an_empty_file_has_no_header(tmp_path: Path) -> None:
    assert refusal(write(tmp_path, "")) == "leads.csv has no header; its first line names the columns"


def test_columns_without_a_name_are_fine_as_long_as_they_are_empty(tmp_path: Path) -> None:
    rows = read(write(tmp_path, "email,,\na@example.com,,\nb@example.com,x,\n"))

    assert rows[0] == Row(2, {"email": "a@example.com"})
    assert isinstance(rows[1], BrokenRow)
    assert rows[1].reason == "no-column"


def test_a_file_that_grows_while_it_is_read_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path, "email\na@example.com\n")
    with open_records(path) as file:
        file.check()
        with path.open("a") as more:
            more.write("b@example.com\n")
        with pytest.raises(BadInput, match="was changed while it was being read"):
            list(file.rows())


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("leads.xlsx", "cannot tell what kind of file this is"),
        ("missing.csv", "does not exist"),
        ("folder.csv", "is a folder"),
    ],
)
def test_what_is_no_file_of_records_is_named(tmp_path: Path, name: str, says: str) -> None:
    (tmp_path / "leads.xlsx").write_text("")
    (tmp_path / "folder.csv").mkdir()

    assert says in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["big.csv", "big.jsonl"])
def test_a_large_file_is_read_in_little_memory(tmp_path: Path, name: str) -> None:
    row = "a@example.com," + "x" * 2_000 if name == "big.csv" else json.dumps({"a": "x" * 2_000})
    path = write(tmp_path, "email,note\n" * (name == "big.csv") + (row + "\n") * 10_000, name)
    tracemalloc.start()
    try:
        with open_records(path) as file:
            assert file.check() == sum(1 for _ in file.rows()) == 10_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()

    assert path.stat().st_size > 20_000_000
    assert peak < 1_000_000


@given(content=st.binary(max_size=200))
def test_no_content_whatever_breaks_the_reader(content: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    for name in ("any.csv", "any.jsonl", "any.parquet"):
        path = write(tmp_path_factory.mktemp("any"), content, name)
        try:
            rows = read(path)
        except BadInput:
            continue
        assert all(isinstance(row, (Row, BrokenRow)) for row in rows)


@given(rows=st.lists(st.lists(st.text(alphabet="ab,\"\n\r;é '", max_size=6), min_size=2, max_size=2), max_size=5))
def test_what_the_csv_library_writes_is_read_back(
    rows: list[list[str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    import csv

    path = tmp_path_factory.mktemp("round") / "round.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["one", "two"], *rows])

    found = read(path)

    assert [list(row.values.values()) for row in found if isinstance(row, Row)] == rows


# --- JSON lines -------------------------------------------------------------------------------------------------------


def test_json_lines_are_read_and_broken_ones_refused_alone(tmp_path: Path) -> None:
    lines = [
        b'{"email": "a@example.com", "n": 1}',
        b"",
        b"[1]",
        b'{"a": ',
        b'{"a": "\xff"}',
        b'{"a": "\\ud800"}',
        b'{"z": 1}',
    ]
    rows = read(write(tmp_path, b"\n".join(lines) + b"\n", "events.jsonl"))

    assert rows[0] == Row(1, {"email": "a@example.com", "n": 1})
    assert [(row[0], row[1]) for row in rows[1:5]] == [
        (3, "not-an-object"),
        (4, "not-json"),
        (5, "not-json"),
        (6, "not-json"),
    ]
    assert rows[3][2] == "byte 8 of the line, 0xff, is not UTF-8"
    assert rows[5] == Row(7, {"z": 1})


def test_a_line_that_is_nested_ten_thousand_deep_is_refused_alone(tmp_path: Path) -> None:
    deep = b'{"a": ' + b"[" * 10_000 + b"]" * 10_000 + b"}"
    rows = read(write(tmp_path, deep + b'\n{"a": 1}\n', "events.jsonl"))

    assert rows[0] == BrokenRow(1, "not-json", rows[0][2], deep + b"\n")
    assert rows[1] == Row(2, {"a": 1})


def test_a_json_line_of_ten_megabytes_is_refused_alone(tmp_path: Path) -> None:
    big = json.dumps({"a": "x" * 10_000_000})
    rows = read(write(tmp_path, big + '\n{"a": 1}\n', "events.jsonl"))

    assert [row[1] for row in rows] == ["too-long", {"a": 1}]


def test_a_last_line_that_is_cut_off_is_a_file_that_is_not_complete(tmp_path: Path) -> None:
    message = refusal(write(tmp_path, '{"a": 1}\n{"a": 2', "events.jsonl"))

    assert message == "events.jsonl: line 2 is cut off; the file is not complete"


# --- Parquet ----------------------------------------------------------------------------------------------------------


def parquet(folder: Path, select: str) -> Path:
    path = folder / "events.parquet"
    with duckdb.connect() as connection:
        connection.sql(select).write_parquet(str(path))
    return path


def test_parquet_gives_plain_values_and_instants_in_utc(tmp_path: Path) -> None:
    path = parquet(
        tmp_path,
        "SELECT 'a@example.com' AS email, TIMESTAMPTZ '2026-03-01 10:00:00+02' AS at, TIMESTAMP '2026-03-01 10:00' "
        "AS here, 1.5::DECIMAL(10,2) AS price, 3 AS n, true AS yes, NULL::VARCHAR AS nothing, "
        "{'url': '/pricing'} AS properties",
    )

    (row,) = read(path)
    assert isinstance(row, Row)
    assert row.values == {
        "email": "a@example.com",
        "at": datetime(2026, 3, 1, 8, tzinfo=UTC).isoformat(),
        "here": "2026-03-01T10:00:00",
        "price": 1.5,
        "n": 3,
        "yes": True,
        "nothing": None,
        "properties": {"url": "/pricing"},
    }


def test_many_parquet_rows_come_in_order(tmp_path: Path) -> None:
    rows = read(parquet(tmp_path, "SELECT range AS n FROM range(5000)"))

    assert [row.values["n"] for row in rows if isinstance(row, Row)] == list(range(5000))


def test_a_parquet_file_without_its_end_is_cut_off(tmp_path: Path) -> None:
    path = parquet(tmp_path, "SELECT 1 AS a")
    path.write_bytes(path.read_bytes()[:-10])

    assert refusal(path) == "events.parquet is cut off: its end is missing; the file is not complete"


def test_without_the_extra_parquet_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = parquet(tmp_path, "SELECT 1 AS a")
    monkeypatch.setitem(sys.modules, "duckdb", None)

    assert "reading Parquet needs DuckDB; install it with `pip install duckdb`" in refusal(path)
