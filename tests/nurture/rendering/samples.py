"""E-mails and leads that the tests of rendering share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nurture.definitions.emails import EmailParts, EmailSource, email_from_files

TEMPLATES = Path(__file__).resolve().parents[3] / "templates"
UNSUBSCRIBE = "https://example.com/u/0123456789abcdef?a=1&b=2"
ADDRESS = ("Harbour Street 1", "2100 Copenhagen")


def certain() -> dict[str, Any]:
    """The context that every lead has, also one of whom nothing is known."""
    return {
        "sender": {"name": "Anna Berg"},
        "project": {
            "name": "Example Works",
            "url": "https://example.com",
            "postal_address": "\n".join(ADDRESS),
        },
        "links": {
            "unsubscribe": UNSUBSCRIBE,
            "preferences": "https://example.com/p/0123456789abcdef",
            "view": "https://example.com/v/0123456789abcdef",
            "confirm": "https://example.com/c/0123456789abcdef",
            "website": "https://example.com",
        },
    }


# Letters and signs that every part has to bring across.
READER = {
    "first_name": "Søren",
    "last_name": "Ærø",
    "name": "Søren Ærø",
    "company": "Smede & <Sønner>",
    "country": "DK",
    "city": "Århus",
    "job_title": "Indkøber",
}


def full() -> dict[str, Any]:
    """The context of a lead of whom everything is known."""
    return certain() | {
        "lead": {**READER, "interest_topic": "production planning", "language": "da"},
        "account": {"name": "Smede & Sønner A/S"},
        "sender": {"name": "Anna Berg", "title": "Adviser", "phone": "+45 70 10 20 30"},
        "event": {
            "title": "Planning without panic",
            "starts_at": "2026-03-05T10:00:00+01:00",
            "url": "https://example.com/w/1",
        },
    }


def email(text: str = "Hi", **more: Any) -> EmailSource:
    """A transactional e-mail in English with this text; `more` are other parts, or fields of the e-mail."""
    parts = {"subject": "Hello"} | ({} if "mjml" in more else {"html": "<p>Hi</p>"})
    parts |= {name: more.pop(name) for name in ("subject", "html", "mjml", "preheader") if name in more}
    return EmailSource(
        **{"name": "hello", "topic": "nurture", "kind": "transactional"}
        | {"locales": {"en": EmailParts(text=text, **parts)}}
        | more
    )


def shipped() -> dict[str, EmailSource]:
    """The e-mails of the shipped templates, by name."""
    folder = TEMPLATES / "emails"
    layouts = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("_layout.*")}
    partials = {f"_partials/{path.name}": path.read_text(encoding="utf-8") for path in folder.glob("_partials/*")}
    return {
        each.name: email_from_files(
            each.name,
            {
                path.relative_to(each).as_posix(): path.read_text(encoding="utf-8")
                for path in each.rglob("*")
                if path.is_file()
            },
            layouts,
            partials,
        )
        for each in sorted(folder.iterdir())
        if each.is_dir() and each.name != "_partials"
    }
