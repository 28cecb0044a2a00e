"""Every shipped e-mail as it leaves: composed, counted, with trap and pixel, signed with a key of the tests."""

from __future__ import annotations

from dataclasses import dataclass
from email import message_from_bytes, policy
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from db.definitions import Live
from nurture.check import check_documents
from nurture.keys import message_key
from tasks.definition_files import load_tree
from tasks.mail import Composer
from tasks.plans import Plans
from tasks.settings import EmailSettings, ProjectSettings, SenderSettings, Settings, WebSettings
from tests.nurture.rendering.samples import READER
from tests.soak.tools import ROOT
from tests.world import SECRET, START

_NOTHING_KNOWN = dict.fromkeys((*READER, "time_zone", "account_name"))
_LEADS: dict[str, dict[str, Any]] = {
    "full": {
        **READER,
        "time_zone": "Europe/Copenhagen",
        "account_name": "Smede & Sønner A/S",
        "attributes": {
            "interest_topic": "production planning",
            "event_title": "Planning without panic",
            "event_starts_at": "2026-03-05T10:00:00+01:00",
            "event_url": "https://www.example.com/w/1?from=mail&lang=en",
        },
    },
    "minimal": {**_NOTHING_KNOWN, "attributes": {}},
}


@dataclass(frozen=True)
class Letter:
    """One message; `lead` says how much is known of its reader."""

    email: str
    locale: str
    lead: str
    key: str
    raw: bytes

    @property
    def name(self) -> str:
        """What tells it from the others."""
        return f"{self.email}-{self.locale}-{self.lead}"

    @property
    def html(self) -> str:
        """Its page, as a mail program takes it out of the message."""
        body = message_from_bytes(self.raw, policy=policy.SMTP).get_body(("html",))
        assert body is not None
        return body.get_content()


def sample_settings() -> Settings:
    """A business with a domain of its own that signs."""
    pem = generate_private_key(65537, 2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Settings(
        secret=SECRET,
        project=ProjectSettings(name="Example Works", postal_address="Harbour Street 1\n2100 Copenhagen"),
        sender=SenderSettings(name="Anna Berg", address="anna@example.com", title="Adviser", phone="+45 70 10 20 30"),
        web=WebSettings(base_url="https://mail.example.com"),
        email=EmailSettings(dkim_selector="s1", dkim_key=pem.decode(), unsubscribe_address="leave@example.com"),
    )


@cache
def letters() -> tuple[Letter, ...]:
    """All of them, in order: each e-mail in each of its languages, to somebody well known and to a stranger."""
    documents = dict(check_documents(load_tree(ROOT / "templates")).documents)
    events = documents["events"]
    # Opens are counted only where a topic asks for it; here each does, so that every mail bears all that it can.
    topics = {name: {**topic, "track_opens": True} for name, topic in events["topics"].items()}
    plans = Plans(Live(1, "", "b2b", START, {**documents, "events": {**events, "topics": topics}}, {}))
    composer = Composer(sample_settings(), plans, START)
    return tuple(
        _composed(composer, email, locale, lead)
        for email, source in plans.bundle.emails.items()
        for locale in source.locales
        for lead in _LEADS
    )


def names() -> list[str]:
    """The names of all of them, for which none is composed."""
    folders = sorted(path.parent for path in (ROOT / "templates" / "emails").glob("*/email.yaml"))
    return [
        f"{folder.name}-{locale}-{lead}"
        for folder in folders
        for locale in ("en", *sorted(each.name for each in folder.iterdir() if each.is_dir()))
        for lead in _LEADS
    ]


def letter(name: str) -> Letter:
    """One of them by its name."""
    return next(each for each in letters() if each.name == name)


def _composed(composer: Composer, email: str, locale: str, lead: str) -> Letter:
    source = composer.compiled.bundle.emails[email]
    row = {
        **_LEADS[lead],
        "id": 1,
        "lead_id": 1,
        "attempts": 0,
        "address": "soren@example.net",
        "language": locale,
        "email": email,
        "topic": source.topic,
        "marketing": source.kind == "marketing",
        "sequence": "white-paper-nurture",
        "step_id": email,
    }
    draft = composer.draft(row, message_key(SECRET.encode(), 1, f"{email} {locale} {lead}"))
    assert draft.pixel
    mail = composer.finish(draft, {url: number for number, url in enumerate(draft.links, 1)})
    return Letter(email, locale, lead, mail.key, mail.raw)
