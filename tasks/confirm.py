"""A double opt-in is answered: the link of the mail that asked turns a pending consent into a grant."""

from __future__ import annotations

from datetime import datetime, timedelta

from db import consents, message_links
from db.engine import Database
from db.intake import store
from nurture.definitions.catalogue import Catalogue
from nurture.records import EventRecord
from nurture.stops import CONFIRMED
from nurture.tokens import CONFIRM, read, sign

SOURCE = "web"
# So long after its mail was handed over the link works.
VALID_FOR = timedelta(days=7)
# Neither a message's key nor a topic has one.
_BETWEEN = " "


def confirm_link(base_url: str, secret: bytes, key: str, topic: str) -> str:
    """The address by which the reader of a message confirms its consent to a topic; it says neither who nor what."""
    return f"{base_url.rstrip('/')}/confirm/{sign(secret, CONFIRM, key + _BETWEEN + topic)}"


def confirm(database: Database, token: str, *, catalogue: Catalogue, secret: bytes, now: datetime) -> bool:
    """Grant what is pending; False when the token is none of ours, too old, or nothing waits for it any more.

    It holds from the commit on. A second click changes nothing, and is True as long as the consent stands.
    """
    said = read(secret, CONFIRM, token)
    key, _, topic = (said or "").partition(_BETWEEN)
    if not key or topic not in catalogue.topics:
        return False
    with database.write() as connection:
        link = message_links.of_key(connection, key)
        if link is None or link.sent_at is None:
            return False
        word = consents.words_of(connection, link.lead_id).get(topic)
        if word is not None and word.status == "granted":
            return consents.is_confirmed(connection, word.consent_id)
        if word is None or word.status != "pending" or now > link.sent_at + VALID_FOR:
            return False
        fact = EventRecord(
            SOURCE,
            f"confirm:{key}:{topic}:{word.consent_id}",
            CONFIRMED,
            now,
            properties={"topic": topic, "consent": word.consent_id},
            lead_id=link.lead_id,
            message_id=link.message_id,
        )
        store(connection, [fact], source=SOURCE, now=now, silent=False, catalogue=catalogue, secret=secret)
    return True
