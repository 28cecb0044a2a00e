"""What an event becomes in its table, column by column, as the drivers take many at once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from nurture.keys import event_tiebreak
from nurture.records import ANONYMOUS, MESSAGE_KEY, EventRecord, Identity, LeadRecord, is_inferred


def columns_of(
    owned: Sequence[tuple[EventRecord, int | None]],
    answers: Sequence[int | None],
    verdicts: Sequence[tuple[bool, str | None]],
    identity_ids: Mapping[Identity, int],
) -> dict[str, list[Any]]:
    """The columns of events with their leads, the messages that they answer, and who is taken to have done them."""
    given = [event for event, _ in owned]
    return {
        "source": [event.source for event in given],
        "source_event_id": [event.source_event_id for event in given],
        "lead_id": [lead for _, lead in owned],
        "identity_id": [_anonymous(event, identity_ids) for event in given],
        "type": [event.type for event in given],
        "occurred_at": [event.occurred_at for event in given],
        "tiebreak": [event_tiebreak(event.source, event.source_event_id) for event in given],
        "properties": [dict(event.properties) for event in given],
        "machine": [machine for machine, _ in verdicts],
        "machine_by": [by for _, by in verdicts],
        "inferred": [is_inferred(event.type, event.properties) for event in given],
        "message_id": list(answers),
    }


def message_keys(records: Iterable[LeadRecord | EventRecord]) -> list[str]:
    """The messages that some events answer, by their key."""
    return [
        str(each.properties[MESSAGE_KEY])
        for each in records
        if isinstance(each, EventRecord) and each.properties.get(MESSAGE_KEY)
    ]


def _anonymous(event: EventRecord, identity_ids: Mapping[Identity, int]) -> int | None:
    """The identity of an event that nothing else identifies: it may still have to find its lead."""
    who = event.identities
    nothing_else = who and who[-1].kind == ANONYMOUS and all(each.kind == ANONYMOUS for each in who)
    return identity_ids[who[0]] if nothing_else else None
