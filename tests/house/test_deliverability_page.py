"""The page of deliverability rules: every rule stands in it as it is in the code, and no other does."""

from __future__ import annotations

import re

from nurture.deliverability.domain import DOMAIN_RULES
from nurture.deliverability.message import MESSAGE_RULES
from tests.house.project import ROOT

PAGE = (ROOT / "docs" / "deliverability.md").read_text(encoding="utf-8")
RULES = [*MESSAGE_RULES, *DOMAIN_RULES]


def test_every_rule_stands_on_the_page_with_its_severity_what_it_asks_for_and_the_remedy():
    rows = set(PAGE.splitlines())
    wanted = [f"| `{rule.name}` | {rule.severity} | {rule.asks} | {rule.remedy} |" for rule in RULES]
    assert [row for row in wanted if row not in rows] == []


def test_the_page_has_no_rule_that_is_not_there():
    named = re.findall(r"^\| `([\w-]+)` \| (?:must|should|info) \|", PAGE, re.MULTILINE)
    assert named == [rule.name for rule in RULES]


def test_no_two_rules_share_a_name():
    assert len({rule.name for rule in RULES}) == len(RULES)
