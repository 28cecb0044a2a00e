"""Where a mapping is looked for, and how rows without one are read."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from nurture import row_mapping
from nurture.definitions.mappings import Mapping
from nurture.definitions.usual_columns import usual_columns
from nurture.row_mapping import RowMapper
from tasks.mappers import load_mapping, mapper_for
from tests.intake import NOW, catalogue

MAPPING = "source: forms\nidentities: {email: E-mail}\nlead: {fields: {name: Name}}\n"


def test_a_mapping_is_found_by_its_name_also_where_a_folder_is_called_the_same(tmp_path, monkeypatch):
    (tmp_path / "templates/mappings").mkdir(parents=True)
    (tmp_path / "templates/mappings/forms.yaml").write_text(MAPPING)
    (tmp_path / "forms").mkdir()
    monkeypatch.chdir(tmp_path)
    assert load_mapping("forms", tmp_path / "templates").source == "forms"


def test_a_mapping_is_found_by_its_path(tmp_path):
    (tmp_path / "mine.yaml").write_text(MAPPING)
    assert load_mapping(str(tmp_path / "mine.yaml"), tmp_path / "templates").source == "forms"


# --- Rows that each name their own columns ----------------------------------------------------------------------------

_WORDS = (
    "",
    "  ",
    "n/a",
    "page.viewed",
    "no\x01text",
    "yes",
    "no",
    "\u00d8 & co",
    "granted",
    "consent",
    "DK",
    "Mars/X",
)
_PEOPLE = ("ada@example.com", "Ada@Example.com ", "no address", "+45 12 34 56 78", 4512345678, "Europe/Copenhagen")
_OTHERS = (None, True, 12, 1.0, 2.5, "2026-01-02T10:00:00", "2026/01/02 9:15", 1770000000)
_OBJECTS = ({}, {"seconds": 12}, '{"a": [1]}', "[1]")
_CELLS = st.sampled_from((*_WORDS, *_PEOPLE, *_OTHERS, *_OBJECTS))


def _rows(kind: str) -> st.SearchStrategy[dict[str, object]]:
    free = "properties.x" if kind == "events" else "attributes.x"
    columns = st.sampled_from([*usual_columns(kind, catalogue()), "email", free, "unknown"])
    # Half of them begin as a row that can be used.
    begun = st.sampled_from(({}, {"email": "ada@example.com", "type": "page.viewed", "occurred_at": "2026-01-02"}))
    if kind == "leads":
        begun = st.sampled_from(({}, {"email": "ada@example.com"}))
    return st.builds(lambda first, more: {**first, **more}, begun, st.dictionaries(columns, _CELLS, max_size=4))


def _whole(kind: str, dialect: Mapping | None) -> RowMapper:
    """A mapper that asks each row for every column."""
    mapper = mapper_for(dialect, kind, catalogue(), file="rows", columns=None)
    mapper.narrow = None
    return mapper


@given(
    st.sampled_from(["events", "leads"]).flatmap(lambda kind: st.tuples(st.just(kind), st.lists(_rows(kind)))),
    st.sampled_from([None, Mapping(missing=["n/a"]), Mapping(other_columns="attributes"), Mapping(phone_country="DK")]),
)
def test_a_row_says_the_same_whether_all_columns_are_asked_for_or_those_it_has(kind_and_rows, dialect):
    kind, rows = kind_and_rows
    narrow, whole = mapper_for(dialect, kind, catalogue(), file="rows", columns=None), _whole(kind, dialect)

    for line, row in enumerate(rows + rows, 1):
        assert narrow.read(row, NOW, line) == whole.read(row, NOW, line)


def test_rows_of_more_shapes_than_are_kept_are_read_all_the_same(monkeypatch):
    monkeypatch.setattr(row_mapping, "MAX_SHAPES", 1)
    mapper = mapper_for(None, "leads", catalogue(), file="rows", columns=None)

    read = [mapper.read({"email": "a@example.com", name: "x"}, NOW, 1) for name in ("name", "city", "nonsense")]

    assert [getattr(found, "reason", None) or found.fields for (found,) in read] == [
        {"email": "a@example.com", "name": "x", "source": "import"},
        {"email": "a@example.com", "city": "x", "source": "import"},
        "unknown-column",
    ]
