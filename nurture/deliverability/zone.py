"""A sending domain as DNS shows it: MX, SPF, DKIM keys and DMARC, each name asked for once."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

from nurture.deliverability.dkim import KeyRecord, key_of, tags_of
from nurture.deliverability.domains import organisation_of
from nurture.deliverability.rules import Lookup
from nurture.deliverability.spf import Evaluation, evaluate, is_spf

_MAX_UP = 8  # RFC 9989 lets a receiver climb no further


@dataclass(frozen=True)
class Zone:
    """A domain as DNS shows it; every name is asked for once."""

    domain: str
    selectors: tuple[str, ...]
    ask: Lookup
    _known: dict[tuple[str, str], tuple[str, ...]] = field(default_factory=dict)

    def lookup(self, name: str, kind: str) -> tuple[str, ...]:
        """The records of a name and type; raises RetryLater when DNS does not answer."""
        asked = (name.lower(), kind)
        if asked not in self._known:
            self._known[asked] = tuple(self.ask(*asked))
        return self._known[asked]

    @cached_property
    def exchangers(self) -> list[tuple[int, str]]:
        """Preference and host of each MX record; the host of a null MX is empty."""
        pairs = [text.split() for text in self.lookup(self.domain, "MX")]
        return sorted((int(pair[0]), pair[1].rstrip(".")) for pair in pairs if len(pair) == 2 and pair[0].isdigit())

    def has_address(self, host: str) -> bool:
        """Whether a host has an address, of either kind."""
        return bool(self.lookup(host, "A") or self.lookup(host, "AAAA"))

    @cached_property
    def spf(self) -> list[str]:
        """The SPF records of the domain."""
        return [text for text in self.lookup(self.domain, "TXT") if is_spf(text)]

    @cached_property
    def evaluation(self) -> Evaluation:
        """What a receiver asks for the first SPF record."""
        return evaluate(self.domain, self.spf[0], self.lookup)

    @cached_property
    def keys(self) -> list[tuple[str, list[str]]]:
        """Each selector's name, and the key records there."""
        names = [f"{selector}._domainkey.{self.domain}" for selector in self.selectors]
        return [(name, [text for text in self.lookup(name, "TXT") if "p" in tags_of(text)]) for name in names]

    @property
    def read_keys(self) -> list[tuple[str, KeyRecord]]:
        """The first key of each selector that has one."""
        return [(name, key_of(records[0])) for name, records in self.keys if records]

    @cached_property
    def dmarc(self) -> tuple[str, list[str]]:
        """Where the DMARC policy stands that counts for the domain, and the records there."""
        labels = self.domain.split(".")
        for skip in range(min(len(labels) - 1, _MAX_UP)):
            name = "_dmarc." + ".".join(labels[skip:])
            found = [text for text in self.lookup(name, "TXT") if _is_dmarc(text)]
            if found:
                return name, found
        return f"_dmarc.{organisation_of(self.domain)}", []

    @property
    def policy(self) -> dict[str, str]:
        """The tags of the first DMARC record, by lower-case name."""
        return {name.lower(): value for name, value in tags_of(self.dmarc[1][0]).items()} if self.dmarc[1] else {}


def publish(name: str, record: str, kind: str = "TXT") -> str:
    """What to publish, as a zone file has it."""
    return f'publish: {name}. {kind} "{record}"' if kind == "TXT" else f"publish: {name}. {kind} {record}"


def _is_dmarc(text: str) -> bool:
    return text.split(";")[0].replace(" ", "").lower() == "v=dmarc1"
