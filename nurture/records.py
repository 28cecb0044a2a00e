"""What intake hands on: leads and events as plain, normalised records, and those that were refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

Kind = Literal["lead", "event"]

EMAIL, PHONE, ANONYMOUS, EXTERNAL = "email", "phone", "anonymous", "external:"
# The property by which an event names the message that it answers, as the header `X-Ripen-Message` of the mail does.
MESSAGE_KEY = "message_key"

# The profile columns of a lead that a record may fill; everything else is an attribute.
PROFILE = (
    "email",
    "phone",
    "first_name",
    "last_name",
    "name",
    "company",
    "job_title",
    "country",
    "city",
    "language",
    "time_zone",
    "source",
    "source_detail",
)
# Where a lead came from first stays what it was.
FIRST_STAYS = ("source", "source_detail")


class Identity(NamedTuple):
    """One way to recognise a lead: `email`, `phone`, `external:<source>` or `anonymous`, and the normalised value."""

    kind: str
    value: str


class Origin(NamedTuple):
    """Where a record came from and what it said, kept for the dead letters."""

    place: str  # file and line, or page and item
    raw: bytes | Mapping[str, Any]  # the record as it came; unreadable text as bytes
    line: int = 0  # from 1, in its file or page
    roll: tuple[int, int] | None = None  # year and month that the rows before had reached


NOWHERE = Origin("", b"")


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person allowed or withdrew, for one topic or for every topic of a channel."""

    status: Literal["granted", "withdrawn", "pending"]
    basis: Literal["consent", "soft_opt_in", "legitimate_interest", "none"]
    source: str
    topic: str | None = None
    channel: Literal["email", "ads", "phone"] | None = None
    wording: str | None = None
    evidence: Mapping[str, Any] | None = None
    occurred_at: datetime | None = None  # None: as of the import
    confirmed: bool = False  # the person has confirmed it in its own mailbox, as a double opt-in asks for


# Records are tuples because a frozen dataclass takes three times as long to make, and a file has millions of rows.
_NOTHING: Mapping[str, Any] = MappingProxyType({})


class LeadRecord(NamedTuple):
    """What a source says about a person."""

    identities: tuple[Identity, ...]
    fields: Mapping[str, str] = _NOTHING  # names of PROFILE; empty values are left out
    attributes: Mapping[str, Any] = _NOTHING
    consents: tuple[Consent, ...] = ()
    created_at: datetime | None = None
    as_of: datetime | None = None  # how old the knowledge is; None: as of the import
    origin: Origin = NOWHERE


class EventRecord(NamedTuple):
    """One fact; `(source, source_event_id)` is what makes it the same fact when it comes again."""

    source: str
    source_event_id: str
    type: str
    occurred_at: datetime
    identities: tuple[Identity, ...] = ()
    properties: Mapping[str, Any] = _NOTHING
    contact: Mapping[str, str] = _NOTHING  # email and phone as given, for a lead that lacks them
    machine: bool = False
    lead_id: int | None = None  # when the source knows our own id, such as a tracking link
    message_id: int | None = None
    origin: Origin = NOWHERE
    known_only: bool = False  # anybody can write to a mailbox: a stranger's mail makes no lead, and links no address


@dataclass(frozen=True, slots=True)
class Refused:
    """A record that cannot be used now, with the reason as a short stable word."""

    kind: Kind
    reason: str
    message: str
    origin: Origin = NOWHERE
    release_at: datetime | None = None  # when its time comes by itself
    record: EventRecord | None = None  # the readable event, when there is one


Record = LeadRecord | EventRecord | Refused


def is_inferred(kind: str, properties: Mapping[str, Any]) -> bool:
    """Whether an open was seen by nobody and only follows from a click: its property `inferred` is true."""
    return kind == "email.opened" and str(properties.get("inferred", "")).casefold() in ("true", "1", "yes")


def is_hard_bounce(properties: Mapping[str, Any]) -> bool:
    """Whether a bounce says that the mailbox does not exist: its property `kind` is `hard`."""
    return str(properties.get("kind", "")).casefold() == "hard"


def event_as_json(event: EventRecord) -> dict[str, Any]:
    """An event as plain data, to be kept until its time comes."""
    return {
        "source": event.source,
        "source_event_id": event.source_event_id,
        "type": event.type,
        "occurred_at": event.occurred_at.isoformat(),
        "identities": [list(identity) for identity in event.identities],
        "properties": dict(event.properties),
        "contact": dict(event.contact),
        "machine": event.machine,
        "lead_id": event.lead_id,
        "message_id": event.message_id,
        **({"known_only": True} if event.known_only else {}),
    }


def event_from_json(kept: Mapping[str, Any], origin: Origin) -> EventRecord:
    """The event that was kept."""
    values = {
        **kept,
        "occurred_at": datetime.fromisoformat(kept["occurred_at"]),
        "identities": tuple(Identity(*each) for each in kept["identities"]),
    }
    return EventRecord(**values, origin=origin)
