"""The scores at which something changes: a fading score is looked at again when it comes to one of them, not before."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pydantic import BaseModel

from nurture.conditions import AccountScoreIs, ScoreTest
from nurture.definitions.bundle import Bundle
from nurture.definitions.sequences import Sequence

# Reports show total scores in tens, so each ten is a line of its own.
BIN = 10


class Line(NamedTuple):
    """So many points of `interest`, `fit` or `total`."""

    dimension: str
    points: float


@dataclass(frozen=True)
class Lines:
    """What the definitions compare scores with, and whether they ask for the sums of accounts."""

    of_leads: frozenset[Line]
    of_accounts: bool

    def __sub__(self, other: Lines) -> Lines:
        """The lines that the other did not have."""
        return Lines(self.of_leads - other.of_leads, self.of_accounts and not other.of_accounts)

    def __bool__(self) -> bool:
        return bool(self.of_leads) or self.of_accounts


def lines_of(bundle: Bundle, in_flight: Iterable[Sequence] = ()) -> Lines:
    """Every number that a score is compared with: thresholds, and conditions wherever they stand.

    `in_flight` are older versions of sequences that leads are still in.
    """
    thresholds = bundle.rules.thresholds
    leads = {Line(thresholds.score, float(each)) for each in (thresholds.mql, thresholds.sql) if each is not None}
    accounts = False
    for part in _parts([bundle.lifecycle, bundle.audiences, bundle.sequences, bundle.emails, list(in_flight)]):
        if isinstance(part, AccountScoreIs):
            accounts = True
        elif isinstance(part, ScoreTest):
            leads |= {Line(part.dimension, each) for each in (part.at_least, part.below) if each is not None}
    return Lines(frozenset(leads), accounts)


def _parts(value: Any) -> Iterator[Any]:
    """Every definition inside a definition; what is said of an account is a whole."""
    if isinstance(value, BaseModel):
        yield value
        value = {} if isinstance(value, AccountScoreIs) else dict(value)
    if isinstance(value, Mapping):
        for part in value.values():
            yield from _parts(part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _parts(part)
