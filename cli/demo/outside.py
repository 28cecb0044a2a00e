"""The outside of the sample business: its mailboxes, its sales desk, and the systems that report what people did.

It sees only what leaves Ripen (mails in the outbox, tasks in the CRM folder) and speaks only by files in the inbox.
"""

from __future__ import annotations

import heapq
import os
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path

import orjson

from cli.demo.answers import Letter, Task, reads, works
from cli.demo.business import Business, Happening
from cli.demo.workspace import write_facts

_HEAD = 8_192
_HEADER = re.compile(
    rb"^(To|Date|X-Ripen-Message|Feedback-ID):[ \t]*(.*(?:\r\n[ \t].*)*)\r\n", re.MULTILINE | re.IGNORECASE
)
_ADDRESS = re.compile(r"([^\s<>,]+@[^\s<>,]+)>?\s*\Z")
# Reports of a system come in a moment after the fact.
_DELAY = timedelta(minutes=1)


class Outside:
    """Everything that is still to happen, in the order of time."""

    def __init__(self, business: Business, home: Path, outbox: Path, desk: Path) -> None:
        self.business = business
        self.home = home
        self.outbox = outbox
        self.desk = desk
        self.people = {each.email: each for each in map(business.person, range(1, business.leads + 1))}
        self.to_come: list[tuple[datetime, str, Happening]] = []
        self.mails_seen: set[str] = set()
        self.tasks_seen: set[str] = set()

    def expect(self, happenings: Iterable[Happening]) -> None:
        """These will happen."""
        for each in happenings:
            heapq.heappush(self.to_come, (each.at, each.id, each))

    def report(self, now: datetime, broken: Iterable[Mapping[str, str]] = ()) -> int:
        """Put into the watched folders what has happened until now; returns the number of lines."""
        happened = []
        while self.to_come and self.to_come[0][0] <= now - _DELAY:
            happened.append(heapq.heappop(self.to_come)[2])
        return write_facts(self.home, f"{now:%Y-%m-%d-%H%M}", happened, broken)

    def look(self) -> None:
        """People open their mail, salespeople their tasks; what they will do about them is settled now."""
        for name in sorted(_new(self.outbox, ".eml", self.mails_seen)):
            letter = read_letter(self.outbox / name)
            who = self.people.get(letter.address) if letter else None
            if letter and who:
                self.expect(reads(self.business, who, letter))
        for name in sorted(_new(self.desk, ".json", self.tasks_seen)):
            task = _read_task(self.desk / name)
            who = self.people.get(task.address) if task else None
            if task and who:
                self.expect(works(self.business, who, task))


def _new(folder: Path, ending: str, seen: set[str]) -> list[str]:
    try:
        with os.scandir(folder) as entries:
            found = [each.name for each in entries if each.name.endswith(ending) and each.name[0] != "."]
    except FileNotFoundError:
        return []
    fresh = [name for name in found if name not in seen]
    seen.update(fresh)
    return fresh


def read_letter(path: Path) -> Letter | None:
    """What is on the outside of a mail, from its headers."""
    with path.open("rb") as file:
        head = file.read(_HEAD).partition(b"\r\n\r\n")[0] + b"\r\n"
    found = {name.lower(): " ".join(value.decode("ascii", "replace").split()) for name, value in _HEADER.findall(head)}
    address = _ADDRESS.search(found.get(b"to", ""))
    parts = found.get(b"feedback-id", "").split(":")
    if address is None or len(parts) < 2:
        return None
    at = parsedate_to_datetime(found[b"date"]).astimezone(UTC)
    return Letter(found.get(b"x-ripen-message", path.stem), address[1].lower(), parts[0], parts[1], at)


def _read_task(path: Path) -> Task | None:
    facts = orjson.loads(path.read_bytes())
    task, address = facts["task"], facts["lead"].get("email")
    if task["status"] != "open" or not address:
        return None
    return Task(int(task["id"]), task["kind"], address.lower(), datetime.fromisoformat(task["opened_at"]))
