"""Somebody followed a link of a mail, or loaded its pixel: a fact is stored, and nothing else happens here.

Each visitor of one link of one message counts once a minute, however often it comes; visitors are told apart by agent
and network, of which so many are kept apart that a person is not taken for the scanner that came just before.

What it means, and whether it was a person, is decided by the next run.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any

from db import message_links, tracked_links
from db.engine import Database
from db.intake import store
from nurture.definitions.catalogue import Catalogue
from nurture.records import EventRecord
from nurture.tokens import CLICK, OPEN, TRAP, unseal

SOURCE = "web"
# So many facts a minute a link can make at most, whoever comes how often.
_KEPT_APART = 64


@dataclass(frozen=True, slots=True)
class Visitor:
    """What is known of who asked: kept with the fact, and forgotten with it."""

    user_agent: str = ""
    network: str = ""  # the address without its last part
    method: str = "GET"
    prefetch: bool = False

    def properties(self) -> dict[str, Any]:
        """What says something, as properties of an event."""
        said = {"user_agent": self.user_agent[:300], "network": self.network}
        made: dict[str, Any] = {name: value for name, value in said.items() if value}
        if self.method != "GET":
            made["method"] = self.method
        if self.prefetch:
            made["prefetch"] = True
        return made

    def mark(self) -> str:
        """What tells it from other visitors of the same minute."""
        said = f"{self.user_agent}\n{self.network}".encode()
        return f"{self.method.lower()}{int.from_bytes(sha256(said).digest()[:4], 'big') % _KEPT_APART}"


class Visits:
    """Stores visits."""

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
        minute = int(self.now.timestamp()) // 60
        with self.database.write() as connection:
            link = message_links.of_key(connection, key)
            if link is None:
                return
            fact = EventRecord(
                SOURCE,
                f"{what}:{visitor.mark()}:{minute}",
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
