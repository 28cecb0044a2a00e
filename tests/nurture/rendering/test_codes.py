"""Every code that an e-mail's check can say stands in the page for those who write e-mails."""

from __future__ import annotations

import re

from nurture.rendering.filters import FILTERS
from nurture.rendering.mjml import TAGS
from tests.nurture.rendering.samples import TEMPLATES

ROOT = TEMPLATES.parent
SOURCES = [*(ROOT / "nurture" / "rendering").glob("*.py"), ROOT / "nurture" / "definitions" / "emails.py"]
CODE = re.compile(
    r'"((?:template|unknown|field|filter|html|mjml|css|marketing|subject|preheader|image|link|text|email)-[a-z-]+)"'
)
NO_CODES = {"text-align", "link-local"}


def test_every_code_of_an_e_mail_is_explained_and_none_is_explained_that_nobody_says():
    said = {code for path in SOURCES for code in CODE.findall(path.read_text(encoding="utf-8"))} - NO_CODES
    page = (ROOT / "docs" / "emails.md").read_text(encoding="utf-8")
    table = page.partition("## What the check says")[2]
    explained = {
        code for row in re.findall(r"^\| (`[^|]*) \|", table, re.MULTILINE) for code in re.findall(r"`([^`]+)`", row)
    }
    assert explained == said
    assert len(said) > 40


def test_every_filter_and_every_mjml_tag_stands_in_the_documents():
    filters = (ROOT / "docs" / "definitions.md").read_text(encoding="utf-8").partition("and these filters:")[2]
    listed = set(re.findall(r"`(\w+)`", filters.partition(".")[0]))
    assert listed == set(FILTERS) - {"e"}
    page = (ROOT / "docs" / "emails.md").read_text(encoding="utf-8")
    assert {tag for tag in TAGS if f"`{tag}`" not in page} == set()
