"""Sticky shares: who is held out and who gets which variant, by a hash of the sequence's key and the lead."""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, case, literal

from nurture.definitions.sequences import CONTROL, EmailStep, Sequence
from nurture.keys import SHARE_PARTS, SHARE_PRIME, share_seeds

_PERCENT = SHARE_PARTS / 100


def share(lead_id: ColumnElement[Any], purpose: str, *parts: str) -> ColumnElement[int]:
    """A SQL expression: where the lead falls, from 0 to 9,999; `nurture.keys.share_of` says the same."""
    factor, shift = share_seeds(purpose, *parts)
    place = (lead_id % SHARE_PRIME * factor + shift) % SHARE_PRIME
    return (place * place + shift) % SHARE_PRIME % SHARE_PARTS


def held_out(sequence: Sequence, lead_id: ColumnElement[Any]) -> ColumnElement[bool]:
    """Whether the lead belongs to the share of a sequence that gets nothing."""
    return share(lead_id, "holdout", sequence.sequence) < round((sequence.holdout or 0) * _PERCENT)


def variant_of(sequence: Sequence, step: EmailStep, lead_id: ColumnElement[Any]) -> tuple[Any, Any]:
    """The variant's name and e-mail of a step for the lead; without variants no name and the step's own e-mail."""
    if not step.variants:
        return None, literal(step.email)
    place = share(lead_id, "variant", sequence.sequence, step.test or "")
    names, emails, end = [], [], 0.0
    for variant in step.variants:
        end += variant.share
        names.append((place < round(end * _PERCENT), literal(variant.name)))
        emails.append((place < round(end * _PERCENT), literal(variant.email)))
    return case(*names, else_=literal(CONTROL)), case(*emails, else_=literal(step.email))
