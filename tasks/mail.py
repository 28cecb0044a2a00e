"""Compose one message from its ledger row: context of plain data, rendering, what measures it, MIME, signature."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from nurture.definitions.bundle import Bundle
from nurture.errors import DefinitionError, RenderRefused
from nurture.rendering.dkim import DkimSigner, dkim_signer
from nurture.rendering.mime import MailPlan, build_mime, verify_mime
from nurture.rendering.render import RenderedEmail, Renderer
from nurture.rendering.tracking import LinkedPage, with_pixel, with_trap
from nurture.tokens import CLICK, OPEN, PREFERENCES, TRAP, UNSUBSCRIBE, VIEW, seal, sign
from tasks.confirm import confirm_link
from tasks.settings import Settings

_LEAD_FIELDS = ("first_name", "last_name", "name", "company", "country", "city", "job_title", "language")
# Our own addresses in a mail: who follows them acts, and is not counted as a reader of anything.
_OURS = ("unsubscribe", "preferences", "view", "confirm")


@dataclass(frozen=True, slots=True)
class Mail:
    """A message ready to be handed over."""

    message_id: int
    lead_id: int
    key: str
    sender: str
    recipient: str
    subject: str
    locale: str
    raw: bytes
    attempts: int
    plan: MailPlan
    tags: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A rendered message whose links still lead straight to their goals; `links` are those that are to be counted."""

    row: Mapping[str, Any]
    key: str
    rendered: RenderedEmail
    context: Mapping[str, Any]
    page: LinkedPage
    links: tuple[str, ...]
    pixel: bool

    def is_own(self, url: str) -> bool:
        """Whether an address comes from this lead's data; of the fields that a link may take only `event.url` does."""
        event = str(self.context["event"]["url"] or "").strip()
        return bool(event) and event in url


class Letters(Protocol):
    """What is written from: the definitions, and the renderer of their e-mails."""

    @property
    def bundle(self) -> Bundle:
        """The definitions."""

    @property
    def renderer(self) -> Renderer:
        """The renderer of their e-mails."""


class Composer:
    """Writes the messages of one run: first the draft, then, when its links have numbers, the message."""

    def __init__(self, settings: Settings, compiled: Letters, now: datetime, *, takes_raw: bool = True) -> None:
        self.settings = settings
        self.compiled = compiled
        self.now = now
        self._base = settings.web.base_url.rstrip("/")
        self._secret = settings.secret_bytes()
        # A message that the provider builds anew is signed by the provider.
        self._signer = signer_of(settings) if takes_raw else None
        self._read_back: set[str] = set()

    def draft(self, row: Mapping[str, Any], key: str) -> Draft:
        """Render the message; raises SkipThis (MissingField, RenderRefused, HeaderInjection) for this lead."""
        context = mail_context(row, self.compiled.bundle, key, self.settings)
        try:
            rendered = self.compiled.renderer.render(
                row["email"],
                row["language"] or self.settings.project.language,
                context,
                row.get("time_zone") or self.settings.project.time_zone,
            )
        except DefinitionError as error:
            # The template is broken for everybody; each message keeps its place until it is mended.
            raise RenderRefused(str(error)) from None
        clicks, opens = self._measured(row)
        page = LinkedPage(rendered.html, ours_of(context))
        return Draft(row, key, rendered, context, page, page.counted if clicks else (), opens)

    def _measured(self, row: Mapping[str, Any]) -> tuple[bool, bool]:
        """Whether clicks and opens of this message are counted: everywhere, for its topic, and for its lead."""
        topic = self.compiled.bundle.catalogue.topics.get(row["topic"])
        tracking = self.settings.tracking
        if topic is None or row.get("not_measured"):
            return False, False
        return tracking.clicks and topic.track_clicks, tracking.opens and topic.track_opens

    def finish(self, draft: Draft, numbers: Mapping[str, int]) -> Mail:
        """Build the message with its counted links; raises SkipThis when a value is unfit for a header."""
        row, rendered = draft.row, draft.rendered
        plan = self._plan(draft, self._html(draft, numbers))
        raw = build_mime(plan)
        if draft.row["email"] not in self._read_back:
            # Slow, so once for each e-mail and run: a reader of another make sees what was planned.
            verify_mime(plan, raw)
            self._read_back.add(draft.row["email"])
        if self._signer is not None:
            raw = self._signer.sign(raw, plan.date)
        return Mail(
            message_id=int(row["id"]),
            lead_id=int(row["lead_id"]),
            key=draft.key,
            sender=_keyed_address(self.settings.email.bounce_address, draft.key) or plan.from_address,
            recipient=row["address"],
            subject=rendered.subject,
            locale=rendered.locale,
            raw=raw,
            attempts=int(row["attempts"]),
            plan=plan,
            tags=(row["sequence"], row["email"]),
        )

    def page(self, draft: Draft, numbers: Mapping[str, int]) -> str:
        """The HTML with its counted links alone, as a page may show it; a link without a number leads straight on."""

        counted = set(draft.links) & numbers.keys()

        def place(url: str) -> str | None:
            if url not in counted:
                return None
            return f"{self._base}/c/{seal(self._secret, CLICK, draft.key, numbers[url])}"

        return draft.page.leading(place)

    def _html(self, draft: Draft, numbers: Mapping[str, int]) -> str:
        html = self.page(draft, numbers)
        if draft.links:
            html = with_trap(html, f"{self._base}/c/{seal(self._secret, TRAP, draft.key)}")
        if draft.pixel:
            html = with_pixel(html, f"{self._base}/o/{seal(self._secret, OPEN, draft.key)}")
        return html

    def _plan(self, draft: Draft, html: str) -> MailPlan:
        row, rendered, sender = draft.row, draft.rendered, self.settings.sender
        mailto = _keyed_address(self.settings.email.unsubscribe_address, draft.key)
        return MailPlan(
            message_id=f"<{draft.key}@{sender.address.rpartition('@')[2]}>",
            message_key=draft.key,
            from_name=self.compiled.bundle.emails[row["email"]].from_name or sender.name,
            from_address=sender.address,
            to_name=row["name"] or " ".join(part for part in (row["first_name"], row["last_name"]) if part),
            to_address=row["address"],
            reply_to=sender.reply_to,
            subject=rendered.subject,
            text=rendered.text,
            html=html,
            date=self.now,
            list_unsubscribe_url=draft.context["links"]["unsubscribe"] if row["marketing"] else None,
            list_unsubscribe_mailto=f"mailto:{mailto}?subject=unsubscribe" if mailto and row["marketing"] else None,
            feedback_id=f"{row['sequence']}:{row['step_id']}:{row['topic']}:ripen",
        )


def signer_of(settings: Settings) -> DkimSigner | None:
    """The signer of our own signatures, None when the settings give no key; raises BadSetting."""
    email = settings.email
    if email.dkim_key is None:
        return None
    domain = email.dkim_domain or settings.sender.address.rpartition("@")[2]
    return dkim_signer(domain, email.dkim_selector, email.dkim_key.get_secret_value())


def ours_of(context: Mapping[str, Any]) -> Collection[str]:
    """The links of a mail that are our own doors."""
    links = context["links"]
    return {links[name] for name in _OURS if links.get(name)}


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
        "links": {**own_links(key, settings), **_confirm(row, bundle, key, settings), "website": settings.project.url},
        "event": {
            "title": attributes.get("event_title"),
            "url": attributes.get("event_url"),
            "starts_at": attributes.get("event_starts_at"),
        },
    }


def own_links(key: str, settings: Settings) -> dict[str, str]:
    """Signed, opaque links that name the message and nothing else."""
    secret, base = settings.secret_bytes(), settings.web.base_url.rstrip("/")
    return {
        "unsubscribe": f"{base}/u/{sign(secret, UNSUBSCRIBE, key)}",
        "preferences": f"{base}/p/{sign(secret, PREFERENCES, key)}",
        "view": f"{base}/v/{seal(secret, VIEW, key)}",
    }


def _confirm(row: Mapping[str, Any], bundle: Bundle, key: str, settings: Settings) -> dict[str, str]:
    """The link of an e-mail that asks for a confirmation; nothing for any other."""
    if row.get("email") not in bundle.emails or not bundle.emails[row["email"]].asks_to_confirm:
        return {}
    return {"confirm": confirm_link(settings.web.base_url, settings.secret_bytes(), key, row["topic"])}


def _keyed_address(address: str | None, key: str) -> str | None:
    """The address with the message's key after a plus, so that what comes back there says whose it is."""
    if not address:
        return None
    local, _, domain = address.rpartition("@")
    return f"{local}+{key}@{domain}"
