"""Which message of ours a mail is about: its 40-digit key stands in ids, in returned headers, or in an address."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nurture.inbound.parts import MailPart, addresses

# Where mail systems say whom a mail was for.
ADDRESSED = ("to", "cc", "delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to")
_KEY = "(?<![0-9a-f])([0-9a-f]{40})(?![0-9a-f])"
_IN_ID = re.compile(_KEY + "@")
_IN_ADDRESS = re.compile(r"^[\w.-]{1,40}[+=]" + _KEY + r"(?:[=+.-][^@]*)?@")
_ALONE = re.compile(_KEY)
_RETURNED = re.compile(r"^[> |\t]*X-Ripen-Message:\s*" + _KEY, re.IGNORECASE | re.MULTILINE)
_RETURNED_ID = re.compile(r"^[> |\t]*Message-ID:\s*<" + _KEY + "@", re.IGNORECASE | re.MULTILINE)


def key_of(parts: list[MailPart], *, returned: bool) -> str | None:
    """The key of our message; with `returned` also from a message of ours that the mail holds or shows."""
    mail = parts[0]
    places: list[Iterable[str]] = [
        _ids(mail.all("in-reply-to")),
        reversed(_ids(mail.all("references"))),
        _of_addresses(addresses(mail.all(*ADDRESSED))),
    ]
    if returned:
        places = [_returned(parts), *places]
    return next((key for place in places for key in place), None)


def key_in_subject(subject: str) -> str | None:
    """The key in the subject of an unsubscribe mail."""
    found = _ALONE.search(subject)
    return found[1] if found else None


def _ids(values: list[str]) -> list[str]:
    return [key for value in values for key in _IN_ID.findall(value)]


def _of_addresses(found: list[str]) -> list[str]:
    return [match[1] for address in found if (match := _IN_ADDRESS.match(address))]


def _returned(parts: list[MailPart]) -> list[str]:
    keys = [key for part in parts[1:] for value in part.all("x-ripen-message") for key in _ALONE.findall(value)]
    keys += [key for part in parts[1:] for key in _ids(part.all("message-id"))]
    texts = [part.text for part in parts if part.text]
    keys += [match[1] for text in texts if (match := _RETURNED.search(text))]
    keys += [match[1] for text in texts if (match := _RETURNED_ID.search(text))]
    # Where the bounce itself was sent to, also when the report names it as the first sender.
    return keys + [key for part in parts[1:] for key in _of_addresses(addresses(part.all("return-path")))]
