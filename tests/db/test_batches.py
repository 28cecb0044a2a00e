"""Many rows in one statement: what goes in comes back, on both databases."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.batches import add_columns, add_rows
from db.tables import events
from tests.intake import NOW, Store

_TEXTS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=12)
_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e6, 1e6) | _TEXTS,
    lambda each: st.lists(each, max_size=3) | st.dictionaries(_TEXTS, each, max_size=3),
    max_leaves=6,
)
_INSTANTS = st.datetimes(
    datetime(1971, 1, 1),  # noqa: DTZ001 - the zones are drawn
    datetime(2199, 1, 1),  # noqa: DTZ001
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=-7))]),
)
_ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "type": _TEXTS,
            "occurred_at": _INSTANTS,
            "tiebreak": st.integers(0, 2**63 - 1),
            "properties": st.dictionaries(_TEXTS, _JSON, max_size=3),
            "machine": st.booleans(),
            "machine_by": st.none() | _TEXTS,
            "message_id": st.none() | st.integers(1, 2**53),
        }
    ),
    min_size=1,
    max_size=20,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(rows=_ROWS)
def test_what_goes_in_comes_back(stored: Store, rows: list[dict[str, Any]]) -> None:
    with stored.database.write() as connection:
        connection.execute(events.delete())
        columns = {name: [row[name] for row in rows] for name in rows[0]}
        columns["source_event_id"] = [str(number) for number in range(len(rows))]
        same = {"source": "a \\ 'b'", "received_at": NOW, "silent": True}
        assert add_columns(connection, events, columns, same) == len(rows)

    found = stored.rows("events")
    assert [{name: row[name] for name in rows[0]} for row in found] == rows
    assert {(row["source"], row["received_at"], row["silent"], row["lead_id"]) for row in found} == {
        (same["source"], NOW, True, None)
    }


def test_what_is_known_is_left_out_and_the_first_of_two_stands(stored: Store) -> None:
    def add(names: list[str], kind: str) -> int:
        columns = {"source_event_id": names, "type": [f"{kind}{number}" for number in range(len(names))]}
        same = {"source": "test", "occurred_at": NOW, "received_at": NOW, "tiebreak": 1}
        with stored.database.write() as connection:
            return add_columns(connection, events, columns, same, skip_known=True)

    assert add(["a", "b"], "first") == 2
    assert add(["b", "c", "c", "d"], "second") == 2
    assert stored.rows("events", "source_event_id", "type") == [
        ("a", "first0"),
        ("b", "first1"),
        ("c", "second1"),
        ("d", "second3"),
    ]


def test_no_rows_are_no_statement(stored: Store) -> None:
    with stored.database.write() as connection:
        add_rows(connection, events, [])
    assert stored.rows("events") == []
