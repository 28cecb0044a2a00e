"""Compose one message from its ledger row: context of plain data, rendering, MIME."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from nurture.definitions.bundle import Bundle
from nurture.errors import DefinitionError, RenderRefused
from nurture.rendering.mime import MailPlan, build_mime
from nurture.tokens import sign
from tasks.confirm import confirm_link
from tasks.context import Compiled
from tasks.settings import Settings

_LEAD_FIELDS = ("first_name", "last_name", "name", "company", "country", "city", "job_title", "language")


@dataclass(frozen=True, slots=True)
class Mail:
    """A message ready to be handed over."""

    message_id: int
    key: str
    sender: str
    recipient: str
    subject: str
    locale: str
    raw: bytes
    attempts: int


def compose(row: Mapping[str, Any], key: str, settings: Settings, compiled: Compiled, now: datetime) -> Mail:
    """Render and build the message; raises SkipThis (MissingField, RenderRefused, HeaderInjection) for this lead."""
    context = mail_context(row, compiled.bundle, key, settings)
    try:
        rendered = compiled.renderer.render(
            row["email"],
            row["language"] or settings.project.language,
            context,
        )
    except DefinitionError as error:
        # The template is broken for everybody; each message keeps its place until it is mended.
        raise RenderRefused(str(error)) from None
    sender = settings.sender
    domain = sender.address.rpartition("@")[2]
    raw = build_mime(
        MailPlan(
            message_id=f"<{key}@{domain}>",
            message_key=key,
            from_name=compiled.bundle.emails[row["email"]].from_name or sender.name,
            from_address=sender.address,
            to_name=row["name"] or " ".join(part for part in (row["first_name"], row["last_name"]) if part),
            to_address=row["address"],
            reply_to=sender.reply_to,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            date=now,
            list_unsubscribe_url=context["links"]["unsubscribe"] if row["marketing"] else None,
            feedback_id=f"{row['sequence']}:{row['step_id']}:ripen",
        )
    )
    return Mail(
        int(row["id"]),
        key,
        sender.address,
        row["address"],
        rendered.subject,
        rendered.locale,
        raw,
        int(row["attempts"]),
    )


def mail_context(row: Mapping[str, Any], bundle: Bundle, key: str, settings: Settings) -> dict[str, Any]:
    """The plain data that an e-mail may show; nothing else of the lead reaches a template."""
    attributes = row["attributes"] or {}
    return {
        "lead": {
            **{name: attributes.get(name) for name in (*bundle.catalogue.fields, "interest_topic")},
            **{name: row[name] for name in _LEAD_FIELDS},
        },
        "account": {"name": row["account_name"]},
        "sender": {
            "name": settings.sender.name,
            "title": settings.sender.title or None,
            "phone": settings.sender.phone or None,
        },
        "project": {
            "name": settings.project.name,
            "url": settings.project.url,
            "postal_address": settings.project.postal_address,
        },
        "links": {
            **unsubscribe_links(key, settings),
            **confirm_links(row, bundle, key, settings),
            "website": settings.project.url,
        },
        "event": {
            "title": attributes.get("event_title"),
            "url": attributes.get("event_url"),
            "starts_at": attributes.get("event_starts_at"),
        },
    }


def unsubscribe_links(key: str, settings: Settings) -> dict[str, str]:
    """Signed, opaque links that name the message and nothing else."""
    token = sign(settings.secret_bytes(), "unsubscribe", key)
    page = f"{settings.web.base_url.rstrip('/')}/u/{token}"
    return {"unsubscribe": page, "preferences": page}


def confirm_links(row: Mapping[str, Any], bundle: Bundle, key: str, settings: Settings) -> dict[str, str]:
    """The link of an e-mail that asks for a confirmation; nothing for any other."""
    if row["email"] not in bundle.emails or not bundle.emails[row["email"]].asks_to_confirm:
        return {}
    return {"confirm": confirm_link(settings.web.base_url, settings.secret_bytes(), key, row["topic"])}
