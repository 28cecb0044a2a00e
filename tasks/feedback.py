"""What the e-mail providers report by webhook: every fact is kept as it came, and what concerns a lead is an event.

All of one request is one transaction: whoever is answered knows that it is stored, and that a complaint, an unsubscribe
or a bounce holds from then on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from connectors.email.webhooks import Delivered, FactKind, ProviderFact, RefusedFact
from db import events, identities, provider_facts
from db.engine import Connection, Database
from db.intake import store
from nurture import normalise
from nurture.definitions.catalogue import Catalogue
from nurture.errors import RefusedRow
from nurture.records import EMAIL, EventRecord, Identity, Origin, Record, Refused
from nurture.stops import KINDS
from nurture.tokens import CLICK, CONFIRM, PREFERENCES, TRAP, UNSUBSCRIBE, VIEW, read, unseal

# What each fact is to a lead; the others are kept and say nothing about anybody.
EVENTS: Mapping[FactKind, str] = {
    FactKind.DELIVERED: "email.delivered",
    FactKind.DEFERRED: "email.deferred",
    FactKind.BOUNCED: "email.bounced",
    FactKind.REJECTED: "email.rejected",
    FactKind.FAILED: "email.rejected",
    FactKind.COMPLAINED: "email.complained",
    FactKind.UNSUBSCRIBED: "email.unsubscribed",
    FactKind.OPENED: "email.opened",
    FactKind.CLICKED: "email.clicked",
    FactKind.AUTO_REPLIED: "email.auto_replied",
    FactKind.REPLIED: "email.replied",
    FactKind.UNKNOWN: "email.unknown",
}
# A workspace whose events.yaml does not have these loses nothing: the fact itself is kept.
_OPTIONAL = frozenset({"email.deferred", "email.rejected", "email.unknown"})
_NOBODY = "no message of ours and no lead has anything to do with it"


def take_in_feedback(
    database: Database, provider: str, request: Delivered, *, catalogue: Catalogue, secret: bytes, now: datetime
) -> dict[str, int]:
    """Store everything that one request held; returns how many facts were new, known and refused."""
    with database.write() as connection:
        whose = _Whose(connection, request.facts)
        # Who was erased stays so: what is told of them is not even kept.
        facts = [fact for fact in request.facts if whose.lead(fact) not in whose.erased]
        kept = provider_facts.keep(connection, [_as_came(provider, fact, whose, now) for fact in facts])
        records: list[Record] = [_refused(provider, number, each) for number, each in enumerate(request.refused, 1)]
        for number, fact in enumerate(facts, 1):
            kind = EVENTS.get(fact.kind)
            if kind is None or (kind in _OPTIONAL and kind not in catalogue.events):
                continue
            if fact.kind is FactKind.CLICKED and _leads_to_our_door(secret, fact.url or ""):
                continue
            records.append(_record(provider, number, fact, kind, whose, now))
        found = store(
            connection,
            records,
            source=provider,
            now=now,
            silent=False,
            catalogue=catalogue,
            secret=secret,
            context={"kind": "events"},
        )
    return {"facts": kept, "known": len(facts) - kept, "events": found.events_created, "refused": found.refused}


class _Whose:
    """To which message and lead each fact belongs: by our own key, else by the provider's id, else by the address."""

    def __init__(self, connection: Connection, facts: Iterable[ProviderFact]) -> None:
        facts = list(facts)
        keyed = events.answered(connection, [each.message_key for each in facts if each.message_key])
        self.by_key = {key: (each.message_id, each.lead_id) for key, each in keyed.items()}
        ids = [each.provider_id for each in facts if each.provider_id]
        self.by_provider = provider_facts.messages_by_provider_id(connection, ids)
        self.addresses = {each.recipient: _identity(each.recipient) for each in facts if each.recipient}
        known = identities.find(connection, [each for each in self.addresses.values() if each is not None])
        self.by_address = {identity: each.lead_id for identity, each in known.items() if each.lead_id is not None}
        named = [lead for _, lead in (*self.by_key.values(), *self.by_provider.values())]
        self.erased = provider_facts.erased_among(connection, named)

    def message(self, fact: ProviderFact) -> tuple[int, int] | None:
        """Message and lead."""
        return self.by_key.get(fact.message_key or "") or self.by_provider.get(fact.provider_id or "")

    def lead(self, fact: ProviderFact) -> int | None:
        """The lead alone, when no message is known."""
        message = self.message(fact)
        if message is not None:
            return message[1]
        identity = self.addresses.get(fact.recipient or "")
        return self.by_address.get(identity) if identity is not None else None


def _identity(address: str) -> Identity | None:
    try:
        return Identity(EMAIL, normalise.email(address).identity)
    except RefusedRow:
        return None


def _as_came(provider: str, fact: ProviderFact, whose: _Whose, now: datetime) -> dict[str, Any]:
    message = whose.message(fact)
    return {
        "provider": provider,
        "fact_id": fact.fact_id,
        "kind": fact.kind.value,
        "message_id": message[0] if message else None,
        "lead_id": whose.lead(fact),
        "occurred_at": fact.occurred_at,
        "received_at": now,
        "raw": normalise.storable(fact.raw),
    }


def _record(provider: str, number: int, fact: ProviderFact, kind: str, whose: _Whose, now: datetime) -> Record:
    place, raw = f"{provider}, fact {number}", normalise.storable(fact.raw)
    message, lead = whose.message(fact), whose.lead(fact)
    event = EventRecord(
        provider,
        fact.fact_id,
        kind,
        # A wish holds from the answer on, also when the clock of who tells it is ahead.
        min(fact.occurred_at, now) if kind in KINDS else fact.occurred_at,
        properties=_properties(fact),
        # Who moved meanwhile keeps the new address: it is the one that was written to that is dead.
        contact={"email": fact.recipient} if fact.recipient and lead is not None else {},
        machine=fact.machine,
        lead_id=lead,
        message_id=message[0] if message else None,
        origin=Origin(place, raw, number),
    )
    return (
        event if lead is not None else _of_nobody(event, place, number, raw, whose.addresses.get(fact.recipient or ""))
    )


def _of_nobody(event: EventRecord, place: str, number: int, raw: dict[str, Any], identity: Identity | None) -> Refused:
    """A letter that can be replayed once its address belongs to somebody; how the fact came is kept with the facts."""
    if identity is None:
        return Refused("event", "unknown-lead", _NOBODY, Origin(place, raw, number), record=event)
    origin = Origin(place, {}, number)
    waiting = event._replace(identities=(identity,), known_only=True, origin=origin)
    return Refused("event", "unknown-lead", _NOBODY, origin, record=waiting)


def _leads_to_our_door(secret: bytes, url: str) -> bool:
    """Whether a link is one of our own, whose visitors we see ourselves: a provider that counts, too, wraps it."""
    token = url.partition("?")[0].partition("#")[0].rpartition("/")[2]
    sealed = any(unseal(secret, purpose, token) for purpose in (CLICK, TRAP, VIEW))
    return sealed or any(read(secret, purpose, token) for purpose in (UNSUBSCRIBE, PREFERENCES, CONFIRM))


def _properties(fact: ProviderFact) -> dict[str, Any]:
    made: dict[str, Any] = {
        "reason": fact.reason,
        "url": fact.url,
        "user_agent": fact.user_agent,
        "group": fact.unsubscribed_from,
    }
    if fact.kind is FactKind.BOUNCED:
        made["kind"] = "hard" if fact.hard else "soft"
    elif fact.kind is FactKind.REJECTED:
        made["suppressed"] = bool(fact.hard)
    return {name: normalise.storable(value) for name, value in made.items() if value is not None}


def _refused(provider: str, number: int, part: RefusedFact) -> Refused:
    return Refused("event", part.reason, part.message, Origin(f"{provider}, part {number}", part.raw, number))
