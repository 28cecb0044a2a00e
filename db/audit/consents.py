"""Consents: the state of each topic is the latest word that was given."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, not_, or_, select, union, update

from db import work
from db.audit.check import SYNCED_AT, Check, Done, Scene
from db.subqueries import there_is
from db.tables import consent_states, consents, suppressions
from db.types import plus_seconds
from nurture.stops import CONFIRMATION, NEVER_BY_OPERATOR

_STRICTNESS = {"granted": 0, "pending": 1, "withdrawn": 2}
# Given up after thirty days by the daily sync; here with a day to spare.
_PENDING_AT_MOST = timedelta(days=31)
_FIELDS = ("status", "basis", "since", "consent_id")


def _latest() -> Any:
    """The word that counts for each lead and topic: the latest, of two at one instant the stricter."""
    strict = case(_STRICTNESS, value=consents.c.status)
    place = func.row_number().over(
        partition_by=(consents.c.lead_id, consents.c.topic),
        order_by=(consents.c.occurred_at.desc(), strict.desc(), consents.c.id),
    )
    ranked = select(consents, place.label("place")).subquery()
    return (
        select(
            ranked.c.lead_id,
            ranked.c.topic,
            ranked.c.status,
            ranked.c.basis,
            ranked.c.occurred_at.label("since"),
            ranked.c.id.label("consent_id"),
        )
        .where(ranked.c.place == 1)
        .subquery()
    )


def _differs(connection: Connection, scene: Scene) -> Select[Any]:
    """A state that is not what its own word says, that has a better word, or that is not there at all."""
    state, better = consent_states, consents.alias()
    same = and_(consents.c.lead_id == state.c.lead_id, consents.c.topic == state.c.topic)
    other = or_(
        not_(same),
        consents.c.status != state.c.status,
        consents.c.basis != state.c.basis,
        consents.c.occurred_at != state.c.since,
    )
    wrong = select(state.c.lead_id).join(consents, consents.c.id == state.c.consent_id).where(other)
    stricter = case(_STRICTNESS, value=better.c.status) > case(_STRICTNESS, value=state.c.status)
    old = select(state.c.lead_id).where(
        there_is(
            better,
            better.c.lead_id == state.c.lead_id,
            better.c.topic == state.c.topic,
            or_(better.c.occurred_at > state.c.since, and_(better.c.occurred_at == state.c.since, stricter)),
        )
    )
    missing = select(consents.c.lead_id).where(not_(there_is(state, same)))
    return select(union(wrong, old, missing).subquery().c[0])


def _rebuild(connection: Connection, scene: Scene) -> Done:
    """From the record that nobody rewrites; a state without any word behind it is no consent."""
    wrong = list(connection.execute(_differs(connection, scene)).scalars())
    latest = _latest()
    upsert = work.insert_for(connection)(consent_states).from_select(
        ["lead_id", "topic", *_FIELDS],
        select(latest.c.lead_id, latest.c.topic, *(latest.c[name] for name in _FIELDS)).where(
            latest.c.lead_id.in_(wrong)
        ),
    )
    connection.execute(consent_states.delete().where(consent_states.c.lead_id.in_(wrong)))
    connection.execute(upsert.on_conflict_do_nothing())
    work.mark_ids(connection, "entry", wrong, scene.now)
    return [("leads whose consents were rebuilt from their record", len(wrong))]


def _lifted_by_nothing(connection: Connection, scene: Scene) -> Select[Any]:
    """One that ended without a word why, or that only the person itself could have lifted."""
    why = func.coalesce(suppressions.c.lifted_because, "")
    own = suppressions.c.reason.in_(sorted(NEVER_BY_OPERATOR)), not_(why.startswith(f"{CONFIRMATION}:"))
    return select(suppressions.c.id).where(suppressions.c.lifted_at.is_not(None), or_(why == "", and_(*own)))


def _stands_again(connection: Connection, scene: Scene) -> Done:
    """What nothing has lifted holds; where it has been noted anew meanwhile, the old row is history."""
    wrong = list(connection.execute(scene.these(_lifted_by_nothing(connection, scene))).scalars())
    other = suppressions.alias()
    anew = there_is(
        other,
        other.c.email_hash == suppressions.c.email_hash,
        other.c.scope == suppressions.c.scope,
        other.c.reason == suppressions.c.reason,
        other.c.lifted_at.is_(None),
    )
    ended = suppressions.c.id.in_(wrong)
    later = update(suppressions).where(ended, anew).values(lifted_because=f"{CONFIRMATION}: none, noted anew")
    connection.execute(later)
    back = update(suppressions).where(ended, not_(anew)).values(lifted_at=None, lifted_because=None)
    return [("suppressions that stand again", connection.execute(back).rowcount)]


def _pending_for_ever(connection: Connection, scene: Scene) -> Select[Any]:
    given_up = plus_seconds(SYNCED_AT, -_PENDING_AT_MOST.total_seconds())
    return select(consent_states.c.lead_id).where(
        consent_states.c.status == "pending", consent_states.c.since < given_up
    )


CHECKS: tuple[Check, ...] = (
    Check(
        "consent-states",
        "the consent of a lead for a topic is its latest word",
        "`ripen explain` the lead and compare",
        _differs,
        _rebuild,
    ),
    Check(
        "suppression-lifts",
        "a suppression ends by an act that says why, and a complaint by the person's own confirmation",
        "`ripen suppressions --address ADDRESS` shows what stopped whom; lift what should end with a reason",
        _lifted_by_nothing,
        _stands_again,
    ),
    Check(
        "pending-consent",
        "what nobody confirms is given up after thirty days",
        "run `ripen run daily-sync`",
        _pending_for_ever,
    ),
)
