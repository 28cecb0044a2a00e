"""Somebody asks us to stop: the fact, the withdrawn consent and the suppression are one transaction."""

from __future__ import annotations

from datetime import datetime

from db import message_links
from db.engine import Database
from db.intake import store
from nurture.definitions.catalogue import Catalogue
from nurture.records import EventRecord
from nurture.tokens import UNSUBSCRIBE, read

SOURCE = "web"


def unsubscribe(database: Database, token: str, *, catalogue: Catalogue, secret: bytes, now: datetime) -> bool:
    """Stop all marketing to the lead whose message holds this token; False when the token is none of ours.

    It holds from the commit on. Asking twice is one fact; asking again after a new consent is another one.
    """
    key = read(secret, UNSUBSCRIBE, token)
    if key is None:
        return False
    with database.write() as connection:
        link = message_links.of_key(connection, key)
        if link is None:
            return False
        fact = EventRecord(
            SOURCE,
            f"unsubscribe:{key}:{link.last_grant}",
            "email.unsubscribed",
            now,
            lead_id=link.lead_id,
            message_id=link.message_id,
        )
        store(connection, [fact], source=SOURCE, now=now, silent=False, catalogue=catalogue, secret=secret)
    return True
