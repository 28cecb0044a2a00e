"""Consents: the state of each topic is the latest word that was given."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, and_, case, func, or_, select, union

from db import work
from db.audit.check import Check, Done, Scene
from db.tables import consent_states, consents

_STRICTNESS = {"granted": 0, "pending": 1, "withdrawn": 2}
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
    latest = _latest()
    state = consent_states
    mine = and_(state.c.lead_id == latest.c.lead_id, state.c.topic == latest.c.topic)
    other = or_(state.c.status.is_(None), *(state.c[name] != latest.c[name] for name in ("status", "basis", "since")))
    wrong = select(latest.c.lead_id).select_from(latest.outerjoin(state, mine)).where(other)
    invented = select(state.c.lead_id).select_from(state.outerjoin(latest, mine)).where(latest.c.status.is_(None))
    return select(union(wrong, invented).subquery().c[0])


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


CHECKS: tuple[Check, ...] = (
    Check(
        "consent-states",
        "the consent of a lead for a topic is its latest word",
        "`ripen explain` the lead and compare",
        _differs,
        _rebuild,
    ),
)
