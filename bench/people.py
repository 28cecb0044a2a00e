"""What the measured leads have lived through, written set-wise by SQL: consent, and their place in a sequence."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from string import Template
from typing import Any

from bench.business import NOW, TOMORROW
from bench.stores import Store
from db.types import to_microseconds

SEQUENCE = "white-paper-nurture"
# Who is due is told by the last digit of the lead's id, so that several pieces of work find equal shares of their own.
RIPENS, FLOORS, LOOPS = 0, 1, 2
# When each share falls due; the work on it runs a minute later.
DUE = {RIPENS: TOMORROW, FLOORS: TOMORROW + timedelta(hours=1), LOOPS: TOMORROW + timedelta(hours=2)}
A_MINUTE = timedelta(minutes=1)
# A few of Ripen's share are due a little before, so that its statements can be compiled before it is measured.
FIRST = TOMORROW - 10 * A_MINUTE


def sql(store: Store, text: str, **values: Any) -> str:
    """The statement with its `$names` as literals; an instant is written as the database keeps it."""
    return Template(text).substitute({name: _literal(store, value) for name, value in values.items()})


def _literal(store: Store, value: Any) -> str:
    if isinstance(value, datetime):
        return str(to_microseconds(value)) if store.kind == "sqlite" else f"'{value.isoformat()}'::timestamptz"
    return f"'{value}'" if isinstance(value, str) else str(value)


@contextmanager
def cursor_of(store: Store) -> Iterator[Any]:
    """A cursor of the raw driver in a transaction of its own."""
    connection = store.raw()
    cursor = connection.cursor()
    if store.kind == "sqlite":
        cursor.execute("BEGIN IMMEDIATE")
    yield cursor
    connection.commit()
    connection.close()


def settle(store: Store) -> None:
    """What the database would sooner or later do by itself after so many rows: statistics, and its log emptied."""
    connection = store.raw()
    if store.kind == "sqlite":
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    else:
        connection.autocommit = True
        connection.execute("VACUUM ANALYZE")
    connection.close()


def agree(store: Store, topic: str, leads: str = "true") -> None:
    """Consent to a topic of all leads of whom the condition holds and who have not said anything about it."""
    with cursor_of(store) as cursor:
        for statement in _CONSENTS:
            cursor.execute(sql(store, statement.replace("$leads", leads), topic=topic, now=NOW))


_CONSENTS = (
    """
    INSERT INTO consents (lead_id, topic, status, basis, source, occurred_at, recorded_at)
    SELECT id, $topic, 'granted', 'consent', 'bench', $now, $now FROM leads
    WHERE $leads
    AND NOT EXISTS (SELECT 1 FROM consent_states s WHERE s.lead_id = leads.id AND s.topic = $topic) ORDER BY id
    """,
    """
    INSERT INTO consent_states (lead_id, topic, status, basis, consent_id, since)
    SELECT lead_id, topic, status, basis, id, occurred_at FROM consents
    WHERE topic = $topic AND source = 'bench' ORDER BY lead_id ON CONFLICT DO NOTHING
    """,
)


def version_of(store: Store, key: str) -> int:
    """The id of a definition's version; the benchmark publishes each once."""
    with cursor_of(store) as cursor:
        cursor.execute(sql(store, "SELECT max(id) FROM definition_versions WHERE key = $key", key=key))
        return int(cursor.fetchone()[0])


def enroll(store: Store) -> None:
    """Everybody is in the sequence: half let the first mail be read, half wait for a click on the second one.

    Three shares of a tenth are due, one after the other; the waits of all others end in the weeks that follow.
    """
    values: dict[str, Any] = {"sequence": SEQUENCE, "version": version_of(store, f"sequences/{SEQUENCE}")}
    values |= {"first": FIRST, "ripens": DUE[RIPENS], "floors": DUE[FLOORS], "loops": DUE[LOOPS]}
    values |= {"later": TOMORROW + timedelta(days=5)}
    values |= {"day": 86_400_000_000 if store.kind == "sqlite" else "1 day"}
    with cursor_of(store) as cursor:
        for statement in _ENROLL:
            text = statement if store.kind == "sqlite" else statement.replace("$day", "interval $day")
            cursor.execute(sql(store, text, **values))
    settle(store)


def send_all(store: Store, now: datetime) -> None:
    """Every message that waits in the ledger has been accepted."""
    sent = """
        UPDATE messages SET status = 'accepted', attempts = 1, transport = 'bench', handed_over_at = $now,
            settled_at = $now, owner = NULL, lease_until = NULL
        WHERE settled_at IS NULL
    """
    with cursor_of(store) as cursor:
        cursor.execute(sql(store, sent, now=now))


_ENROLL = (
    """
    INSERT INTO enrollments
        (sequence, lead_id, version_id, status, step_id, waiting_for, wake_at, waiting_since, happened_at,
         entered_at, moved_at)
    SELECT $sequence, id, $version, 'active',
        CASE WHEN early THEN 'let-it-be-read' ELSE 'case-study-clicked' END,
        CASE WHEN early THEN 'wake' ELSE 'event' END,
        due, since, since, CASE WHEN early THEN since ELSE since - 4 * $day END, since
    FROM (
        SELECT id, early, due, CASE WHEN early THEN due - 4 * $day ELSE due - 10 * $day END AS since
        FROM (
            SELECT id, (id / 10) % 2 = 0 AS early, CASE id % 10
                WHEN 0 THEN CASE WHEN id <= 200 THEN $first ELSE $ripens END
                WHEN 1 THEN $floors WHEN 2 THEN $loops ELSE $later + (id % 30) * $day END AS due
            FROM leads
        ) who
    ) since_when
    ORDER BY id
    """,
    """
    INSERT INTO executed_steps (enrollment_id, step_id, kind, version_id, outcome, executed_at)
    SELECT e.id, past.step, past.kind, e.version_id, past.outcome, e.entered_at + past.days * $day
    FROM enrollments e
    JOIN (
        SELECT 'thanks' AS step, 'email' AS kind, 'queued' AS outcome, 0 AS days, 'let-it-be-read' AS stands
        UNION ALL SELECT 'retarget', 'audience', 'passed', 0, 'let-it-be-read'
        UNION ALL SELECT 'thanks', 'email', 'queued', 0, 'case-study-clicked'
        UNION ALL SELECT 'retarget', 'audience', 'passed', 0, 'case-study-clicked'
        UNION ALL SELECT 'let-it-be-read', 'wait', 'waited', 4, 'case-study-clicked'
        UNION ALL SELECT 'case-study', 'email', 'queued', 4, 'case-study-clicked'
    ) past ON past.stands = e.step_id
    ORDER BY e.id
    """,
    """
    INSERT INTO messages
        (enrollment_id, step_id, lead_id, sequence, email, topic, marketing, version_id, priority, status, attempts,
         queued_at, due_at, handed_over_at, settled_at, transport)
    SELECT e.id, x.step_id, e.lead_id, e.sequence, 'wp-' || x.step_id, 'nurture', true, e.version_id, 50, 'accepted', 1,
        x.executed_at, x.executed_at, x.executed_at, x.executed_at, 'bench'
    FROM enrollments e JOIN executed_steps x ON x.enrollment_id = e.id AND x.kind = 'email'
    ORDER BY e.id
    """,
    """
    INSERT INTO audience_choices (audience, lead_id, choice, enrollment_id, step_id, chosen_at)
    SELECT 'white-paper-readers', lead_id, 'add', id, 'retarget', entered_at FROM enrollments ORDER BY lead_id
    """,
)
