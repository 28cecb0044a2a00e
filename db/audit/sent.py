"""What went out: once, wanted, and not against anybody's will."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, and_, func, literal, not_, or_, select

from db.audit.check import Check, Scene
from db.messages import is_barred
from db.subqueries import there_is, value_of
from db.tables import consents, events, leads, messages, publications, sequence_states, suppressions
from nurture.permissions import Permissions, permissions_of
from nurture.stops import LIFTED_BY_CONFIRMATION

# Why the audit wrote a row of the ledger that nobody had written: of what it stands for nothing is known.
LEDGER_ROW_LOST = "ledger-row-lost"
_SENT = messages.c.status.in_(("accepted", "unknown"))


def _accepted_twice(connection: Connection, scene: Scene) -> Select[Any]:
    """Two rows under one key, or two whom the provider knows under one id: they were one mail, or sent as one."""
    mine = and_(messages.c.status == "accepted", messages.c.transport.is_not(None))
    return (
        select(func.min(messages.c.id))
        .where(mine, messages.c.provider_id.is_not(None))
        .group_by(messages.c.transport, messages.c.provider_id)
        .having(func.count() > 1)
    )


def _never_merged_since() -> Any:
    """What the lead inherited after the message says nothing about what was known when it went out."""
    other = leads.alias()
    return not_(
        there_is(
            other,
            other.c.merged_into_id == messages.c.lead_id,
            or_(other.c.merged_at.is_(None), other.c.merged_at >= messages.c.handed_over_at),
        )
    )


def _sent_against_suppression(connection: Connection, scene: Scene) -> Select[Any]:
    # What happened before the hand-over and was heard of after it could not be known.
    heard_later = there_is(
        events,
        events.c.lead_id == messages.c.lead_id,
        events.c.occurred_at == suppressions.c.since,
        events.c.received_at >= messages.c.handed_over_at,
    )
    scope = or_(
        suppressions.c.scope.in_(("all", "channel:email")),
        suppressions.c.scope == literal("topic:") + messages.c.topic,
    )
    stopped = and_(
        suppressions.c.email_hash == leads.c.email_hash,
        suppressions.c.since < messages.c.handed_over_at,
        or_(suppressions.c.lifted_at.is_(None), suppressions.c.lifted_at > messages.c.handed_over_at),
        scope,
        not_(_asked_anew(scene)),
    )
    return (
        select(messages.c.id)
        .join(leads, leads.c.id == messages.c.lead_id)
        .join(suppressions, stopped)
        .where(_SENT, messages.c.reason.is_distinct_from(LEDGER_ROW_LOST), not_(heard_later), _never_merged_since())
        .distinct()
    )


def _asked_anew(scene: Scene) -> Any:
    """The mail asked for a confirmation, of somebody who had signed up again after the stop."""
    asking = sorted(_permissions(scene).confirming)
    anew = there_is(
        consents,
        consents.c.lead_id == messages.c.lead_id,
        consents.c.topic == messages.c.topic,
        consents.c.status == "pending",
        consents.c.occurred_at > suppressions.c.since,
        consents.c.recorded_at <= messages.c.handed_over_at,
    )
    return and_(messages.c.email.in_(asking), suppressions.c.reason.in_(sorted(LIFTED_BY_CONFIRMATION)), anew)


def _sent_without_consent(connection: Connection, scene: Scene) -> Select[Any]:
    """Nobody allowed it, or a later word that was known then had taken it back."""
    allowed = consents.alias()
    granted = there_is(
        allowed,
        allowed.c.id == messages.c.consent_id,
        allowed.c.topic == messages.c.topic,
        allowed.c.status == "granted",
        allowed.c.basis != "none",
        not_(and_(_barred_then(scene), is_barred(allowed.c.topic, allowed.c.basis, _permissions(scene)))),
    )
    given_at = value_of(allowed, allowed.c.occurred_at, allowed.c.id == messages.c.consent_id)
    taken_back = there_is(
        consents,
        consents.c.lead_id == messages.c.lead_id,
        consents.c.topic == messages.c.topic,
        consents.c.status != "granted",
        consents.c.occurred_at > given_at,
        consents.c.occurred_at < messages.c.handed_over_at,
        consents.c.recorded_at < messages.c.handed_over_at,
    )
    return select(messages.c.id).where(
        _SENT,
        messages.c.marketing,
        messages.c.handed_over_at.is_not(None),
        messages.c.reason.is_distinct_from(LEDGER_ROW_LOST),
        or_(not_(granted), and_(taken_back, _never_merged_since())),
    )


def _permissions(scene: Scene) -> Permissions:
    return permissions_of(scene.bundle) if scene.bundle is not None else Permissions()


def _barred_then(scene: Scene) -> Any:
    """Of what went out before the definitions were live, they say nothing."""
    live_since = select(func.max(publications.c.published_at)).scalar_subquery()
    return messages.c.handed_over_at > live_since


def _sent_during_hold(connection: Connection, scene: Scene) -> Select[Any]:
    return (
        select(messages.c.id)
        .join(sequence_states, sequence_states.c.sequence == messages.c.sequence)
        .where(_SENT, sequence_states.c.state == "hold", messages.c.handed_over_at > sequence_states.c.since)
    )


CHECKS: tuple[Check, ...] = (
    Check(
        "accepted-once",
        "the provider knows each message under an id of its own",
        "ask the provider which of the two was delivered, and tell the reader if both were",
        _accepted_twice,
    ),
    Check(
        "suppression",
        "nothing was handed over after a suppression",
        "apologise to the reader, and report it as a fault: this must not happen",
        _sent_against_suppression,
    ),
    Check(
        "consent",
        "every marketing mail was allowed when it was handed over",
        "apologise to the reader, and report it as a fault: this must not happen",
        _sent_without_consent,
    ),
    Check(
        "sent-during-hold",
        "nothing of a sequence is handed over while it is on hold",
        "report it as a fault; `ripen messages` shows what went out",
        _sent_during_hold,
    ),
)
