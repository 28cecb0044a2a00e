"""Who a lead is: found by any of its names, with its account, its colleagues, and what it has allowed.

The statements are built once: a brief reads ten of them, and a run may write a thousand briefs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, bindparam, case, func, or_, select

from db.conditions import NOW
from db.explain.rows import LEAD, LIMIT, TASK, UNTIL, Row, every, one
from db.tables import (
    accounts,
    consent_states,
    consents,
    events,
    identities,
    leads,
    messages,
    sales_task_leads,
    scores,
    suppressions,
)

_MERGES = 20
# Of two words at one instant the stricter counts.
_STRICTNESS = {"granted": 0, "pending": 1, "withdrawn": 2}


def find_lead(connection: Connection, names: Sequence[str]) -> int | None:
    """The lead of an id or of any identifier, in the first spelling that is known; a merged lead gives its survivor.

    An identifier that several systems use for different people gives the lead that has had it longest.
    """
    for name in names:
        found = None
        if name.isascii() and name.isdigit() and int(name) < 2**63:
            found = connection.execute(select(leads.c.id).where(leads.c.id == int(name))).scalar()
        if found is None:
            known = select(identities.c.lead_id).where(identities.c.value == name, identities.c.lead_id.is_not(None))
            found = connection.execute(known.order_by(identities.c.id).limit(1)).scalar()
        if found is not None:
            return survivor(connection, int(found))
    return None


def survivor(connection: Connection, lead_id: int) -> int:
    """The lead that a merged one has become; itself when it was never merged."""
    for _ in range(_MERGES):
        onward = connection.execute(_ONWARD, {"lead": lead_id}).scalar()
        if onward is None:
            break
        lead_id = int(onward)
    return lead_id


_ONWARD = select(leads.c.merged_into_id).where(leads.c.id == LEAD)


def lead(connection: Connection, lead_id: int) -> Row | None:
    """The lead's profile with the name and scores of its account, and the ids that were merged into it."""
    row = one(connection, _LEAD, lead=lead_id)
    if row is None:
        return None
    return {**row, "merged_ids": list(connection.execute(_MERGED, {"lead": lead_id}).scalars())}


_LEAD = (
    select(
        leads,
        accounts.c.name.label("account_name"),
        accounts.c.interest.label("account_interest"),
        accounts.c.fit.label("account_fit"),
        accounts.c.total.label("account_total"),
    )
    .outerjoin(accounts, accounts.c.id == leads.c.account_id)
    .where(leads.c.id == LEAD)
)
_MERGED = select(leads.c.id).where(leads.c.merged_into_id == LEAD).order_by(leads.c.id)


def consents_of(connection: Connection, lead_id: int) -> list[Row]:
    """What the lead allows now, per topic, with basis and source."""
    return every(connection, _CONSENTS, lead=lead_id)


_CONSENTS = (
    select(
        consent_states.c.topic,
        consent_states.c.status,
        consent_states.c.basis,
        consent_states.c.since,
        consents.c.source,
        consents.c.wording,
        consents.c.evidence,
        consents.c.recorded_at,
    )
    .outerjoin(consents, consents.c.id == consent_states.c.consent_id)
    .where(consent_states.c.lead_id == LEAD)
    .order_by(consent_states.c.topic)
)


def consents_at(connection: Connection, lead_id: int, at: datetime) -> list[Row]:
    """What the lead allowed at an instant, per topic: the latest word that had been given by then, as known today."""
    return every(connection, _CONSENTS_AT, lead=lead_id, until=at)


def _consents_at() -> Any:
    strict = case(_STRICTNESS, value=consents.c.status)
    place = func.row_number().over(
        partition_by=consents.c.topic, order_by=(consents.c.occurred_at.desc(), strict.desc(), consents.c.id)
    )
    ranked = (
        select(consents, place.label("place"))
        .where(consents.c.lead_id == LEAD, consents.c.occurred_at <= UNTIL)
        .subquery()
    )
    return (
        select(ranked.c.topic, ranked.c.status, ranked.c.basis, ranked.c.occurred_at.label("since"), ranked.c.source)
        .add_columns(ranked.c.wording, ranked.c.evidence, ranked.c.recorded_at)
        .where(ranked.c.place == 1)
        .order_by(ranked.c.topic)
    )


_CONSENTS_AT = _consents_at()


def suppressions_of(connection: Connection, lead_id: int, until: datetime | None = None) -> list[Row]:
    """What stops, or has stopped, the lead's present address, and why it was lifted; as of an instant, if any."""
    return every(connection, _SUPPRESSIONS, lead=lead_id, until=until)


_SUPPRESSIONS = (
    select(
        suppressions.c.scope,
        suppressions.c.reason,
        suppressions.c.since,
        suppressions.c.lifted_at,
        suppressions.c.lifted_because,
    )
    .where(
        suppressions.c.email_hash == select(leads.c.email_hash).where(leads.c.id == LEAD).scalar_subquery(),
        or_(UNTIL.is_(None), suppressions.c.since <= UNTIL),
    )
    .order_by(suppressions.c.since, suppressions.c.id)
)


def timeline(connection: Connection, lead_id: int, now: datetime, limit: int) -> list[Row]:
    """What the lead did, newest first; machine activity is left out."""
    return every(connection, _TIMELINE, lead=lead_id, now=now, rows=limit)


def timeline_of(connection: Connection, lead_id: int, now: datetime, limit: int, types: Sequence[str]) -> list[Row]:
    """The same for some types of events only."""
    return every(connection, _TIMELINE_OF, lead=lead_id, now=now, rows=limit, types=list(types))


_TIMELINE = (
    select(events.c.id, events.c.type, events.c.occurred_at, events.c.source, events.c.properties, messages.c.subject)
    .outerjoin(messages, messages.c.id == events.c.message_id)
    .where(events.c.lead_id == LEAD, events.c.occurred_at <= NOW, events.c.machine.is_(False))
    .order_by(events.c.occurred_at.desc(), events.c.tiebreak.desc())
    .limit(LIMIT)
)
_TIMELINE_OF = _TIMELINE.where(events.c.type.in_(bindparam("types", expanding=True)))


def colleagues(connection: Connection, lead_id: int, task_id: int, limit: int) -> list[Row]:
    """The other people of the lead's account, those of the same task first, then by score."""
    return every(connection, _COLLEAGUES, lead=lead_id, task=task_id, rows=limit)


def _colleagues() -> Any:
    on_task = sa.exists().where(sales_task_leads.c.task_id == TASK, sales_task_leads.c.lead_id == leads.c.id)
    total = func.coalesce(scores.c.total, 0.0).label("total")
    mine = leads.alias()
    same = select(mine.c.account_id).where(mine.c.id == LEAD).scalar_subquery()
    return (
        select(leads.c.id, leads.c.name, leads.c.first_name, leads.c.last_name, leads.c.email, leads.c.job_title)
        .add_columns(leads.c.stage, total)
        .outerjoin(scores, scores.c.lead_id == leads.c.id)
        .where(leads.c.account_id == same, leads.c.id != LEAD, leads.c.merged_into_id.is_(None))
        .order_by(case((on_task, 0), else_=1), total.desc(), leads.c.id)
        .limit(LIMIT)
    )


_COLLEAGUES = _colleagues()
