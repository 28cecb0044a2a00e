"""All rules about a message, in the order in which they are told."""

from __future__ import annotations

from nurture.deliverability import (
    body_rules,
    consent_rules,
    header_rules,
    link_rules,
    signature_rules,
    wire_rules,
)
from nurture.deliverability.letter import Letter, letter_of
from nurture.deliverability.rules import Check, Given, Rule, checks_of

MESSAGE_RULES: tuple[Rule[Letter], ...] = (
    *header_rules.RULES,
    *consent_rules.RULES,
    *signature_rules.RULES,
    *body_rules.RULES,
    *link_rules.RULES,
    *wire_rules.RULES,
)


def check_message(raw: bytes, given: Given) -> list[Check]:
    """Every rule that concerns the mail; raises BadInput when the bytes are no mail, RetryLater when DNS fails."""
    return checks_of(MESSAGE_RULES, letter_of(raw, given))
