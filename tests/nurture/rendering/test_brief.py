"""The sales brief: everything known, nothing active, never stopped by a gap."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from nurture.errors import UnsafeTemplate
from nurture.rendering import BRIEF_FIELDS, render_markdown, template_problems
from nurture.rendering.brief import escape_markdown
from tests.nurture.rendering.samples import TEMPLATES

BRIEF = (TEMPLATES / "sales" / "brief.md").read_text(encoding="utf-8")
AT = datetime(2026, 3, 5, 9, 30, tzinfo=UTC)


def context(text: str = "x") -> dict[str, Any]:
    """A lead with something in every section; `text` stands in every field that people or systems write."""
    return {
        "lead": dict.fromkeys(("name", "company", "job_title", "country", "source", "phone", "email", "language"), text)
        | {"created_at": AT},
        "task": {"title": text, "reason": text, "owner": text, "priority": text, "due_at": AT, "opened_at": AT},
        "score": {
            "interest": 55.0,
            "fit": 12.5,
            "total": 67.5,
            "contributions": [{"rule": "demo", "label": text, "points": 50.0, "times": 1}],
        },
        "stage": {"name": "sql", "since": AT, "cause": text},
        "timeline": [{"at": AT, "type": "demo.requested", "label": text, "detail": text}],
        "content": [{"at": AT, "type": "content.ebook_downloaded", "label": text, "title": text}],
        "mails": [{"at": AT, "subject": text, "status": "accepted"}],
        "consent": [{"topic": "nurture", "status": "granted", "basis": "consent", "at": AT, "source": text}],
        "colleagues": [{"name": text, "job_title": text, "stage": "mql", "score": 20}],
        "next_step": text,
    }


def test_the_shipped_brief_has_no_problems():
    assert template_problems(BRIEF, "sales/brief.md", BRIEF_FIELDS) == []


def test_the_brief_holds_every_section_that_sales_needs_before_the_first_call():
    brief = render_markdown(BRIEF, context("asked for a demo"))
    for heading in ("Who", "Why now", "What they have read and taken", "Mails they received", "Timeline", "Consent"):
        assert f"\n## {heading}\n" in brief
    assert "**Suggested next step:** asked for a demo" in brief
    assert "Score **67.5** (interest 55, fit 12.5)" in brief
    assert "| 50 | asked for a demo | 1 |" in brief
    assert "- 2026-03-05 09:30 UTC: asked for a demo: asked for a demo" in brief
    assert "- 5 March 2026: asked for a demo (accepted)" in brief


def test_a_brief_about_a_lead_of_whom_little_is_known_says_so_and_is_still_written():
    brief = render_markdown(BRIEF, {"lead": {"name": "Anna Berg"}})
    assert brief.startswith("# Anna Berg\n")
    assert "| Phone | not known |" in brief
    assert "No points yet." in brief
    assert "Do not send marketing mail" in brief
    assert "Colleagues" not in brief


HOSTILE = [
    "<img src=x onerror=alert(1)>",
    "[click](https://evil.test)",
    "![x](https://evil.test/pixel.png)",
    "https://evil.test/x",
    "<https://evil.test>",
    "`code`",
    "**bold** _it_ ~~gone~~",
    "a | b | c",
    "line\n# heading\n- item\n\n```\ncode",
    "# heading",
    "- item",
    "1. item",
    "> quote",
    "&lt;script&gt;",
    "[x]: https://evil.test",
    "\\[x](y)",
    "{{ lead }} {% x %}",
]


def spoken(markdown: str) -> str:
    """The text that a reader sees on one line of rendered Markdown, or what else came of it."""
    tokens = MarkdownIt("gfm-like", {"linkify": False, "html": True}).parse(markdown)
    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"], markdown
    children = tokens[1].children or []
    assert {child.type for child in children} <= {"text", "text_special"}, markdown
    return "".join(child.content for child in children)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_value_shows_as_it_is_and_nothing_of_it_is_active(value):
    assert spoken(escape_markdown(value)) == " ".join(value.split())
    assert spoken("before " + escape_markdown(value)) == "before " + " ".join(value.split())


@given(st.text(min_size=1, max_size=60))
def test_whatever_a_value_holds_markdown_shows_it_as_it_is(value):
    one_line = " ".join(value.replace("\x00", "").split())
    if one_line:
        assert spoken("x" + escape_markdown(one_line) + "x") == f"x{one_line}x"


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_changes_nothing_in_the_brief_s_structure(value):
    def structure(brief: str) -> list[str]:
        parser = MarkdownIt("gfm-like", {"linkify": False, "html": True})
        return [token.type for token in parser.parse(brief)]

    assert structure(render_markdown(BRIEF, context(value))) == structure(
        render_markdown(BRIEF, context("plain words"))
    )
    assert "{{" not in render_markdown(BRIEF, context(value))


def test_a_brief_template_that_breaks_the_rules_is_refused_with_its_line():
    with pytest.raises(UnsafeTemplate, match=r"sales/brief\.md:2:1: error unknown-field: `lead` has no field `fone`"):
        render_markdown("x\n{{ lead.fone }}", {})


def test_an_object_in_the_brief_s_context_is_refused():
    with pytest.raises(TypeError, match="plain data"):
        render_markdown(BRIEF, {"lead": {"name": object()}})
