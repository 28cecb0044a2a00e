"""Of two leads that are one person: one enrollment a sequence goes on, and nothing is sent twice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, RowMapping, and_, case, delete, func, literal, or_, select, update

from db.batches import add_rows
from db.entries import ended
from db.merge_people import Pair
from db.subqueries import there_is, value_of
from db.tables import (
    audience_choices,
    audience_members,
    enrollments,
    entry_marks,
    executed_steps,
    messages,
)
from db.types import least_of
from db.work import insert_for

# The reason of an enrollment that ended because the person has another one, and of a message that is not repeated.
MERGED = "merged"
_PENDING = ("queued", "claimed")
# Sent, or perhaps sent.
_SENT = ("handing_over", "accepted", "unknown")


def join_enrollments(connection: Connection, pair: Pair, now: datetime) -> tuple[int, int]:
    """Give one lead's enrollments and messages to the other; returns how many enrollments ended, how many mails fell.

    An active enrollment goes on rather than an ended one. Of two active ones the one that is further on goes on, by
    executed steps, else the older; the other one exits as `merged`. What the one that goes on has not sent and an
    enrollment of the other lead has is skipped. What is being handed over is left to finish.
    """
    steps = value_of(executed_steps, func.count(), executed_steps.c.enrollment_id == enrollments.c.id)
    rows = connection.execute(
        select(enrollments, steps.label("steps")).where(enrollments.c.lead_id.in_(pair)).order_by(enrollments.c.id)
    ).mappings()
    by_sequence: dict[str, list[RowMapping]] = {}
    for row in rows:
        by_sequence.setdefault(row["sequence"], []).append(row)
    over: list[int] = []
    goes_on: dict[int, list[int]] = {}  # with the enrollments of the other lead
    for found in by_sequence.values():
        active = [row for row in found if row["status"] == "active"]
        if not active:
            continue
        keeps = min(active, key=lambda row: (-row["steps"], row["entered_at"], row["id"]))
        over += [row["id"] for row in active if row["id"] != keeps["id"]]
        others = [row["id"] for row in found if row["lead_id"] != keeps["lead_id"]]
        if others:
            goes_on[keeps["id"]] = others
    connection.execute(
        update(enrollments).where(enrollments.c.id.in_(over)).values(ended("exited", MERGED)), {"now": now}
    )
    skipped = _skip(connection, messages.c.enrollment_id.in_(over), now)
    # Who prepares a mail for the lead that goes must prepare it anew, for the one that stays.
    connection.execute(
        update(messages)
        .where(messages.c.lead_id == pair.goes, messages.c.status == "claimed")
        .values(status="queued", owner=None, lease_until=None)
    )
    connection.execute(update(enrollments).where(enrollments.c.lead_id == pair.goes).values(lead_id=pair.stays))
    connection.execute(update(messages).where(messages.c.lead_id == pair.goes).values(lead_id=pair.stays))
    return len(over), skipped + _not_again(connection, goes_on, pair, now)


def _skip(connection: Connection, which: Any, now: datetime) -> int:
    return connection.execute(
        update(messages)
        .where(which, messages.c.status.in_(_PENDING))
        .values(status="skipped", reason=MERGED, settled_at=now, owner=None, lease_until=None)
    ).rowcount


def _not_again(connection: Connection, goes_on: Mapping[int, Sequence[int]], pair: Pair, now: datetime) -> int:
    """Skip what the other lead has been sent: what waits to be sent, and what would come later."""
    concerned = [*goes_on, *(each for others in goes_on.values() for each in others)]
    rows = connection.execute(select(messages).where(messages.c.enrollment_id.in_(concerned))).mappings().all()
    ran = connection.execute(
        select(executed_steps.c.enrollment_id, executed_steps.c.step_id).where(
            executed_steps.c.enrollment_id.in_(list(goes_on))
        )
    )
    executed = {(int(enrollment), str(step)) for enrollment, step in ran}
    versions = dict(
        connection.execute(
            select(enrollments.c.id, enrollments.c.version_id).where(enrollments.c.id.in_(list(goes_on)))
        )
        .tuples()
        .all()
    )
    mine = {(row["enrollment_id"], row["step_id"]): row for row in rows}
    waiting: list[int] = []
    later: dict[tuple[int, str], RowMapping] = {}
    for keeps, others in goes_on.items():
        for row in rows:
            if row["enrollment_id"] not in others or row["status"] not in _SENT:
                continue
            place = (keeps, row["step_id"])
            if place in mine and mine[place]["status"] in _PENDING:
                waiting.append(mine[place]["id"])
            elif place not in executed:
                later[place] = row
    _as_if_sent(connection, later, versions, pair, now)
    return (_skip(connection, messages.c.id.in_(waiting), now) if waiting else 0) + len(later)


def _as_if_sent(
    connection: Connection,
    places: Mapping[tuple[int, str], RowMapping],
    versions: Mapping[int, int],
    pair: Pair,
    now: datetime,
) -> None:
    """Write step and ledger row of mails that an enrollment will come to and must not send."""
    step = {"kind": "email", "outcome": "passed", "executed_at": now}
    add_rows(
        connection,
        executed_steps,
        [
            {
                **step,
                "enrollment_id": keeps,
                "step_id": step_id,
                "version_id": versions[keeps],
                "detail": f"sent in enrollment {row['enrollment_id']}",
            }
            for (keeps, step_id), row in places.items()
        ],
    )
    same = ("sequence", "email", "topic", "marketing", "priority")
    skipped = {"status": "skipped", "reason": MERGED, "queued_at": now, "due_at": now, "settled_at": now}
    add_rows(
        connection,
        messages,
        [
            {
                **skipped,
                **{name: row[name] for name in same},
                "enrollment_id": keeps,
                "step_id": step_id,
                "lead_id": pair.stays,
                "version_id": versions[keeps],
                "detail": f"sent as message {row['id']}",
            }
            for (keeps, step_id), row in places.items()
        ],
    )


def join_marks(connection: Connection, pair: Pair, now: datetime) -> None:
    """An entry condition that held for either has held for the person, so it is no edge any more."""
    marks = entry_marks
    # Not of this instant: those enter.
    since = least_of(marks.c.since, literal(now - timedelta(seconds=1), marks.c.since.type))
    rows = select(marks.c.sequence, literal(pair.stays), since).where(marks.c.lead_id == pair.goes)
    insert = insert_for(connection)(marks).from_select(["sequence", "lead_id", "since"], rows)
    connection.execute(insert.on_conflict_do_nothing())
    connection.execute(delete(marks).where(marks.c.lead_id == pair.goes))


def join_audiences(connection: Connection, pair: Pair, *, same_address: bool, now: datetime) -> int:
    """Let the platforms forget the lead that goes; returns how many memberships will be taken back.

    With its address the lead that stays takes over what the platforms were told.
    """
    members, choices = audience_members, audience_choices
    if same_address:
        taken = members.alias()
        known = there_is(
            taken,
            taken.c.platform == members.c.platform,
            taken.c.audience == members.c.audience,
            taken.c.lead_id == pair.stays,
        )
        connection.execute(update(members).where(members.c.lead_id == pair.goes, ~known).values(lead_id=pair.stays))
    # An addition whose upload is in hand has perhaps been told.
    told = or_(members.c.status == "member", and_(members.c.batch.is_not(None), members.c.member_hash.is_not(None)))
    removed = connection.execute(
        update(members)
        .where(members.c.lead_id == pair.goes, members.c.status.in_(("adding", "member")))
        .values(status=case((told, "removing"), else_="removed"), reason=MERGED, changed_at=now, batch=None)
    ).rowcount
    # Of two choices the later one counts.
    other = choices.alias()
    for lead, twin in ((pair.stays, pair.goes), (pair.goes, pair.stays)):
        newer = there_is(
            other,
            other.c.audience == choices.c.audience,
            other.c.lead_id == twin,
            other.c.chosen_at > choices.c.chosen_at if lead == pair.stays else other.c.chosen_at >= choices.c.chosen_at,
        )
        connection.execute(delete(choices).where(choices.c.lead_id == lead, newer))
    connection.execute(update(choices).where(choices.c.lead_id == pair.goes).values(lead_id=pair.stays))
    return removed


__all__ = ["MERGED", "join_audiences", "join_enrollments", "join_marks"]
