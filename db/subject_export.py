"""Everything that is held about one person, row by row, by noun; of nobody else anything."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, RowMapping, Select, Table, or_, select

from db.batches import ids
from db.erasure import Subject
from db.erasure_letters import letters_of
from db.tables import (
    accounts,
    audience_choices,
    audience_members,
    consent_states,
    consents,
    dead_letters,
    enrollments,
    entry_marks,
    events,
    executed_steps,
    frozen_mails,
    identities,
    leads,
    messages,
    provider_facts,
    sales_task_leads,
    sales_tasks,
    score_contributions,
    scores,
    stage_transitions,
    suppressions,
    tracked_links,
    work_queue,
)

Row = dict[str, Any]
# The nouns whose rows name their lead.
_OF_LEAD: tuple[tuple[str, Table], ...] = (
    ("identities", identities),
    ("events", events),
    ("scores", scores),
    ("score_contributions", score_contributions),
    ("stage_transitions", stage_transitions),
    ("enrollments", enrollments),
    ("messages", messages),
    ("consents", consents),
    ("consent_states", consent_states),
    ("audience_members", audience_members),
    ("audience_choices", audience_choices),
    ("entry_marks", entry_marks),
    ("work_queue", work_queue),
    ("tracked_links", tracked_links),
    ("sales_task_leads", sales_task_leads),
)


def everything(connection: Connection, subject: Subject, secret: bytes) -> dict[str, list[Row]]:
    """All rows of a person by noun, each in the order of its making."""
    who = subject.ids
    found = {"leads": _rows(connection, leads, leads.c.id.in_(who))}
    for noun, table in _OF_LEAD:
        found[noun] = _rows(connection, table, table.c.lead_id.in_(who))
    of_enrollment = executed_steps.c.enrollment_id.in_(_ids(enrollments, who))
    found["executed_steps"] = _rows(connection, executed_steps, of_enrollment)
    sent = _ids(messages, who)
    reported = or_(provider_facts.c.lead_id.in_(who), provider_facts.c.message_id.in_(sent))
    found["provider_facts"] = _rows(connection, provider_facts, reported)
    found["frozen_mails"] = _rows(connection, frozen_mails, frozen_mails.c.message_id.in_(sent))
    found["suppressions"] = _rows(connection, suppressions, suppressions.c.email_hash.in_(subject.hashes(secret)))
    mine = select(sales_task_leads.c.task_id).where(sales_task_leads.c.lead_id.in_(who))
    asked = or_(sales_tasks.c.lead_id.in_(who), sales_tasks.c.id.in_(mine))
    found["sales_tasks"] = _rows(connection, sales_tasks, asked)
    employers = select(leads.c.account_id).where(leads.c.id.in_(who))
    found["accounts"] = _rows(connection, accounts, accounts.c.id.in_(employers))
    found["dead_letters"], set_aside = _letters(connection, subject)
    found["events"] += set_aside
    return found


def _ids(table: Table, who: Sequence[int]) -> Select[Any]:
    return select(table.c.id).where(table.c.lead_id.in_(who))


def _rows(connection: Connection, table: Table, mine: Any) -> list[Row]:
    query = select(table).where(mine).order_by(*(table.primary_key.columns or table.c))
    return [dict(row) for row in connection.execute(query).mappings()]


def _letters(connection: Connection, subject: Subject) -> tuple[list[Row], list[Row]]:
    """The dead letters that speak of the person, and the events of which a merge has kept a copy there."""
    letters = letters_of(connection, subject.mentions, frozenset(subject.ids))
    asked = ids(connection, "asked", letters.ids)
    found = _rows(connection, dead_letters, dead_letters.c.id.in_(select(asked.c.id)))
    copies = ids(connection, "copies", letters.events)
    alone = events.c.lead_id.is_(None), events.c.identity_id.is_(None)
    rows: Sequence[RowMapping] = (
        connection.execute(select(events).where(events.c.id.in_(select(copies.c.id)), *alone)).mappings().all()
    )
    return [_readable(row) for row in found], [dict(row) for row in rows]


def _readable(letter: Row) -> Row:
    return {**letter, "raw": letter["raw"].decode("utf-8", "replace")}
