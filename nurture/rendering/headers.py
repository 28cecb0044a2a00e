"""Header values as bytes on the wire: encoded words, folding, and the refusal of whatever could start a new header."""

from __future__ import annotations

import re
from base64 import b64encode
from email.errors import HeaderParseError
from email.header import decode_header
from email.headerregistry import Address
from functools import lru_cache

from email_validator import EmailNotValidError, validate_email

from nurture.errors import HeaderInjection, RenderRefused

MAX_VALUE = 900
MAX_NAME = 200
_WIDTH = 76
# Everything that some reader takes for the end of a line, and halves of surrogate pairs.
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_PLAIN_ADDRESS = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)
_QUOTED_PRINTABLE = {byte: f"={byte:02X}" for byte in range(256)}
# RFC 2047, 5 (3): what an encoded word may hold as it is, even inside a name.
_QUOTED_PRINTABLE |= {
    ord(sign): sign for sign in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/"
} | {ord(" "): "_"}


def refuse_controls(value: str, header: str) -> str:
    """The value itself; raises HeaderInjection when it has a control character, also one hidden in encoded words."""
    seen = value
    for _ in range(4):
        if _CONTROL.search(seen):
            raise HeaderInjection(f"the {header} has a control character in it; the message is not sent")
        if "=?" not in seen:
            return value
        decoded = _decoded(seen)
        if decoded == seen:
            return value
        seen = decoded
    raise HeaderInjection(f"the {header} hides text in several layers of encoding; the message is not sent")


def _decoded(value: str) -> str:
    # Words that follow each other without a blank are still decoded by some readers.
    spaced = value.replace("?==?", "?= =?")
    try:
        parts = decode_header(spaced)
        return "".join(
            part if isinstance(part, str) else part.decode(charset or "latin-1", "replace") for part, charset in parts
        )
    except (HeaderParseError, ValueError, LookupError, AssertionError):
        raise HeaderInjection("a header has an encoded word that cannot be read; the message is not sent") from None


def wire_address(address: str) -> str:
    """The address in ASCII, as it stands in the envelope and in the headers (`æble.example` as `xn--...`).

    Raises RenderRefused when it is not exactly one address that can be written in ASCII.
    """
    if _is_plain(address):
        return address
    try:
        checked = validate_email(address, check_deliverability=False, allow_smtputf8=False, test_environment=True)
    except EmailNotValidError:
        raise RenderRefused("the address is not one that mail can be sent to; correct it") from None
    ascii_form = checked.ascii_email or ""
    if not _is_plain(ascii_form):
        raise RenderRefused("the address cannot be written in ASCII; the recipient needs another one")
    return ascii_form


def _is_plain(address: str) -> bool:
    return len(address) <= 254 and len(address.partition("@")[0]) <= 64 and bool(_PLAIN_ADDRESS.fullmatch(address))


def display_name(name: str) -> str:
    """The name as it is shown: on one line, and not endless."""
    return " ".join(name.split())[:MAX_NAME].rstrip()


def mailbox(name: str, address: str, header: str) -> str:
    """`Name <address>` as a folded header value; the address stands alone when there is no name."""
    refuse_controls(name, header)
    wire = wire_address(address)
    shown = display_name(name)
    if not shown:
        return wire
    used = len(header) + 2
    if shown.isascii() and "=?" not in shown and len(shown) < _WIDTH - used - 4:
        local, _, domain = wire.rpartition("@")
        phrase = str(Address(shown, local, domain))[: -len(wire) - 3]
    else:
        phrase = encoded_words(shown, used)
    last_line = phrase.rpartition("\n")[2]
    fold = "\r\n" if used + len(last_line) + len(wire) + 3 > _WIDTH else ""
    return f"{phrase}{fold} <{wire}>"


@lru_cache(maxsize=256)
def cached_mailbox(name: str, address: str, header: str) -> str:
    """`mailbox` for senders, of whom there are few."""
    return mailbox(name, address, header)


def unstructured(value: str, header: str) -> str:
    """A text, such as the subject, as a folded header value that reads back exactly as it was."""
    refuse_controls(value, header)
    if len(value) > MAX_VALUE:
        raise RenderRefused(f"the {header} has more than {MAX_VALUE} characters; shorten it")
    words = value.split(" ")
    if value.isascii() and "=?" not in value and all(words) and max(map(len, words)) <= _WIDTH - len(header) - 2:
        return _folded(words, len(header) + 2)
    return encoded_words(value, len(header) + 2)


def _folded(words: list[str], used: int) -> str:
    lines: list[str] = []
    line = ""
    for word in words:
        if line and used + len(line) + 1 + len(word) > _WIDTH:
            lines.append(line)
            line, used = word, 1
        else:
            line = f"{line} {word}" if line else word
    return "\r\n ".join([*lines, line])


def encoded_words(value: str, used: int) -> str:
    """RFC 2047 encoded words in UTF-8, none split inside a character, no line over 76; `used` is the header's name."""
    # Q while it stays readable, B where most of it would be escapes.
    quoted = 3 * (len(value) - len(value.encode("ascii", "ignore"))) <= len(value)
    overhead = len("=?utf-8?q??=")
    words: list[str] = []
    word, size = "", 0
    for character in value:
        raw = character.encode()
        cost = sum(len(_QUOTED_PRINTABLE[byte]) for byte in raw) if quoted else len(raw)
        room = _WIDTH - overhead - (used if not words else 1)
        if word and size + cost > (room if quoted else room // 4 * 3):
            words.append(word)
            word, size = "", 0
        word += character
        size += cost
    words.append(word)
    return "\r\n ".join(_encoded_word(each, quoted) for each in words)


def _encoded_word(text: str, quoted: bool) -> str:
    raw = text.encode()
    if quoted:
        return "=?utf-8?q?" + "".join([_QUOTED_PRINTABLE[byte] for byte in raw]) + "?="
    return "=?utf-8?b?" + b64encode(raw).decode() + "?="
