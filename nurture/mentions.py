"""Whether a text or record speaks of a person, by the identifiers that the person is known by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import unquote_plus

from nurture.records import EMAIL, EXTERNAL, PHONE, Identity

# An identifier of a foreign system that is shorter says too little to be believed wherever it stands.
_TELLING = 6
# So many last digits of a phone number: without the country's part it is written in many ways.
_DIGITS = 8
_BETWEEN_DIGITS = r"[ ()./-]{0,2}"
_DEPTH = 40


class Mentions:
    """Recognises one person: addresses and phone numbers in any text, other identifiers as values of a record.

    Case, percent-encoding and the spacing of a phone number make no difference.
    """

    def __init__(
        self, identities: Iterable[Identity], addresses: Iterable[str] = (), phones: Iterable[str] = ()
    ) -> None:
        self.identities = frozenset(identities)
        mails = {each.value for each in self.identities if each.kind == EMAIL} | {each.strip() for each in addresses}
        numbers = {each.value for each in self.identities if each.kind == PHONE} | set(phones)
        parts = [rf"(?<![\w.+%-]){re.escape(each)}(?![\w-]|\.\w)" for each in sorted(mails) if each]
        parts += [part for number in sorted(numbers) if (part := _phone(number))]
        self._text = re.compile("|".join(parts), re.IGNORECASE) if parts else None
        others = {each for each in self.identities if each.kind not in (EMAIL, PHONE)}
        self._values = {each.value for each in others if len(each.value) >= _TELLING}
        self._of_source = {(each.kind.removeprefix(EXTERNAL), each.value) for each in others}

    @property
    def of_nobody(self) -> bool:
        """Whether nothing is known by which a text could name the person."""
        return self._text is None

    def in_text(self, text: str) -> bool:
        """Whether an address or a phone number of the person stands in the text."""
        if self._text is None:
            return False
        return bool(self._text.search(text)) or ("%" in text and bool(self._text.search(unquote_plus(text))))

    def in_record(self, record: Any, source: str) -> bool:
        """Whether any value of a record (plain data) is, or holds, an identifier of the person."""
        return any(self._is_one(value, source) for value in _values(record, _DEPTH))

    def _is_one(self, value: str, source: str) -> bool:
        return value in self._values or (source, value) in self._of_source or self.in_text(value)


def _phone(number: str) -> str | None:
    digits = re.sub(r"\D", "", number)[-_DIGITS:]
    if len(digits) < _TELLING:
        return None
    # Before a short number nothing may stand but its country's part.
    return rf"(?<!\d\d\d\d)(?:{_BETWEEN_DIGITS.join(digits)})(?!\d)"


def _values(record: Any, depth: int) -> Iterable[str]:
    """Every text and number of plain data, also the names of its keys."""
    if isinstance(record, Mapping):
        for key, value in record.items():
            yield str(key)
            if depth:
                yield from _values(value, depth - 1)
    elif isinstance(record, (list, tuple)):
        for value in record:
            if depth:
                yield from _values(value, depth - 1)
    elif record is not None and not isinstance(record, bool):
        yield str(record).strip()
