"""Consent and suppression that follow from a batch: collected from records and facts, written together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from db import consents, suppressions
from db.batches import ids
from db.consents import Change
from db.suppressions import Stop
from db.tables import leads
from nurture import normalise
from nurture.definitions.catalogue import Catalogue
from nurture.keys import email_hash
from nurture.records import Consent
from nurture.stops import stopped_by, topics_of


class Stops:
    """What is to be written for the leads of a batch."""

    def __init__(self, catalogue: Catalogue, secret: bytes, source: str, now: datetime) -> None:
        self.catalogue = catalogue
        self.secret = secret
        self.source = source
        self.now = now
        self.changes: list[Change] = []
        self.stops: list[Stop] = []
        self.of_leads: list[tuple[int, Stop]] = []  # whose address is the lead's own

    def add_consents(self, lead_id: int, given: Iterable[Consent]) -> None:
        """Consents of a lead's record, for one topic or for every topic of a channel."""
        for each in given:
            topics = (each.topic,) if each.topic else topics_of(each.channel or "", self.catalogue)
            for topic in topics:
                self.changes.append(
                    Change(
                        lead_id,
                        topic,
                        each.status,
                        each.basis,
                        each.source,
                        each.occurred_at or self.now,
                        each.occurred_at is not None,
                        each.wording,
                        each.evidence,
                    )
                )

    def add_fact(
        self,
        lead_id: int,
        kind: str,
        source: str,
        event_id: str,
        occurred_at: datetime,
        properties: Mapping[str, Any],
        address: str | None,
    ) -> None:
        """An unsubscribe, a complaint or a bounce; without an address of its own it concerns the lead's."""
        stopped = stopped_by(kind, properties, self.catalogue)
        if stopped is None:
            return
        evidence = {"event": kind, "source": source, "source_event_id": event_id}
        for topic in stopped.topics:
            self.changes.append(Change(lead_id, topic, "withdrawn", "consent", source, occurred_at, evidence=evidence))
        stop = Stop("", stopped.scope, stopped.reason, occurred_at)
        if address:
            self.stops.append(stop._replace(email_hash=email_hash(self.secret, normalise.email(address).identity)))
        else:
            self.of_leads.append((lead_id, stop))

    def write(self, connection: Connection) -> tuple[set[int], int]:
        """Write all of it; returns the leads whose consent has changed, and how many suppressions are new."""
        if self.of_leads:
            hashes = _hashes(connection, {lead for lead, _ in self.of_leads})
            self.stops += [stop._replace(email_hash=hashes[lead]) for lead, stop in self.of_leads if lead in hashes]
        changed = consents.record(connection, self.changes, self.now)
        return changed, suppressions.suppress(connection, self.stops)


def _hashes(connection: Connection, lead_ids: set[int]) -> dict[int, str]:
    asked = ids(connection, "asked", sorted(lead_ids))
    rows = select(leads.c.id, leads.c.email_hash).where(leads.c.id.in_(select(asked.c.id)))
    return {id_: hash_ for id_, hash_ in connection.execute(rows) if hash_}
