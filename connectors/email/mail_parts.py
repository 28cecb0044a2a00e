"""A message taken apart for providers that build the mail themselves: addresses, texts, and every other header."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from connectors.email.base import OutgoingMail
from nurture.errors import RenderRefused
from nurture.rendering.headers import display_name, encoded_words, refuse_controls, wire_address

# Said in fields of their own, or set by whoever builds the mail.
_FIELDS = frozenset({"from", "to", "subject", "reply-to", "date", "mime-version", "dkim-signature"})
_SPECIALS = frozenset('()<>[]:;@\\,."')  # RFC 5322, 3.2.3: what a name may hold only inside quotes


@dataclass(frozen=True, slots=True)
class Parts:
    """What a message says; addresses are in ASCII, headers are unfolded and in ASCII, texts are as planned."""

    from_name: str
    from_address: str
    to_name: str
    to_address: str
    reply_to: str | None
    subject: str
    text: str
    html: str
    headers: dict[str, str]


def parts_of(mail: OutgoingMail, *, leave_out: Iterable[str] = ()) -> Parts:
    """Take a message apart by its plan; raises SkipThis when there is none that fits, or it cannot be said in ASCII."""
    plan = mail.plan
    if plan is None:
        raise RenderRefused("the message came without the plan that it was built from")
    recipient = ascii_recipient(mail)
    if plan.message_key != mail.message_key or wire_address(plan.to_address) != recipient:
        raise RenderRefused("the message and its plan are not about the same recipient")
    for what, text in (("subject", plan.subject), ("text part", plan.text), ("HTML part", plan.html)):
        if not _is_unicode(text):
            raise RenderRefused(f"the {what} has half a character in it; mend the template or the lead's data")
    refuse_controls(plan.subject, "Subject")
    return Parts(
        from_name=display_name(refuse_controls(plan.from_name, "From")),
        from_address=wire_address(plan.from_address),
        to_name=display_name(refuse_controls(plan.to_name, "To")),
        to_address=recipient,
        reply_to=wire_address(plan.reply_to) if plan.reply_to else None,
        subject=plan.subject,
        text=plan.text,
        html=plan.html,
        headers=_other_headers(mail.raw, {name.lower() for name in leave_out}),
    )


def ascii_recipient(mail: OutgoingMail) -> str:
    """The envelope recipient in ASCII; raises RenderRefused when its local part is not ASCII."""
    if not mail.recipient.partition("@")[0].isascii():
        raise RenderRefused("the recipient's address has letters before the @ that are not ASCII; use another address")
    return wire_address(mail.recipient)


def quoted(name: str, address: str) -> str:
    """`"Name" <address>` in Unicode, for providers that encode it themselves."""
    if not name:
        return address
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}" <{address}>'


def needs_quotes(name: str) -> bool:
    """Whether a name has signs that mean something in an address."""
    return not _SPECIALS.isdisjoint(name)


def encoded(name: str) -> str:
    """A name as RFC 2047 encoded words on one line."""
    return encoded_words(name, 0).replace("\r\n", "")


def check_tags(tags: Sequence[str], *, most: int, longest: int, signs: str = r"[ -~]", provider: str) -> None:
    """Raise RenderRefused when the provider does not take these tags; `signs` is a class of a regular expression."""
    if len(tags) > most:
        raise RenderRefused(f"{provider} takes at most {most} tags and this message has {len(tags)}")
    if any(not re.fullmatch(f"{signs}{{1,{longest}}}", tag) for tag in tags):
        raise RenderRefused(f"{provider} takes tags of 1 to {longest} characters out of {signs}; rename the sequence")


def check_size(what: str, size: int, most: int, provider: str) -> None:
    """Raise RenderRefused when something has more bytes than the provider takes."""
    if size > most:
        raise RenderRefused(f"{provider} takes {most:,} bytes and the {what} has {size:,}; shorten it")


def _other_headers(raw: bytes, left_out: set[str]) -> dict[str, str]:
    """Every header that has no field of its own, as it stands on the wire, so that nothing planned is lost."""
    head = raw.partition(b"\r\n\r\n")[0]
    if not head.isascii():
        raise RenderRefused("a header of the message is not written in ASCII")
    headers: dict[str, str] = {}
    for line in re.sub(r"\r\n(?=[ \t])", "", head.decode("ascii")).split("\r\n"):
        name, colon, value = line.partition(":")
        lower = name.lower()
        if not colon or lower in _FIELDS or lower in left_out or lower.startswith("content-"):
            continue
        if lower in {known.lower() for known in headers}:
            raise RenderRefused(f"the header {name} stands twice in the message; the provider takes it once")
        headers[name] = value.strip()
    return headers


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
