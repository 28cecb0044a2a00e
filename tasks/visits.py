"""Somebody followed a link of a mail, or loaded its pixel: a fact is stored, and nothing else happens here.

What it means, and whether it was a person, is decided by the next run.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from db import message_links, tracked_links
from db.engine import Database
from db.intake import store
from nurture.definitions.catalogue import Catalogue
from nurture.normalise import storable
from nurture.records import EventRecord
from nurture.stops import topics_of
from nurture.tokens import CLICK, OPEN, TRAP, unseal

SOURCE = "web"
# A mail passed on to a whole company is not read by more people than this in one minute.
MOST_IN_A_MINUTE = 100


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is known of who asked: kept with the fact, and forgotten with it."""

    user_agent: str = ""
    network: str = ""  # the address without its last part
    method: str = "GET"
    prefetch: bool = False

    def properties(self) -> dict[str, Any]:
        """What says something, as properties of an event."""
        said = {"user_agent": storable(self.user_agent[:300]), "network": self.network}
        made: dict[str, Any] = {name: value for name, value in said.items() if value}
        if self.method != "GET":
            made["method"] = self.method
        if self.prefetch:
            made["prefetch"] = True
        return made


class Visits:
    """Stores visits; a visitor's to one link of one message counts once a minute, however often it comes.

    Other visitors count for themselves, so that no scanner hides a person, up to so many visits of a message a minute.
    """

    def __init__(self, database: Database, catalogue: Catalogue, secret: bytes, now: datetime) -> None:
        self.database = database
        self.catalogue = catalogue
        self.secret = secret
        self.now = now

    def click(self, token: str, visitor: Visitor) -> str | None:
        """Where the link leads, None when it is none of ours; the click is stored."""
        held = unseal(self.secret, CLICK, token)
        if held is None:
            return None
        key, number = held
        with self.database.read() as connection:
            url = tracked_links.address_of(connection, number)
        if url is not None:
            self._happened("email.clicked", key, f"click:{key}:{number}", {"url": url}, visitor)
        return url

    def trap(self, token: str, visitor: Visitor) -> bool:
        """Whether it is the link that no person sees; the visit is stored as what it is."""
        held = unseal(self.secret, TRAP, token)
        if held is None:
            return False
        self._happened("email.clicked", held[0], f"trap:{held[0]}", {"honeypot": True}, visitor)
        return True

    def open(self, token: str, visitor: Visitor) -> bool:
        """Whether it is the pixel of a message; the open is stored."""
        held = unseal(self.secret, OPEN, token)
        if held is None:
            return False
        self._happened("email.opened", held[0], f"open:{held[0]}", {}, visitor)
        return True

    def _happened(self, kind: str, key: str, what: str, properties: Mapping[str, Any], visitor: Visitor) -> None:
        measuring = topics_of("tracking", self.catalogue)
        with self.database.write() as connection:
            link = message_links.of_key(connection, key)
            if link is None or not message_links.is_measured(connection, link.lead_id, measuring):
                return
            if message_links.visits_since(connection, link, SOURCE, self._minute_begun) >= MOST_IN_A_MINUTE:
                return
            fact = EventRecord(
                SOURCE,
                f"{what}:{self._visit_of(visitor, what)}",
                kind,
                self.now,
                properties={**properties, **visitor.properties()},
                lead_id=link.lead_id,
                message_id=link.message_id,
            )
            store(
                connection,
                [fact],
                source=SOURCE,
                now=self.now,
                silent=False,
                catalogue=self.catalogue,
                secret=self.secret,
            )

    @property
    def _minute_begun(self) -> datetime:
        return self.now.replace(second=0, microsecond=0)

    def _visit_of(self, visitor: Visitor, what: str) -> str:
        """Tells the visitors of a link and a minute apart, and nobody across links or minutes."""
        minute = int(self.now.timestamp()) // 60
        said = f"{what} {minute} {visitor.method} {visitor.prefetch} {visitor.network} {visitor.user_agent}"
        return f"{minute}:{hmac.digest(self.secret, said.encode('utf-8', 'replace'), 'sha256').hex()[:12]}"
