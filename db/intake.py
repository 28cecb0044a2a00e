"""Intake: one batch of records into leads, events, consents and dead letters, in the caller's transaction.

The number of statements does not depend on the number of records.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Any

from sqlalchemy import Connection, select

from db import account_scores, accounts, dead_letters, events, identities, intake_refusals, leads, messages, work
from db.batches import ids, next_ids, one_intake_at_a_time
from db.event_columns import columns_of, message_keys
from db.leads import Draft
from db.statistics import grown
from db.stops import Fact, Stops
from db.tables import consent_states
from db.tables import events as event_table
from db.tables import identities as identity_table
from db.tables import leads as lead_table
from db.verdicts import first_verdict, has_to_settle
from nurture import normalise
from nurture.definitions.catalogue import Catalogue
from nurture.keys import email_hash
from nurture.matching import Matcher
from nurture.records import (
    EMAIL,
    MESSAGE_KEY,
    EventRecord,
    Identity,
    LeadRecord,
    Record,
    Refused,
)
from nurture.stops import KINDS

_GROWING = (lead_table, identity_table, event_table, consent_states)


@dataclass(slots=True)
class IntakeCounts:
    """What a batch did. `duplicates` are events that were known, `leads_unchanged` records that said nothing new."""

    records: int = 0
    leads_created: int = 0
    leads_updated: int = 0
    leads_unchanged: int = 0
    events_created: int = 0
    duplicates: int = 0
    attached: int = 0
    consents_changed: int = 0
    suppressed: int = 0
    conflicts: int = 0
    refused: int = 0
    refusals: list[Refused] = field(default_factory=list)

    def as_counts(self) -> dict[str, int]:
        """The numbers alone."""
        names = [name for name in self.__slots__ if name != "refusals"]
        return {name: int(getattr(self, name)) for name in names}


def store(
    connection: Connection,
    records: Sequence[Record],
    *,
    source: str,
    now: datetime,
    silent: bool,
    catalogue: Catalogue,
    secret: bytes,
    context: Mapping[str, Any] | None = None,
    keep_refused: bool = True,
    pulled: bool = False,
) -> IntakeCounts:
    """Store a batch of a few thousand records and return what came of each.

    `silent` marks history that enrolls nobody and opens no task; `context` goes with the dead letters of the batch, so
    that they can be read again; `pulled` says that the source kept the records until we asked, in the order in which
    they happened. Records that cannot be used never stop the others.
    """
    batch = _Batch(connection, source, now, silent, catalogue, secret, pulled)
    batch.sort_out(records)
    if batch.usable:
        one_intake_at_a_time(connection)
        batch.recognise()
        batch.meet()
        batch.write_people()
        batch.write_events()
        batch.write_consents()
        batch.queue()
        grown(connection, len(batch.usable), *_GROWING)
    if keep_refused:
        dead_letters.keep(connection, batch.counts.refusals, source, now, {"silent": silent, **(context or {})})
    batch.counts.refused = len(batch.counts.refusals)
    return batch.counts


class _Batch:
    """A batch on its way into the database; the methods are called in the order in which they stand."""

    def __init__(
        self,
        connection: Connection,
        source: str,
        now: datetime,
        silent: bool,
        catalogue: Catalogue,
        secret: bytes,
        pulled: bool,
    ) -> None:
        self.connection = connection
        self.source = source
        self.now = now
        self.silent = silent
        self.catalogue = catalogue
        self.secret = secret
        self.pulled = pulled
        self.counts = IntakeCounts()
        self.met: dict[int, leads.Met] = {}  # the leads that were there before
        self.leads: list[tuple[LeadRecord, int]] = []  # with their lead
        self.events: list[tuple[EventRecord, int | None]] = []  # with their lead, if any
        self.usable: list[LeadRecord | EventRecord] = []
        self.identity_ids: dict[Identity, int] = {}
        self.answered: dict[str, events.Answered] = {}  # the messages that events name, by key
        self.new_leads: set[int] = set()
        self.newly_linked: set[int] = set()  # leads that a new identifier was linked to
        self.attached_to: set[int] = set()
        self.gained_address: set[int] = set()
        self.touched: set[int] = set()
        self.left: set[int] = set()  # accounts that somebody has left for another
        self.answers: dict[tuple[str, str], int] = {}  # the messages that the facts about consent answer
        self.drafts: dict[int, Draft] = {}

    def sort_out(self, records: Sequence[Record]) -> None:
        """Set aside what cannot be used: unknown types, the future, records about nobody."""
        known = {*self.catalogue.events, *self.catalogue.derived}
        self.counts.records = len(records)
        for record in records:
            if isinstance(record, Refused):
                self.counts.refusals.append(record)
            elif refused := intake_refusals.at_sight(record, known, self.now):
                self.counts.refusals.append(refused)
            else:
                self.usable.append(record)

    def recognise(self) -> None:
        """Find or number the lead of each record, and store which identifiers are whose."""
        self.answered = events.answered(self.connection, message_keys(self.usable))
        named = [record.identities for record in self.usable]
        known = identities.find(self.connection, dict.fromkeys(chain.from_iterable(named)))
        doubtful = [
            known[each].lead_id
            for several in named
            if len(several) > 1 and any(each.kind == EMAIL for each in several)
            for each in several
            if each.kind != EMAIL and each in known
        ]
        matcher = Matcher(
            {identity: found.lead_id for identity, found in known.items()},
            identities.with_email(self.connection, [lead for lead in doubtful if lead is not None]),
        )
        found = self._match(matcher)
        self.counts.conflicts = matcher.conflicts
        numbers = next_ids(self.connection, lead_table, matcher.new_leads) if matcher.new_leads else []
        self.new_leads = set(numbers)
        for record, lead in found:
            if lead is None:
                # An anonymous event may come before the one that says who it was.
                lead = matcher.owner_of(record.identities)
            lead = _real(lead, numbers)
            if lead is None and isinstance(record, EventRecord) and record.known_only:
                self.counts.refusals.append(intake_refusals.stranger(record))
                continue
            if isinstance(record, EventRecord):
                self.events.append((record, lead))
            elif lead is not None:
                self.leads.append((record, lead))
            else:
                self.counts.refusals.append(intake_refusals.nobody(record))
        self.identity_ids = {identity: each.id for identity, each in known.items()}
        self._remember(matcher, known, numbers)

    def _match(self, matcher: Matcher) -> list[tuple[LeadRecord | EventRecord, int | None]]:
        given = [
            record.lead_id for record in self.usable if isinstance(record, EventRecord) and record.lead_id is not None
        ]
        today = identities.survivors(self.connection, given)
        found: list[tuple[LeadRecord | EventRecord, int | None]] = []
        for record in self.usable:
            lead = None
            if isinstance(record, EventRecord) and record.lead_id is not None:
                lead = today.get(record.lead_id)
                if lead is None:
                    self.counts.refusals.append(intake_refusals.unknown_lead(record))
                    continue
            elif isinstance(record, EventRecord) and (record.known_only or not record.identities):
                self._match_by_message(record, matcher, found)
                continue
            found.append((record, matcher.lead_of(record.identities, lead)))
        return found

    def _match_by_message(
        self, record: EventRecord, matcher: Matcher, found: list[tuple[LeadRecord | EventRecord, int | None]]
    ) -> None:
        """The lead that the message was sent to; who answers it, maybe from another address, is not linked."""
        answered = self.answered.get(str(record.properties.get(MESSAGE_KEY, "")))
        if answered is None and not record.identities:
            self.counts.refusals.append(intake_refusals.unknown_message(record))
            return
        if answered and record.contact and matcher.owner_of(record.identities) != answered.lead_id:
            # The address of somebody else, such as one that a mail was passed on to: what stops it stops the lead's.
            record = record._replace(contact={})
        found.append((record, answered.lead_id if answered else None))

    def _remember(self, matcher: Matcher, known: Mapping[Identity, identities.Known], numbers: list[int]) -> None:
        """Number the new identities and see which known ones have found their lead; written by `write_people`."""
        fresh = [identity for identity in matcher.owners if identity not in known]
        self.fresh: list[tuple[int, Identity, int | None]] = []
        free = next_ids(self.connection, identity_table, len(fresh)) if fresh else []
        for id_, identity in zip(free, fresh, strict=True):
            owner = _real(matcher.owners[identity], numbers)
            self.fresh.append((id_, identity, owner))
            self.identity_ids[identity] = id_
            if owner is not None and owner not in self.new_leads:
                self.newly_linked.add(owner)
        self.found_lead: dict[int, int] = {}
        for identity, each in known.items():
            owner = _real(matcher.owners[identity], numbers)
            if each.lead_id is None and owner is not None:
                self.found_lead[each.id] = owner

    def meet(self) -> None:
        """Read what there is to know of the leads that were there before."""
        names = set(chain.from_iterable(record.fields for record, _ in self.leads))
        found = {lead for _, lead in self.leads} | {lead for _, lead in self.events if lead is not None}
        self.met = leads.meet(self.connection, found - self.new_leads, names)

    def write_people(self) -> None:
        """Store leads, accounts and identities; give anonymous activity to those who have been recognised."""
        learning = {lead for record, lead in self.leads if lead in self.met and self.met[lead].may_learn(record)}
        stored = leads.drafts(self.connection, learning | (self.newly_linked - self.new_leads))
        self.drafts = stored
        had_address = {lead for lead, draft in stored.items() if draft.email_hash}
        self._learn()
        changed = {lead: draft for lead, draft in self.drafts.items() if draft.changed and lead not in self.new_leads}
        made = {lead: draft for lead, draft in self.drafts.items() if lead in self.new_leads}
        self._complete({**changed, **made})
        leads.add(self.connection, made)
        identities.add(self.connection, self.fresh, self.now)
        identities.link(self.connection, self.found_lead, self.now)
        leads.lock(
            self.connection, {*changed, *self.found_lead.values(), *self._stopped_or_consenting()} - self.new_leads
        )
        leads.change(self.connection, changed)
        if self.found_lead:
            self.counts.attached = events.attach(self.connection, self.found_lead)
            self.attached_to = set(self.found_lead.values())
        self.gained_address = {lead for lead, draft in changed.items() if draft.email_hash} - had_address
        self.counts.leads_created, self.counts.leads_updated = len(made), len(changed)
        self.touched |= {*changed, *made, *self.attached_to}

    def _learn(self) -> None:
        for record, lead in self.leads:
            if lead not in self.drafts and lead not in self.new_leads:
                self.counts.leads_unchanged += 1
                continue
            as_of = record.as_of or self.now
            draft = self._draft(lead, record.created_at or as_of, as_of)
            before, draft.changed = draft.changed, False
            draft.learn(record.fields.items(), as_of)
            draft.learn_attributes(record.attributes.items(), as_of)
            if record.created_at is not None and record.created_at < draft.created_at:
                draft.created_at, draft.changed = record.created_at, True
            if draft.changed:
                draft.as_of = max(draft.as_of, as_of)
            elif lead not in self.new_leads or before:
                self.counts.leads_unchanged += 1
            draft.changed = draft.changed or before
        for event, owner in self.events:
            if owner is not None and (owner in self.new_leads or owner in self.newly_linked):
                draft = self._draft(owner, event.occurred_at, event.occurred_at)
                draft.learn(event.contact.items(), event.occurred_at, only_gaps=True)
                if owner in self.new_leads:
                    draft.learn((("source", event.source),), event.occurred_at)
                    draft.created_at = min(draft.created_at, event.occurred_at)

    def _draft(self, lead: int, created_at: datetime, as_of: datetime) -> Draft:
        if lead not in self.drafts:
            self.drafts[lead] = Draft({}, {}, created_at, as_of)
        return self.drafts[lead]

    def _complete(self, written: Mapping[int, Draft]) -> None:
        """Work out what follows from a profile: the hash of its address, and its account."""
        keys: dict[str, str] = {}
        for draft in written.values():
            address = draft.values.get("email")
            draft.email_hash = email_hash(self.secret, normalise.email(address).identity) if address else None
            key = normalise.company_key(draft.values.get("company") or "")
            if key:
                keys.setdefault(key, draft.values["company"])
        found = accounts.find_or_create(self.connection, keys, self.now)
        for draft in written.values():
            before = draft.account_id
            draft.account_id = found.get(normalise.company_key(draft.values.get("company") or ""))
            if before is not None and before != draft.account_id:
                self.left.add(before)

    def _stopped_or_consenting(self) -> set[int]:
        """Leads whose sending may be forbidden by this batch; who is about to send locks them too."""
        stopped = {lead for event, lead in self.events if lead is not None and event.type in KINDS}
        return stopped | {lead for record, lead in self.leads if record.consents}

    def write_events(self) -> None:
        """Store the events that are new."""
        self.new_events = self.events
        columns, same = self._event_columns()
        new = events.add(self.connection, columns, same)
        heard = [
            message
            for message, kind in zip(columns["message_id"], columns["type"], strict=True)
            if message is not None and kind in messages.EVIDENCE
        ]
        messages.arrived(self.connection, heard, self.now)
        if new is not None:
            first: dict[tuple[str, str], tuple[EventRecord, int | None]] = {}
            for each in self.events:
                first.setdefault((each[0].source, each[0].source_event_id), each)
            self.new_events = [each for key, each in first.items() if key in new]
        self.counts.events_created = len(self.new_events)
        self.counts.duplicates = len(self.events) - len(self.new_events)
        begins: dict[int, datetime] = {}
        for event, lead in self.new_events:
            if lead is not None and (lead not in begins or event.occurred_at < begins[lead]):
                begins[lead] = event.occurred_at
        earlier = {lead for lead, each in begins.items() if lead in self.met and each < self.met[lead].created_at}
        events.first_seen(self.connection, earlier | self.attached_to)
        self.touched |= begins.keys()

    def _event_columns(self) -> tuple[dict[str, list[Any]], dict[str, Any]]:
        """The columns of the events, and those in which all of them are alike."""
        given = [event for event, _ in self.new_events]
        answers = [event.message_id or self._message_of(event) for event in given]
        self.answers = {
            (event.source, event.source_event_id): message
            for event, message in zip(given, answers, strict=True)
            if message is not None and event.type in KINDS
        }
        verdicts = [self._first_verdict(event, answer) for event, answer in zip(given, answers, strict=True)]
        columns = columns_of(self.new_events, answers, verdicts, self.identity_ids)
        return columns, {"received_at": self.now, "silent": self.silent}

    def _message_of(self, event: EventRecord) -> int | None:
        answered = self.answered.get(str(event.properties.get(MESSAGE_KEY, ""))) if self.answered else None
        return answered.message_id if answered else None

    def _first_verdict(self, event: EventRecord, answer: int | None) -> tuple[bool, str | None]:
        settles = has_to_settle(self.catalogue.machines, answer, event.occurred_at, self.now, pulled=self.pulled)
        return first_verdict(event.type, event.machine, silent=self.silent, settles=settles)

    def queue(self) -> None:
        """Let the next rescore look at everybody of whom something new is known."""
        if self.touched:
            who = ids(self.connection, "asked", sorted(self.touched))
            work.mark(self.connection, "score", select(who.c.id), self.now, silent=self.silent)
        account_scores.left(self.connection, sorted(self.left), self.now, silent=self.silent)

    def write_consents(self) -> None:
        """Write consents, and what facts say about consent and suppression, in the transaction that stores them."""
        stops = Stops(self.catalogue, self.secret, self.now)
        for record, lead in self.leads:
            if record.consents:
                stops.add_consents(lead, record.consents)
        for event, owner in self.new_events:
            if owner is not None and event.type in KINDS:
                key = event.source, event.source_event_id
                fact = Fact(owner, event.type, *key, event.occurred_at, event.properties, self.answers.get(key))
                stops.add_fact(fact, event.contact.get("email"))
        # Facts from before the lead was recognised, or before it had an address that could be suppressed.
        for row in events.stopping(self.connection, self.gained_address | self.attached_to):
            stops.add_fact(Fact(**row))
        changed, self.counts.suppressed = stops.write(self.connection)
        self.counts.consents_changed = len(changed)
        self.touched |= changed


def _real(lead: int | None, numbers: Sequence[int]) -> int | None:
    """The id of a lead that the matcher has numbered below zero."""
    return lead if lead is None or lead > 0 else numbers[-lead - 1]
