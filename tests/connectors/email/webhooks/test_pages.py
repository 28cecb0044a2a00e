"""The pages: each provider's words stand there with what they become, as the code has it."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

import pytest

from connectors.email.webhooks import PROVIDERS
from connectors.email.webhooks.base import FactKind, Meaning

DOCS = Path(__file__).resolve().parents[4] / "docs" / "connectors"
ROW = re.compile(r"^\| `([^`]+)` \| `(\w+)`(, by a machine)? \| (yes|no)? ?\|$", re.MULTILINE)
HARD = {"yes": True, "no": False, "": None}


def receiving(provider: str) -> str:
    """The part of a page that this is about."""
    page = (DOCS / f"{provider}.md").read_text(encoding="utf-8")
    return re.split(r"^## ", page.partition("## Receiving\n")[2], maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_the_table_of_a_page_is_the_one_of_the_code(provider):
    words = importlib.import_module(f"connectors.email.webhooks.{provider}").WORDS
    shown = {
        word: Meaning(FactKind(kind), HARD[hard], bool(machine))
        for word, kind, machine, hard in ROW.findall(receiving(provider))
    }
    assert shown == words


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_page_says_the_address_the_variable_and_what_to_switch_on(provider):
    text = receiving(provider)
    assert f"`<base_url>/hooks/{provider}`" in text
    assert f"`RIPEN_HOOKS__{provider.upper()}`" in text
    assert "| switch on | " in text
    assert "stays shut" in " ".join(text.split())


def test_every_reason_of_a_refusal_stands_in_the_readme():
    folder = DOCS.parents[1] / "connectors" / "email"
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (folder / "webhooks").glob("*.py"))
    reasons = set(re.findall(r'Refused(?:Row|Fact)\(\s*"([a-z-]+)"', sources))
    page = (folder / "README.md").read_text(encoding="utf-8")
    assert len(reasons) == 9
    assert {reason for reason in reasons if f"`{reason}`" not in page} == set()
