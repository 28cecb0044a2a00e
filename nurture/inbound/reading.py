"""From the bytes of a mail that came back to the one fact that it states. Nothing here answers a mail."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from hashlib import sha256

from nurture.inbound.auto_replies import answers_something, has_automatic_title, is_automatic, is_list_mail
from nurture.inbound.bounces import returned
from nurture.inbound.mail import InboundKind, InboundMail
from nurture.inbound.message_keys import ADDRESSED, key_in_subject, key_of
from nurture.inbound.parts import MailPart, addresses, parts_of
from nurture.inbound.quoting import new_text

MAX_SUBJECT = 300
_EARLIEST = datetime(1995, 1, 1, tzinfo=UTC)
_ID = re.compile(r"<([!-;=?-~]{3,200})>")
_UNSUBSCRIBE_ADDRESS = re.compile(
    r"^(?:unsubscribe|list-unsubscribe|unsub|afmeld|abmelden|abmeldung|avmeld|avregistrera)[+=@-]"
)
_UNSUBSCRIBE_SUBJECT = re.compile(
    r"^\s*(?:list[- ])?(?:unsubscribe|afmeld(?: mig)?|abmelden|abmeldung|avmeld|avregistrera"
    r"|désinscription|uitschrijven)(?:[ :=+-]+[\w.=-]{1,200})?\s*[.!]?\s*$",
    re.IGNORECASE,
)


def read_mail(raw: bytes, now: datetime) -> InboundMail:
    """What a mail in RFC 5322 form says; `now` is aware. Any bytes are read, in bounded time: garbage is `other`."""
    parts = parts_of(raw)
    mail = parts[0]
    fact = returned(parts)
    subject = mail.first("subject")[:MAX_SUBJECT]
    found = InboundMail(
        kind="other",
        mail_id=_mail_id(mail, raw),
        occurred_at=_when(mail, now),
        message_key=key_of(parts, returned=fact is not None),
        sender=(addresses(mail.all("from")) or [""])[0],
        subject=subject,
    )
    if fact is not None:
        return replace(
            found,
            kind=fact.kind,
            recipient=fact.recipient,
            hard=fact.hard,
            status=fact.status,
            reason=fact.reason,
        )
    kind = _kind(mail, found)
    if kind == "unsubscribe":
        return replace(found, kind=kind, message_key=found.message_key or key_in_subject(subject))
    return replace(found, kind=kind, text=new_text(parts)) if kind in ("reply", "auto_reply") else found


def _kind(mail: MailPart, found: InboundMail) -> InboundKind:
    if not found.sender:
        return "other"
    answer = has_automatic_title(mail) or "auto-replied" in mail.first("auto-submitted").lower()
    if not answer and _is_unsubscribe(mail):
        return "unsubscribe"
    if is_list_mail(mail) and not answer:
        return "other"
    if is_automatic(mail):
        # A newsletter or a notice of a program is automatic too, and answers nothing.
        return "auto_reply" if answer or found.message_key or answers_something(mail) else "other"
    return "reply"


def _is_unsubscribe(mail: MailPart) -> bool:
    return bool(_UNSUBSCRIBE_SUBJECT.match(mail.first("subject"))) or any(
        _UNSUBSCRIBE_ADDRESS.match(each) for each in addresses(mail.all(*ADDRESSED))
    )


def _mail_id(mail: MailPart, raw: bytes) -> str:
    found = _ID.search(mail.first("message-id"))
    return found[1] if found else f"sha256:{sha256(raw).hexdigest()}"


def _when(mail: MailPart, now: datetime) -> datetime:
    """When our own server took the mail, else when it says that it was written; a clock ahead of ours counts as now."""
    stamps = [value.rpartition(";")[2] for value in mail.all("received")[:1]] + mail.all("date")[:1]
    for stamp in stamps:
        try:
            found = parsedate_to_datetime(stamp.strip())
            found = found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            continue
        if found >= _EARLIEST:
            return min(found, now)
    return now
