"""From mails that came back to the events that they are; a stranger's mail makes no lead, and no mail is answered."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from connectors.events.base import MAIL, BrokenRow, Row
from nurture import normalise
from nurture.errors import RefusedRow
from nurture.inbound import InboundMail, read_mail
from nurture.records import EMAIL, MESSAGE_KEY, EventRecord, Identity, Origin, Record, Refused

TYPES = {
    "reply": "email.replied",
    "auto_reply": "email.auto_replied",
    "bounce": "email.bounced",
    "delayed": "email.deferred",
    "complaint": "email.complained",
    "unsubscribe": "email.unsubscribed",
}
# In these the lead is whom our mail was for; in the others, who writes.
_ABOUT_THE_RECIPIENT = ("bounce", "delayed", "complaint")
_NOBODY = "it names no message of ours, and no address that it could be about"
_MAX_KEPT = 65_536


def records_of_mail(mail: InboundMail, source: str, origin: Origin) -> list[Record]:
    """The event of a mail, none for one that says nothing of a lead; refused when it names nobody at all.

    The event belongs to the lead of the message that it names, else to the known lead of the address.
    """
    kind = TYPES.get(mail.kind)
    if kind is None:
        return []
    address = mail.recipient if mail.kind in _ABOUT_THE_RECIPIENT else mail.sender
    who, contact = _who(address)
    if not who and mail.message_key is None:
        return [Refused("event", "no-identifier", _NOBODY, origin)]
    return [
        EventRecord(
            source,
            normalise.text(mail.mail_id, "the Message-ID", normalise.ID_LIMIT),
            kind,
            mail.occurred_at,
            who,
            _properties(mail),
            # What a bounce or an unsubscribe stops is the address that it names.
            contact if mail.kind != "reply" else {},
            # The record itself is kept when it is refused, so that a replay needs no second reading of the mail.
            origin=Origin(origin.place, b"", origin.line),
            known_only=True,
        )
    ]


def _who(address: str) -> tuple[tuple[Identity, ...], Mapping[str, str]]:
    try:
        found = normalise.email(address) if address else None
    except RefusedRow:
        found = None
    return ((Identity(EMAIL, found.identity),), {"email": found.given}) if found else ((), {})


def _properties(mail: InboundMail) -> dict[str, Any]:
    said: dict[str, Any] = {MESSAGE_KEY: mail.message_key}
    if mail.kind in ("reply", "auto_reply"):
        said |= {"subject": mail.subject, "text": mail.text}
    elif mail.kind == "bounce":
        said |= {"kind": "hard" if mail.hard else "soft", "status": mail.status, "reason": mail.reason}
    else:
        said |= {"status": mail.status, "reason": mail.reason}
    return {name: value for name, value in said.items() if value}


class MailReader:
    """Reads the records of a mailbox, as a mapper reads rows."""

    def __init__(self, source: str) -> None:
        self.source = source

    def read(self, row: Row | BrokenRow, now: datetime) -> list[Record]:
        """The records of one mail; its place is the number that the server gave it."""
        place = f"{self.source}: mail {row.line}"
        if isinstance(row, BrokenRow):
            return [Refused("event", row.reason, row.message, Origin(place, row.raw, row.line))]
        raw = bytes(row.values[MAIL])
        return records_of_mail(read_mail(raw, now), self.source, Origin(place, raw[:_MAX_KEPT], row.line))
