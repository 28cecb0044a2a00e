"""Of two leads that are one person: profile, identifiers, consents and suppressions."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, or_, select, update

from db import consents as consent_words
from db import leads as profiles
from db.consents import Change
from db.leads import Draft
from db.suppressions import Stop, suppress
from db.tables import consent_states, consents, identities, leads, suppressions
from nurture.records import FIRST_STAYS
from nurture.stops import OF_THE_MAILBOX

# The source of what a merge says about consent.
SOURCE = "merge"
_TICK = timedelta(microseconds=1)


class Pair(NamedTuple):
    """Two leads that are one person: the one that stays, and the one that becomes part of it."""

    stays: int
    goes: int


def join_profiles(connection: Connection, pair: Pair, now: datetime) -> tuple[Draft, Draft, Draft]:
    """Make one profile of two and store it; returns those of both as they were, and the one that they have become."""
    found = profiles.drafts(connection, pair)
    stays, goes = found[pair.stays], found[pair.goes]
    joined = joined_profile(stays, goes)
    profiles.change(connection, {pair.stays: joined})
    # Nothing by which it could be mailed stays with the lead that goes.
    nobody = {"email": None, "email_hash": None, "phone": None}
    connection.execute(
        update(leads).where(leads.c.id == pair.goes).values(merged_into_id=pair.stays, merged_at=now, **nobody)
    )
    # Who was merged before is part of the survivor, too: one step leads there from every old id.
    connection.execute(update(leads).where(leads.c.merged_into_id == pair.goes).values(merged_into_id=pair.stays))
    connection.execute(update(identities).where(identities.c.lead_id == pair.goes).values(lead_id=pair.stays))
    return stays, goes, joined


def joined_profile(stays: Draft, goes: Draft) -> Draft:
    """The newer of two profiles, its gaps filled by the older one.

    The lead that stays keeps its own address and phone number. The source is that of the lead who came first.
    """
    older, newer = sorted((stays, goes), key=lambda each: each.as_of)
    joined = deepcopy(older)
    joined.learn(newer.values.items(), newer.as_of)
    joined.learn_attributes(newer.attributes.items(), newer.as_of)
    joined.as_of = newer.as_of
    joined.created_at = min(stays.created_at, goes.created_at)
    for name in ("email", "phone"):
        _set(joined, name, stays.values.get(name) or goes.values.get(name))
    joined.email_hash = stays.email_hash if stays.values.get("email") else goes.email_hash
    first, second = sorted((stays, goes), key=lambda each: each.created_at)
    came_from = first if first.values.get("source") else second
    for name in FIRST_STAYS:
        _set(joined, name, came_from.values.get(name))
    employed = next((each for each in (newer, older) if each.values.get("company")), stays)
    joined.account_id = employed.account_id or stays.account_id or goes.account_id
    return joined


def _set(draft: Draft, name: str, value: Any) -> None:
    if value is None:
        draft.values.pop(name, None)
    else:
        draft.values[name] = value


def join_consents(connection: Connection, pair: Pair, now: datetime) -> int:
    """Let the stricter word count for each topic, and keep both histories; returns how many topics it changed.

    A word that only one of them gave stands: silence refuses nothing.
    """
    rows = connection.execute(select(consent_states).where(consent_states.c.lead_id.in_(pair))).mappings().all()
    mine = {row["topic"]: row for row in rows if row["lead_id"] == pair.stays}
    theirs = {row["topic"]: row for row in rows if row["lead_id"] == pair.goes}
    changes = []
    newer: list[str] = []
    for topic, other in sorted(theirs.items()):
        own = mine.get(topic)
        stricter = other if own is None or strictness(other) > strictness(own) else own
        if own is not None and strictness(own) == strictness(other):
            if other["since"] > own["since"]:
                newer.append(topic)
            continue
        # After both words, so that neither comes back when its source tells it once more.
        at = max([now, *(each["since"] + _TICK for each in (own, other) if each is not None and each["since"] >= now)])
        evidence = {"merged_lead": pair.goes, "consents": [e["consent_id"] for e in (own, other) if e is not None]}
        changes.append(Change(pair.stays, topic, stricter["status"], stricter["basis"], SOURCE, at, evidence=evidence))
    # Of two words that say the same the later one is the state.
    state = consent_states
    connection.execute(delete(state).where(state.c.lead_id == pair.stays, state.c.topic.in_(newer)))
    kept = and_(state.c.lead_id == pair.goes, state.c.topic.in_(newer))
    connection.execute(update(state).where(kept).values(lead_id=pair.stays))
    connection.execute(delete(state).where(state.c.lead_id == pair.goes))
    connection.execute(update(consents).where(consents.c.lead_id == pair.goes).values(lead_id=pair.stays))
    consent_words.record(connection, changes, now)
    return len(changes)


def strictness(state: Any) -> tuple[int, bool]:
    """How much a consent forbids; a grant on no legal basis allows nothing."""
    return {"granted": 0, "pending": 1, "withdrawn": 2}[state["status"]], state["basis"] == "none"


def join_suppressions(connection: Connection, hashes: Iterable[str | None], now: datetime) -> int:
    """What the person refused under one address holds for the other; returns how many suppressions are new.

    That a mailbox is dead, or takes nothing, says nothing about another one.
    """
    both = sorted({each for each in hashes if each})
    if len(both) < 2:
        return 0
    table = suppressions
    rows = connection.execute(
        select(table.c.email_hash, table.c.scope, table.c.reason).where(
            or_(*(table.c.email_hash == each for each in both)),
            table.c.lifted_at.is_(None),
            table.c.reason.not_in(sorted(OF_THE_MAILBOX)),
        )
    ).all()
    return suppress(
        connection,
        [Stop(other, row.scope, row.reason, now) for row in rows for other in both if other != row.email_hash],
    )
