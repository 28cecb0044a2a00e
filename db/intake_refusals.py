"""Why a record cannot be used now: each reason with its words, as the dead letters keep them."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from db.dead_letters import FUTURE
from nurture.problems import did_you_mean
from nurture.records import MESSAGE_KEY, EventRecord, LeadRecord, Refused

FUTURE_ALLOWED = timedelta(minutes=5)

_NOBODY = "no e-mail address, phone number or other identifier: nobody can be recognised"
_NO_MESSAGE = "no message has the key that the event names, and nothing else says whose it is"
_STRANGER = "it comes from nobody who is known, and names no message of ours; import the person, then replay it"
_NO_LEAD = "no lead has the id that the event names"


def at_sight(record: LeadRecord | EventRecord, known: Collection[str], now: datetime) -> Refused | None:
    """What can be said without asking who it is about: nobody, a type that is none of the `known`, the future."""
    if isinstance(record, LeadRecord):
        return None if record.identities else nobody(record)
    if not record.identities and record.lead_id is None and not record.properties.get(MESSAGE_KEY):
        return nobody(record)
    if record.type not in known:
        hint = did_you_mean(record.type, known)
        message = f"`{record.type}` is no event type of events.yaml" + (f" ({hint})" if hint else "")
        return Refused("event", "unknown-event-type", message, record.origin, record=record)
    if record.occurred_at > now + FUTURE_ALLOWED:
        message = f"it happens in the future, at {record.occurred_at.isoformat()}; a run after that takes it in"
        return Refused("event", FUTURE, message, record.origin, record.occurred_at, record)
    return None


def nobody(record: LeadRecord | EventRecord) -> Refused:
    """Nothing says who it is about; an anonymous id alone makes nobody a lead until it is known whose it is."""
    return Refused("lead" if isinstance(record, LeadRecord) else "event", "no-identifier", _NOBODY, record.origin)


def unknown_lead(record: EventRecord) -> Refused:
    """It names a lead by our own id, and there is none."""
    return Refused("event", "unknown-lead", _NO_LEAD, record.origin)


def unknown_message(record: EventRecord) -> Refused:
    """It names a message by its key alone, and there is none."""
    return Refused("event", "unknown-message", _NO_MESSAGE, record.origin, record=record)


def stranger(record: EventRecord) -> Refused:
    """It makes nobody a lead, and is about nobody who is one."""
    return Refused("event", "stranger", _STRANGER, record.origin, record=record)
