"""Consent and suppression that follow from a batch: collected from records and facts, written together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from db import consents, sending_rates, suppressions
from db.batches import ids
from db.consents import Change
from db.suppressions import OptIn, Stop
from db.tables import leads
from nurture import normalise
from nurture.definitions.catalogue import Catalogue
from nurture.keys import email_hash
from nurture.records import Consent, is_hard_bounce
from nurture.stops import BOUNCED, CHANNELS, COMPLAINED, UNSUBSCRIBED, Effect, effect_of, topics_of


@dataclass(frozen=True, slots=True)
class Fact:
    """One stored event that may say something about consent or suppression."""

    lead_id: int
    type: str
    source: str
    source_event_id: str
    occurred_at: datetime
    properties: Mapping[str, Any]
    message_id: int | None


class Stops:
    """What is to be written for the leads of a batch."""

    def __init__(self, catalogue: Catalogue, secret: bytes, now: datetime) -> None:
        self.catalogue = catalogue
        self.secret = secret
        self.now = now
        self.changes: list[Change] = []
        self.stops: list[Stop] = []
        self.of_leads: list[tuple[int, Stop]] = []  # whose address is the lead's own
        self.opt_ins: list[tuple[Effect, list[Change]]] = []  # a person's own yes, which lifts what the effect says
        self.soft_bounced: set[int] = set()
        self.harmed: set[int] = set()  # who complained of a message, or whose mailbox refused it for good

    def add_consents(self, lead_id: int, given: Iterable[Consent]) -> None:
        """Consents of a lead's record, for one topic or for every topic of a channel."""
        for each in given:
            topics = (each.topic,) if each.topic else topics_of(each.channel or "", self.catalogue)
            for topic in topics:
                known = self.catalogue.topics.get(topic)
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
                        unconfirmed=known is not None and known.double_opt_in and not each.confirmed,
                    )
                )

    def add_fact(self, fact: Fact, address: str | None = None) -> None:
        """What a fact does; without an address of its own it concerns the lead's.

        What a person says concerns both: a mail that was passed on is complained of under another address.
        """
        if fact.type == BOUNCED and not is_hard_bounce(fact.properties):
            self.soft_bounced.add(fact.lead_id)
        elif fact.type in (BOUNCED, COMPLAINED) and fact.message_id is not None:
            self.harmed.add(fact.lead_id)
        effect = effect_of(fact.type, fact.properties, self.catalogue, answers_mail=fact.message_id is not None)
        if effect is None:
            return
        changes = self._words(fact, effect)
        self.changes += changes
        if effect.lifts:
            self.opt_ins.append((effect, changes))
        for scope, reason in effect.stops:
            stop = Stop("", scope, reason, fact.occurred_at)
            if address:
                self.stops.append(stop._replace(email_hash=self._hash(address)))
            if not address or fact.type in (COMPLAINED, UNSUBSCRIBED):
                self.of_leads.append((fact.lead_id, stop))

    def _words(self, fact: Fact, effect: Effect) -> list[Change]:
        evidence: dict[str, Any] = {"event": fact.type, "source": fact.source, "source_event_id": fact.source_event_id}
        if fact.message_id is not None:
            evidence |= {"message": fact.message_id}
        if fact.properties.get("consent"):
            evidence |= {"pending": fact.properties["consent"]}
        return [
            Change(
                fact.lead_id,
                topic,
                status,
                "consent",
                effect.page or fact.source,
                fact.occurred_at,
                wording=self.catalogue.topics[topic].wording_version if status != "withdrawn" else None,
                evidence=evidence,
            )
            for topic, status in effect.words
        ]

    def write(self, connection: Connection) -> tuple[set[int], int]:
        """Write all of it; returns the leads whose consent has changed, and how many suppressions are new."""
        grants = [each for _, changes in self.opt_ins for each in changes if each.status == "granted"]
        refused = consents.refused_since(connection, grants)
        changed = consents.record(connection, self.changes, self.now)
        rule = self.catalogue.bounces.soft
        if self.soft_bounced and rule:
            self.of_leads += [
                (lead, Stop("", "channel:email", "soft_bounce", since))
                for lead, since in sending_rates.worn_out(connection, self.soft_bounced, rule)
            ]
        sending_rates.look_at(connection, self.harmed, self.now)
        concerned = {lead for lead, _ in self.of_leads} | {each.lead_id for each in grants}
        hashes = _hashes(connection, concerned) if concerned else {}
        self.stops += [stop._replace(email_hash=hashes[lead]) for lead, stop in self.of_leads if lead in hashes]
        channels = {name: topic.channel for name, topic in self.catalogue.topics.items()}
        suppressed = 0
        for stops, opt_ins in in_turns(self.stops, self._opt_ins(hashes, refused, channels)):
            suppressed += suppressions.suppress(connection, stops)
            suppressions.allow(connection, opt_ins, channels, self.now)
        return changed, suppressed

    def _opt_ins(
        self, hashes: Mapping[int, str], refused: set[tuple[int, str, datetime]], channels: Mapping[str, str]
    ) -> list[OptIn]:
        """What people's own yes lifts, but for those that they have taken back since."""
        found = []
        for effect, changes in self.opt_ins:
            said = [
                each
                for each in changes
                if each.status == "granted"
                and channels[each.topic] in CHANNELS
                and each.lead_id in hashes
                and (each.lead_id, each.topic, each.occurred_at) not in refused
            ]
            if said:
                first, topics = said[0], frozenset(each.topic for each in said)
                evidence = first.evidence or {}
                because = f"{effect.page}: {evidence.get('event')} {evidence.get('source')}"
                found.append(OptIn(hashes[first.lead_id], topics, first.occurred_at, effect.lifts, because))
        return found

    def _hash(self, address: str) -> str:
        return email_hash(self.secret, normalise.email(address).identity)


def in_turns(stops: list[Stop], opt_ins: list[OptIn]) -> list[tuple[list[Stop], list[OptIn]]]:
    """Stops, and what lifts them, in as few turns as keep the order of time for each address.

    In a turn come the stops of an address first, then at most one yes of it. Nearly always it is one turn for all.
    """
    acts: dict[str, list[Stop | OptIn]] = {}
    for opt_in in opt_ins:
        acts.setdefault(opt_in.email_hash, []).append(opt_in)
    for stop in stops:
        acts.setdefault(stop.email_hash, []).append(stop)
    turns: list[tuple[list[Stop], list[OptIn]]] = []
    for mine in acts.values():
        turn = 0
        # Of two at one instant the stop comes last, and counts.
        for act in sorted(mine, key=lambda each: (each.at, 0) if isinstance(each, OptIn) else (each.since, 1)):
            if turn == len(turns):
                turns.append(([], []))
            if isinstance(act, OptIn):
                turns[turn][1].append(act)
                turn += 1
            else:
                turns[turn][0].append(act)
    return turns


def _hashes(connection: Connection, lead_ids: set[int]) -> dict[int, str]:
    asked = ids(connection, "asked", sorted(lead_ids))
    rows = select(leads.c.id, leads.c.email_hash).where(leads.c.id.in_(select(asked.c.id)))
    return {id_: hash_ for id_, hash_ in connection.execute(rows) if hash_}
