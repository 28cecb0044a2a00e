"""Values as they come, made comparable: addresses, phone numbers, company names, countries, instants, plain text.

What cannot be used is refused with RefusedRow, whose text names the trouble and never the value.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import phonenumbers
from email_validator import EmailNotValidError, validate_email

from nurture.countries import country_code
from nurture.errors import RefusedRow

LIMITS = {"email": 254, "phone": 40, "country": 80, "language": 16, "time_zone": 64}
FIELD_LIMIT = 300
ATTRIBUTE_LIMIT = 4_000
ID_LIMIT = 200
EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)
LATEST = datetime(2200, 1, 1, tzinfo=UTC)

_BREAKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
# Control characters (but tab and line breaks), and halves of a surrogate pair: no database takes them all.
_FORBIDDEN = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
# Nearly every address; whatever else is asked of the library, which takes 60 microseconds.
_PLAIN_ADDRESS = re.compile(
    r"[a-z0-9_+-]+(?:\.[a-z0-9_+-]+)*@(?:[a-z0-9]+(?:-[a-z0-9]+)*\.)+(?!arpa$|invalid$|local$|"
    r"localhost$|onion$)[a-z]{2,63}"
)
_LEGAL_WORDS = (
    "ab ag amba aps as asa bhd bv co company corp corporation dd doo ehf gmbh hf inc incorporated is ivs kft kg kk "
    "limited llc llp lp ltd mbh nv ohg oy oyj plc ps pte pty sa sarl sas se sl sp spa srl ug vof zoo zrt"
)
_LEGAL_FORMS = frozenset(_LEGAL_WORDS.split())
_LOOSE_TIME = re.compile(
    r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})[ T](\d{1,2}):(\d\d)(?::(\d\d)(?:[.,](\d{1,6})\d*)?)?"
    r"\s*(Z|UTC|GMT|[+-]\d\d:?\d\d)?",
    re.IGNORECASE,
)
# Digits of an epoch number, and how many of its units make a second.
_EPOCH_DIGITS = {9: 1, 10: 1, 12: 1_000, 13: 1_000, 15: 1_000_000, 16: 1_000_000}


class Address(NamedTuple):
    """An e-mail address: as it is written to, and as it is recognised."""

    given: str
    identity: str


def text(value: Any, what: str = "the value", limit: int = ATTRIBUTE_LIMIT, *, lines: bool = False) -> str:
    """Plain text in composed Unicode, without spaces around; line breaks become spaces unless `lines`."""
    words = value if isinstance(value, str) else str(value)
    if len(words) <= limit and words.isascii() and words.isprintable():
        return words.strip()
    if len(words) > limit * 4 or (len(words) > limit and len(words.strip()) > limit):
        raise RefusedRow("too-long", f"{what} is longer than {limit} characters")
    found = _FORBIDDEN.search(words)
    if found:
        kind = "a lone surrogate" if "\ud800" <= found[0] <= "\udfff" else "the control character"
        raise RefusedRow("control-character", f"{what} holds {kind} U+{ord(found[0]):04X}")
    words = unicodedata.normalize("NFC", words)
    return words.strip() if lines else " ".join(_BREAKS.sub(" ", words).split())


def email(value: Any) -> Address:
    """An address that could exist; the domain in lower case, and both parts so for recognition; no DNS is asked."""
    return _email(text(value, "the e-mail address", 1_000))


@lru_cache(maxsize=65_536)
def _email(given: str) -> Address:
    if len(given) > LIMITS["email"]:
        raise RefusedRow("bad-email", "the e-mail address is longer than 254 characters")
    local, at, domain = given.rpartition("@")
    low = given.lower()
    if at and len(local) <= 64 and len(domain) <= 253 and given.isascii() and _PLAIN_ADDRESS.fullmatch(low):
        return Address(f"{local}@{domain.lower()}", low)
    try:
        valid = validate_email(given, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError as error:
        raise RefusedRow("bad-email", f"the e-mail address cannot be right: {_plainly(error)}") from None
    return Address(valid.normalized, f"{valid.local_part.lower()}@{(valid.ascii_domain or valid.domain).lower()}")


def _plainly(error: Exception) -> str:
    sentence = str(error)
    return "it holds what an address never holds" if "@-sign:" in sentence or '"' in sentence else sentence.rstrip(".")


def phone(value: Any, country: str | None = None) -> str | None:
    """A phone number in the form +4512345678, or None when it cannot be read; `country` is for numbers without +."""
    return _phone(text(value, "the phone number", LIMITS["phone"] * 2), country)


@lru_cache(maxsize=65_536)
def _phone(given: str, country: str | None) -> str | None:
    try:
        number = phonenumbers.parse(given, country)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_possible_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


@lru_cache(maxsize=65_536)
def company_key(name: str) -> str:
    """What two ways of writing one company share: case folded, punctuation and legal forms dropped; empty for none."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    # `A/S` and `B.V.` are one word, `Smith-Jones` is two.
    joined = re.sub(r"(?<=\b\w)[./](?=\w\b)|(?<=\b\w)\.(?=\s|$|,)|['’]", "", folded)
    words = re.sub(r"[^\w&]+", " ", joined).split()
    while len(words) > 1 and words[-1] in _LEGAL_FORMS | {"&", "and", "und", "og"}:
        words.pop()
    return "" if len(words) == 1 and words[0] in _LEGAL_FORMS else " ".join(words)[:ID_LIMIT]


def country(value: Any) -> str:
    """The two letters of ISO 3166 where the country is known, else what was given."""
    given = text(value, "the country", LIMITS["country"])
    return _country(given) or given


@lru_cache(maxsize=4_096)
def _country(given: str) -> str | None:
    return country_code(given)


def time_zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name such as `Europe/Copenhagen`; raises ValueError."""
    try:
        return _zone(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"`{name}` is not a time zone; write it like `Europe/Copenhagen`") from None


@lru_cache(maxsize=1_024)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def instant(value: Any, zone: str = "UTC", pattern: str | None = None, unit: int | None = None) -> datetime:
    """An instant in UTC from ISO 8601, an epoch number or a `strptime` pattern.

    `zone` is for times without offset: one that daylight saving repeats is the first of the two. `unit` says how many
    units of an epoch number make a second; without it the number of digits tells.
    """
    found = value if isinstance(value, datetime) else _read_instant(value, pattern, unit)
    if found.tzinfo is None:
        found = found.replace(tzinfo=UTC if zone == "UTC" else time_zone(zone))
    if found.tzinfo is not UTC:
        found = found.astimezone(UTC)
    if not EARLIEST <= found < LATEST:
        raise RefusedRow("bad-instant", f"the date lies in the year {found.year}: an empty date, or another unit")
    return found


def _read_instant(value: Any, pattern: str | None, unit: int | None) -> datetime:
    try:
        if not isinstance(value, str) and isinstance(value, (int, float)) and not isinstance(value, bool):
            return _epoch(str(value), unit)
        given = text(value, "the date", 80)
        if pattern:
            return datetime.strptime(given, pattern)  # noqa: DTZ007 - the zone follows
        if unit or (given.isdigit() and len(given) != 8):
            return _epoch(given, unit)
        try:
            return datetime.fromisoformat(given)
        except ValueError:
            return _loose(given)
    except (ValueError, OverflowError, OSError):
        wanted = f"written as `{pattern}`" if pattern else "like 2026-03-01T12:00:00+01:00"
        raise RefusedRow("bad-instant", f"the date cannot be read; it is expected {wanted}") from None


def _epoch(given: str, unit: int | None) -> datetime:
    whole, _, _fraction = given.partition(".")
    per_second = unit or _EPOCH_DIGITS.get(len(whole), 0)
    if not per_second:
        raise ValueError("an unusual number of digits")
    if whole == given:
        seconds, rest = divmod(int(given), per_second)
        return datetime.fromtimestamp(seconds, UTC).replace(microsecond=rest * 1_000_000 // per_second)
    return datetime.fromtimestamp(float(given) / per_second, UTC)


def _loose(given: str) -> datetime:
    """What exports write beside ISO 8601: one-digit hours, slashes, `UTC` at the end."""
    found = _LOOSE_TIME.fullmatch(given)
    if found is None:
        raise ValueError("no date")
    year, month, day, hour, minute, second, fraction, offset = found.groups()
    clock = f"{year}-{int(month):02}-{int(day):02}T{int(hour):02}:{minute}:{second or '00'}.{(fraction or '0'):0<6}"
    words = (offset or "").upper()
    return datetime.fromisoformat(clock + ("+00:00" if words in ("Z", "UTC", "GMT") else words))


_DEEPEST = 40
_WHOLE_NUMBERS = range(-(2**63), 2**63)


def storable(value: Any, depth: int = 0) -> Any:
    """JSON as both databases store it: what none of them takes in a text becomes a replacement character.

    Numbers beyond 64 bits become texts, and what is nested deeper than forty times is cut off.
    """
    if isinstance(value, str):
        return _FORBIDDEN.sub("\ufffd", value)
    if isinstance(value, int) and value not in _WHOLE_NUMBERS:
        return str(value)
    if isinstance(value, Mapping | list | tuple) and depth >= _DEEPEST:
        return "..."
    if isinstance(value, Mapping):
        return {storable(str(key)): storable(each, depth + 1) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [storable(each, depth + 1) for each in value]
    return value
