"""SPF (RFC 7208): the record read term by term, and what receivers have to ask to evaluate it."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from nurture.deliverability.domains import ascii_domain
from nurture.deliverability.rules import Lookup

MAX_LOOKUPS = 10
MAX_VOID = 2
_GIVE_UP = 40  # look-ups; by then it is clear
_TERM = re.compile(r"([+?~-]?)([A-Za-z][A-Za-z0-9_.-]*)(?:([:=/])(.*))?")
_ASKING = ("include", "a", "mx", "ptr", "exists")
_ASKED = {"a": ("A", "AAAA"), "exists": ("A",), "mx": ("MX",)}
_MECHANISMS = (*_ASKING, "all", "ip4", "ip6")


@dataclass(frozen=True, slots=True)
class Term:
    """One term: its qualifier, its name and what stands after `:` or `=`."""

    qualifier: str
    name: str
    value: str
    modifier: bool


@dataclass
class Evaluation:
    """What a receiver has to ask: look-ups, those without answer, and what makes it give up."""

    lookups: int = 0
    void: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)


def is_spf(text: str) -> bool:
    """Whether a TXT record is one of SPF."""
    return text.lower() == "v=spf1" or text.lower().startswith("v=spf1 ")


def terms_of(record: str) -> tuple[list[Term], list[str]]:
    """The terms of a record in their order, and those that are none."""
    terms: list[Term] = []
    wrong: list[str] = []
    for word in record.split()[1:]:
        found = _TERM.fullmatch(word)
        term = Term(found[1] or "+", found[2].lower(), _value_of(found), found[3] == "=") if found else None
        if term is None or not _is_sound(term, word):
            wrong.append(word)
        else:
            terms.append(term)
    return terms, wrong


def _value_of(found: re.Match[str]) -> str:
    """What follows `:` or `=`; a prefix length alone, as in `a/24`, names no domain."""
    return (found[4] or "") if found[3] != "/" else ""


def _is_sound(term: Term, word: str) -> bool:
    if term.modifier:
        return word[0] not in "+-?~" and (term.name not in ("redirect", "exp") or bool(term.value))
    if term.name not in _MECHANISMS:
        return False
    if term.name == "all":
        return not term.value and not word.endswith((":", "/"))
    if term.name in ("include", "exists"):
        return bool(term.value)
    if term.name in ("ip4", "ip6"):
        try:
            network = ipaddress.ip_network(term.value, strict=False)
        except ValueError:
            return False
        return network.version == int(term.name[2])
    return True


def evaluate(domain: str, record: str, lookup: Lookup) -> Evaluation:
    """Ask what a receiver would ask, at worst, and count it."""
    found = Evaluation()
    _walk(domain, record, lookup, found, (domain,))
    return found


def _walk(domain: str, record: str, lookup: Lookup, found: Evaluation, path: tuple[str, ...]) -> None:
    terms, wrong = terms_of(record)
    found.broken += [f"`{word}` in the record of {domain}" for word in wrong]
    everything = any(term.name == "all" and not term.modifier for term in terms)
    for term in terms:
        if found.lookups >= _GIVE_UP:
            return
        follows = term.name == "redirect" and term.modifier and not everything
        if not follows and (term.modifier or term.name not in _ASKING):
            continue
        found.lookups += 1
        target = ascii_domain(term.value.partition("/")[0]) if term.value.partition("/")[0] else domain
        if "%{" in term.value or not target or term.name == "ptr":
            continue  # depends on the mail: counted, not followed
        if term.name in ("include", "redirect"):
            _follow(target, lookup, found, path)
        elif not any(lookup(target, kind) for kind in _ASKED[term.name]):
            found.void.append(target)


def _follow(target: str, lookup: Lookup, found: Evaluation, path: tuple[str, ...]) -> None:
    if target in path:
        found.broken.append(f"{target} includes itself")
        return
    records = [text for text in lookup(target, "TXT") if is_spf(text)]
    if len(records) != 1:
        found.broken.append(f"{target} has {len(records)} SPF records")
        return
    _walk(target, records[0], lookup, found, (*path, target))


def ending(terms: Sequence[Term]) -> str:
    """What the record says of everybody else: `-all`, `~all`, `?all`, `+all`, `redirect`, or `nothing`."""
    for term in terms:
        if term.name == "all" and not term.modifier:
            return f"{term.qualifier}all"
    return "redirect" if any(term.modifier and term.name == "redirect" for term in terms) else "nothing"
