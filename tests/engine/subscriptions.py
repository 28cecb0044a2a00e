"""A small business with a newsletter that asks to be confirmed, and words for what its readers do."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta

from nurture.keys import email_hash
from nurture.records import Consent, Identity, LeadRecord
from nurture.tokens import PREFERENCES, sign
from tasks.audit import examine
from tests.world import DOCUMENTS, SECRET

SECRET_BYTES = SECRET.encode()
DAY = timedelta(days=1)
WORDING = "Yes, send me the letter."


def business(**topics):
    """The small business with a newsletter, and sequences that send and confirm it."""
    documents = deepcopy(DOCUMENTS)
    named = documents["events"]["topics"]
    named["letter"] = {"label": "Letter", "wording": WORDING, "double_opt_in": True}
    named["measuring"] = {"label": "Measuring", "channel": "tracking"}
    for name, changed in topics.items():
        named[name] = {**named[name], **changed}
    ask = deepcopy(documents["emails/thanks"]) | {"name": "ask", "topic": "letter", "kind": "transactional"}
    ask["locales"]["en"] |= {"text": "{{ links.confirm }}\n", "html": '<a href="{{ links.confirm }}">Yes</a>'}
    documents["emails/ask"] = ask
    documents["emails/letter"] = deepcopy(documents["emails/thanks"]) | {"name": "letter", "topic": "letter"}
    for name, event in (("letters", "video.watched"), ("letters-too", "webinar.attended")):
        documents[f"sequences/{name}"] = {
            "sequence": name,
            "title": "Letters",
            "topic": "letter",
            "entry": {"when": {"did": event}},
            "steps": [{"id": "letter", "email": "letter"}],
        }
    documents["sequences/confirm"] = {
        "sequence": "confirm",
        "title": "Confirm",
        "topic": "letter",
        "entry": {"when": {"consent": {"topic": "letter", "is": "pending"}}, "reentry": {"after": "1 h"}},
        "goal": {"consent": "letter"},
        "exits": [{"reason": "withdrawn", "when": {"consent": {"topic": "letter", "is": "withdrawn"}}}],
        "steps": [
            {"id": "ask", "email": "ask"},
            {"id": "answer", "wait": {"until": "email.confirmed", "timeout": "2 days"}},
            {"id": "remind", "email": "ask"},
            {"id": "answer-then", "wait": {"until": "email.confirmed", "timeout": "5 days"}},
            {"id": "give-up", "exit": "not-confirmed"},
        ],
    }
    return documents


def asks_for(world, name, topic="letter", at=None, **more):
    """Somebody fills in our form."""
    identity = Identity("email", f"{name}@example.com")
    consent = Consent("granted", more.pop("basis", "consent"), "form", topic=topic, occurred_at=at or world.now, **more)
    return world.store([LeadRecord((identity,), {"email": identity.value, "name": name.title()}, {}, (consent,))])


def given(world):
    return {"catalogue": world.context.compiled().bundle.catalogue, "secret": SECRET_BYTES}


def token(world, name, purpose=PREFERENCES, *more):
    key = next(row["key"] for row in world.rows("messages", lead_id=world.lead_id(name)) if row["key"])
    return sign(SECRET_BYTES, purpose, " ".join((key, *more)))


def words(world, name):
    return {row["topic"]: row["status"] for row in world.rows("consent_states", lead_id=world.lead_id(name))}


def stops(world, name):
    hash_ = email_hash(SECRET_BYTES, f"{name}@example.com")
    rows = world.rows("suppressions", email_hash=hash_)
    return {(row["scope"], row["reason"]) for row in rows if row["lifted_at"] is None}


def sound(world):
    assert [each["check"] for each in examine(world.context, world.now, repair=False).breaches] == []
