"""Erasure: one transaction leaves nothing of a person but an empty row, anonymous counts and keyed suppressions.

What each part of it decides stands in `erasure_ledgers.py` and `erasure_letters.py`; what is still to be told to the
outside, and what comes in later, in `erasures.py`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Table, delete, func, literal, or_, select, update

from db import accounts as account_sums
from db import consents as consent_words
from db import leads as profiles
from db.batches import ids
from db.consents import Change
from db.erasure_ledgers import (
    ERASED,
    clear_enrollments,
    clear_memberships,
    clear_messages,
    clear_tasks,
    clear_transitions,
)
from db.erasure_letters import delete_letters, letters_of, rename_files
from db.subqueries import there_is
from db.suppressions import Stop, suppress
from db.tables import (
    accounts,
    audience_choices,
    consent_states,
    consents,
    entry_marks,
    events,
    frozen_mails,
    identities,
    leads,
    messages,
    provider_facts,
    sales_tasks,
    score_contributions,
    scores,
    stage_transitions,
    suppressions,
    tracked_links,
    work_queue,
)
from db.types import UTCDateTime
from nurture import normalise
from nurture.errors import RefusedRow
from nurture.keys import email_hash
from nurture.mentions import Mentions
from nurture.records import EMAIL, PROFILE, Identity

_OF_LEAD: tuple[Table, ...] = (scores, score_contributions, audience_choices, entry_marks, work_queue, tracked_links)
_TICK = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Subject:
    """A person: the row that stays, the ids of all rows that are this person, and every identifier."""

    lead_id: int
    ids: tuple[int, ...]
    identities: tuple[Identity, ...]
    emails: tuple[str, ...]
    phones: tuple[str, ...]
    erased_at: datetime | None

    @property
    def mentions(self) -> Mentions:
        """Recognises the person in texts and records."""
        return Mentions(self.identities, self.emails, self.phones)

    def hashes(self, secret: bytes) -> list[str]:
        """The keyed hashes of all addresses."""
        found = {each.value for each in self.identities if each.kind == EMAIL}
        for address in self.emails:
            try:
                found.add(normalise.email(address).identity)
            except RefusedRow:
                continue
        return sorted(email_hash(secret, address) for address in found)


def subject_of(connection: Connection, lead_id: int) -> Subject:
    """Everything by which a person is known; `lead_id` is the row that nobody has been merged out of."""
    rows = connection.execute(
        select(leads.c.id, leads.c.email, leads.c.phone, leads.c.erased_at)
        .where(or_(leads.c.id == lead_id, leads.c.merged_into_id == lead_id))
        .order_by(leads.c.id)
    ).all()
    everyone = tuple(int(row.id) for row in rows)
    known = connection.execute(
        select(identities.c.kind, identities.c.value)
        .where(identities.c.lead_id.in_(everyone))
        .order_by(identities.c.id)
    ).all()
    return Subject(
        lead_id,
        everyone,
        tuple(Identity(str(kind), str(value)) for kind, value in known),
        tuple(row.email for row in rows if row.email),
        tuple(row.phone for row in rows if row.phone),
        next((row.erased_at for row in rows if row.id == lead_id), None),
    )


def erase(connection: Connection, subject: Subject, secret: bytes, now: datetime) -> dict[str, int]:
    """Take everything personal away; `merges.alone` has been called. Returns what was done to how many rows.

    Once more changes nothing but what has come in since.
    """
    profiles.lock(connection, subject.ids)
    done: dict[str, int] = {}
    who = subject.ids
    done["suppressions"] = _suppress(connection, subject, secret, now)
    done["consents_blanked"] = _blank_consents(connection, who, now)
    done["dead_letters"], done["file_names"] = _clear_letters(connection, subject)
    done |= clear_tasks(connection, subject.lead_id, who, now)
    done |= clear_enrollments(connection, who, now)
    done |= clear_messages(connection, who, now)
    done |= clear_transitions(connection, who)
    done |= clear_memberships(connection, who, now)
    done["events"] = _delete_facts(connection, who)
    done["identities"] = _delete(connection, identities, who)
    for table in _OF_LEAD:
        done[table.name] = _delete(connection, table, who)
    done["accounts"] = _leave_accounts(connection, who)
    done["leads_emptied"] = _empty(connection, who, now)
    return done


def _delete(connection: Connection, table: Table, who: Sequence[int]) -> int:
    return connection.execute(delete(table).where(table.c.lead_id.in_(who))).rowcount


def _suppress(connection: Connection, subject: Subject, secret: bytes, now: datetime) -> int:
    """Stop every address for good; each other reason stands beside it."""
    hashes = subject.hashes(secret)
    mine = suppressions.c.email_hash.in_(hashes)
    # Who lifted one may have written down about whom.
    connection.execute(update(suppressions).where(mine).values(lifted_because=None))
    suppress(connection, [Stop(each, "all", ERASED, now) for each in hashes])
    return len(hashes)


def _blank_consents(connection: Connection, who: Sequence[int], now: datetime) -> int:
    """Keep that and when a topic was allowed and withdrawn, without a word of the person; and allow nothing more."""
    states = connection.execute(
        select(consent_states).where(consent_states.c.lead_id.in_(who), consent_states.c.status != "withdrawn")
    ).mappings()
    ends = [
        Change(row["lead_id"], row["topic"], "withdrawn", row["basis"], ERASED, max(now, row["since"] + _TICK))
        for row in states.all()
    ]
    consent_words.record(connection, ends, now)
    blank: dict[str, Any] = {"source": ERASED, "wording": None, "evidence": None}
    return connection.execute(update(consents).where(consents.c.lead_id.in_(who)).values(blank)).rowcount


def _clear_letters(connection: Connection, subject: Subject) -> tuple[int, int]:
    mentions = subject.mentions
    letters = letters_of(connection, mentions, frozenset(subject.ids))
    if letters.events:
        asked = ids(connection, "asked", letters.events)
        # A number may have been given anew since; a copy that was set aside is nobody's.
        alone = events.c.lead_id.is_(None), events.c.identity_id.is_(None)
        connection.execute(delete(events).where(events.c.id.in_(select(asked.c.id)), *alone))
    return delete_letters(connection, letters.ids), rename_files(connection, mentions)


def _delete_facts(connection: Connection, who: Sequence[int]) -> int:
    """Events, and what providers reported; nothing else may name an event that is gone, for its number is used anew."""
    known = select(identities.c.id).where(identities.c.lead_id.in_(who))
    mine = or_(events.c.lead_id.in_(who), events.c.identity_id.in_(known))
    gone = select(events.c.id).where(mine)
    for table in (stage_transitions, sales_tasks):
        connection.execute(update(table).where(table.c.event_id.in_(gone)).values(event_id=None))
    sent = select(messages.c.id).where(messages.c.lead_id.in_(who))
    connection.execute(
        delete(provider_facts).where(or_(provider_facts.c.lead_id.in_(who), provider_facts.c.message_id.in_(sent)))
    )
    connection.execute(delete(frozen_mails).where(frozen_mails.c.message_id.in_(sent)))
    return connection.execute(delete(events).where(mine)).rowcount


def _leave_accounts(connection: Connection, who: Sequence[int]) -> int:
    """Leave the companies; one that nobody is left of goes, too. Returns how many went."""
    rows = select(leads.c.account_id).where(leads.c.id.in_(who), leads.c.account_id.is_not(None)).distinct()
    left = list(connection.execute(rows).scalars())
    connection.execute(update(leads).where(leads.c.id.in_(who)).values(account_id=None))
    empty = accounts.c.id.in_(left), ~there_is(leads, leads.c.account_id == accounts.c.id)
    gone = list(connection.execute(select(accounts.c.id).where(*empty)).scalars())
    connection.execute(update(sales_tasks).where(sales_tasks.c.account_id.in_(gone)).values(account_id=None))
    connection.execute(delete(accounts).where(accounts.c.id.in_(gone)))
    account_sums.add_up(connection, [each for each in left if each not in gone])
    return len(gone)


def accounts_of(connection: Connection, who: Sequence[int]) -> list[int]:
    """The companies of a person that have other people, too."""
    other = leads.alias()
    rows = select(leads.c.account_id).where(
        leads.c.id.in_(who), there_is(other, other.c.account_id == leads.c.account_id, other.c.id.not_in(who))
    )
    return sorted(set(connection.execute(rows).scalars()))


def _empty(connection: Connection, who: Sequence[int], now: datetime) -> int:
    """Leave rows with nothing in them but a number, a stage and instants."""
    nothing: dict[str, Any] = dict.fromkeys((*PROFILE, "email_hash"))
    since = func.coalesce(leads.c.erased_at, literal(now, UTCDateTime()))
    nothing |= {"attributes": {}, "updated_at": since, "erased_at": since}
    mine = leads.c.id.in_(who)
    before = int(
        connection.execute(
            select(func.count()).select_from(leads).where(mine, leads.c.erased_at.is_(None))
        ).scalar_one()
    )
    connection.execute(update(leads).where(mine).values(nothing))
    return before
