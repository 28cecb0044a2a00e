"""Merges: two leads are one person. One transaction makes one lead of both, and every old id leads to it.

What each part of it decides stands in `merge_people.py`, `merge_events.py`, `merge_sales.py` and `merge_sequences.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, delete, func, select, update

from db import leads, sequences, work
from db.batches import one_intake_at_a_time
from db.merge_events import join_events
from db.merge_people import Pair, join_consents, join_profiles, join_suppressions
from db.merge_sales import join_stages, join_tasks
from db.merge_sequences import join_audiences, join_enrollments, join_marks
from db.tables import leads as lead_table
from db.tables import score_contributions, scores, tracked_links, work_queue

# What runs write of a lead, and no intake does.
_WRITTEN_BY_RUNS = (
    "work_queue",
    "scores",
    "stage_transitions",
    "sales_tasks",
    "sales_task_leads",
    "entry_marks",
    "enrollments",
    "executed_steps",
    "messages",
    "audience_choices",
    "audience_members",
)


@dataclass(frozen=True, slots=True)
class Merged:
    """What a merge did. `accounts` are those whose points have to be added up anew."""

    events_moved: int
    duplicates: int
    consents_changed: int
    suppressed: int
    stage: str
    tasks_cancelled: int
    enrollments_ended: int
    messages_skipped: int
    memberships_removed: int
    accounts: tuple[int, ...]

    def as_counts(self) -> dict[str, Any]:
        """Everything that concerns a person who reads it."""
        return {name: value for name, value in asdict(self).items() if name != "accounts"}


def alone(connection: Connection) -> None:
    """Let nobody else write about leads until this transaction ends, as SQLite's write lock does anyway.

    A run that has seen the lead that goes must not write another row for it after the merge.
    """
    sequences.take_alone(connection)
    one_intake_at_a_time(connection)
    if connection.dialect.name == "postgresql":
        tables = ", ".join(_WRITTEN_BY_RUNS)
        connection.execute(sa.text(f"LOCK TABLE {tables} IN SHARE ROW EXCLUSIVE MODE"))


def names(connection: Connection, pair: Pair) -> dict[int, str | None]:
    """How the two leads call themselves, for people to see whom they merge."""
    rows = select(lead_table.c.id, func.coalesce(lead_table.c.email, lead_table.c.name)).where(
        lead_table.c.id.in_(pair)
    )
    return dict(connection.execute(rows).tuples().all())


def any_erased(connection: Connection, pair: Pair) -> bool:
    """Whether one of the two is only what is left of an erased person."""
    rows = select(lead_table.c.id).where(lead_table.c.id.in_(pair), lead_table.c.erased_at.is_not(None))
    return connection.execute(rows).first() is not None


def merge(connection: Connection, pair: Pair, now: datetime, *, per_account: bool) -> Merged:
    """Make one lead of two; `alone` has been called. The caller brings the score up to date.

    `per_account`: sales has one task for all people of a company.
    """
    leads.lock(connection, pair)
    stays, goes, joined = join_profiles(connection, pair, now)
    moved, duplicates = join_events(connection, pair, now)
    consents = join_consents(connection, pair, now)
    suppressed = join_suppressions(connection, (stays.email_hash, goes.email_hash), now)
    stage, refused = join_stages(connection, pair, now)
    cancelled = join_tasks(connection, pair, joined.account_id, per_account=per_account, refused=refused, now=now)
    over, skipped = join_enrollments(connection, pair, now)
    join_marks(connection, pair, now)
    took_address = joined.email_hash == goes.email_hash
    memberships = join_audiences(connection, pair, same_address=took_address, now=now)
    _wait_since_the_earlier(connection, pair)
    connection.execute(update(tracked_links).where(tracked_links.c.lead_id == pair.goes).values(lead_id=pair.stays))
    for table in (scores, score_contributions, work_queue):
        connection.execute(delete(table).where(table.c.lead_id == pair.goes))
    accounts = {each.account_id for each in (stays, goes, joined)} - {None}
    return Merged(
        moved,
        duplicates,
        consents,
        suppressed,
        stage,
        cancelled,
        over,
        skipped,
        memberships,
        tuple(sorted(account for account in accounts if account is not None)),
    )


def _wait_since_the_earlier(connection: Connection, pair: Pair) -> None:
    """What neither has been looked at for is new to the one who stays: since when, says the earlier mark of the two."""
    waiting = select(func.min(work_queue.c.marked_at)).where(work_queue.c.lead_id.in_(pair))
    since = connection.execute(waiting).scalar()
    if since is not None:
        work.mark_ids(connection, "score", [pair.stays], since, silent=True)


def have_news(connection: Connection, pair: Pair) -> set[int]:
    """Those of the two of whom something is waiting to be looked at that is not imported history."""
    rows = select(work_queue.c.lead_id).where(work_queue.c.lead_id.in_(pair), work_queue.c.silent.is_(False))
    return set(connection.execute(rows).scalars())


def claim(connection: Connection, lead_id: int, batch: str, now: datetime, *, silent: bool) -> None:
    """Take one lead into a batch of those to be scored; `silent` as in `work.mark`."""
    work.mark_ids(connection, "score", [lead_id], now, silent=silent)
    mine = (work_queue.c.queue == "score", work_queue.c.lead_id == lead_id)
    connection.execute(update(work_queue).where(*mine).values(batch=batch))


__all__ = ["Merged", "Pair", "alone", "claim", "have_news", "merge", "names"]
