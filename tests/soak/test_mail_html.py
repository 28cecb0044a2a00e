"""Every shipped e-mail before the Nu HTML Checker (the W3C's validator)."""

from __future__ import annotations

import re

import pytest

from tests.soak.checker import Finding, findings
from tests.soak.letters import letters

# One check of all letters at once: each start of Java costs seconds.
pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("html")]
# What the checker calls an error and mail cannot do without, in pages made of MJML alone: each with its reason.
ALLOWED = {
    r"^CSS: “mso-(table-[lr]space|padding-alt)”: Property .* doesn't exist": "Outlook's own; others skip them",
    r"^Attribute “xmlns:[vo]” not allowed here": "Outlook draws rounded buttons and backgrounds by these names",
    r"^Attribute “vertical-align” not allowed on element “td”": "written by mrml; it does nothing and harms nothing",
    r"^CSS: “supported-color-schemes”: Property .* doesn't exist": "older Apple Mail turns to dark mode by it",
}


@pytest.fixture(scope="module")
def found() -> list[Finding]:
    """What the checker calls an error in any letter; its warnings are about habits of the web."""
    return [each for each in findings({each.name: each.html for each in letters()}) if each.kind == "error"]


def test_every_letter_is_valid_html(found):
    assert [each for each in found if not any(re.search(allowed, each.message) for allowed in ALLOWED)] == []


def test_a_page_by_hand_needs_no_exception(found):
    by_hand = {each.name for each in letters() if "mso-" not in each.html}
    assert len(by_hand) > 40
    assert [each for each in found if each.page in by_hand] == []


def test_no_exception_outlives_its_cause(found):
    assert [allowed for allowed in ALLOWED if not any(re.search(allowed, each.message) for each in found)] == []


def test_the_checker_finds_what_is_wrong():
    wrong = '<!doctype html><html lang="en"><head><title>x</title></head><body><img src="a"></p></body></html>'
    assert [each.page for each in findings({"wrong": wrong})] == ["wrong", "wrong"]
