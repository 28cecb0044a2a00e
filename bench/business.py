"""The business that is measured: leads, their skewed events, twenty rules with caps and decay, one sequence.

Everything follows from the sizes alone, so that two runs measure the same rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import orjson

from nurture.check import check_documents
from tasks.definition_files import load_tree
from tasks.workspace import CHECKOUT

SIZES = {"small": (10_000, 100_000), "medium": (100_000, 1_000_000), "full": (1_000_000, 10_000_000)}
# A Monday, and the day after.
NOW = datetime(2026, 3, 2, 9, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)
LONG_EMAIL, EVERYBODY = "bench-long", "bench-everybody"
_YEAR = 365 * 86_400
# What happens how often: mails are opened and pages are viewed, and now and then somebody asks for a demo.
_KINDS = {
    "email.opened": 30,
    "page.viewed": 20,
    "email.clicked": 15,
    "page.pricing_visited": 8,
    "content.white_paper_downloaded": 6,
    "webinar.registered": 5,
    "email.forwarded": 3,
    "page.careers_visited": 3,
    "webinar.attended": 3,
    "event.attended": 2,
    "content.interactive_completed": 2,
    "content.specific_white_paper_downloaded": 1,
    "event.good_conversation": 1,
    "email.unsubscribed": 0.5,
    "event.amazing_conversation": 0.3,
    "demo.requested": 0.2,
}
# What is capped by the month; every other cap holds for ever.
_BY_MONTH = ("page.pricing_visited", "webinar.registered")
_TITLES = ("Engineer", "Head of Lab", "Student", "Director", "Buyer", "Chief Scientist", "Technician")


def documents() -> dict[str, Any]:
    """The shipped definitions with twenty rules for events, all of them fading, most of them capped."""
    made = deepcopy(dict(check_documents(load_tree(CHECKOUT / "templates")).documents))
    scoring = made["scoring"]
    scoring["groups"] = {"mail": {"cap": 60, "decay": {"half_life": "60 days"}}}
    for number, rule in enumerate(scoring["rules"]):
        if rule["event"].startswith("email."):
            rule["group"] = "mail"
        else:
            rule["decay"] = {"half_life": "90 days"} if number % 2 else {"linear": "365 days"}
            rule["cap"] = {"points": 80, "per": "month"} if rule["event"] in _BY_MONTH else 200
    more = [
        {"id": "viewed", "event": "page.viewed", "points": 1, "cap": 20},
        {"id": "viewed-long", "event": "page.viewed", "points": 1, "where": {"seconds": {"at_least": 60}}},
        {"id": "pricing-again", "event": "page.pricing_visited", "points": 2, "cap": 20},
        {"id": "clicked-once", "event": "email.clicked", "points": 2, "cap": 2},
    ]
    scoring["rules"] += [{**rule, "decay": {"half_life": "30 days"}} for rule in more]
    made[f"emails/{LONG_EMAIL}"] = _long(made["emails/wp-thanks"])
    # A platform of its own, so that its members can be synced without the shipped audiences.
    everybody = {"title": "Everybody", "platforms": [EVERYBODY], "when": {"stage": {"below": "customer"}}}
    made["audiences"]["audiences"][EVERYBODY] = everybody
    return made


def _long(email: dict[str, Any]) -> dict[str, Any]:
    """The e-mail with its paragraphs repeated, until its HTML is 15 KB long as a newsletter's is."""
    made = {**deepcopy(email), "name": LONG_EMAIL}
    for part in ("html", "text"):
        before, block, body = made["locales"]["en"][part].partition("{% block body %}")
        made["locales"]["en"][part] = before + block + body.removesuffix("{% endblock %}\n") * 16 + "{% endblock %}\n"
    return made


@dataclass(frozen=True)
class Business:
    """So many leads and events; a few leads have thousands of events, every tenth has none."""

    leads: int
    events: int

    def write(self, folder: Path) -> tuple[Path, Path]:
        """The leads and the events as JSONL files; made once a folder."""
        files = folder / f"leads-{self.leads}.jsonl", folder / f"events-{self.events}.jsonl"
        for path, lines in zip(files, (self.lead_rows(), self.event_rows()), strict=True):
            if not path.exists():
                unfinished = path.with_suffix(".unfinished")
                with unfinished.open("wb") as file:
                    for row in lines:
                        file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                unfinished.rename(path)
        return files

    def lead_rows(self) -> Iterator[dict[str, Any]]:
        """One row a lead: half of them work for one of a tenth as many companies."""
        dice = Random(5)
        for number in range(self.leads):
            row = {
                "email": f"lead{number}@example.com",
                "name": f"Lead {number}",
                "country": dice.choice(("DK", "SE", "DE", "US")),
                "job_title": dice.choice(_TITLES),
            }
            if number % 2:
                row["company"] = f"Company {number % max(self.leads // 10, 1)}"
            yield row

    def event_rows(self) -> Iterator[dict[str, Any]]:
        """One row an event, in the order of their time, as a source tells them."""
        dice = Random(7)
        kinds, weights = list(_KINDS), list(_KINDS.values())
        begin, step = NOW - timedelta(seconds=_YEAR), _YEAR / self.events
        names = dice.choices(kinds, weights, k=1_000)
        for number in range(self.events):
            kind = names[dice.randrange(1_000)]
            at = begin + timedelta(seconds=int(number * step))
            row: dict[str, Any] = {
                "source": "bench",
                "source_event_id": f"e{number:09}",
                "email": f"lead{self.whose(dice.random())}@example.com",
                "type": kind,
                "occurred_at": at.isoformat(),
            }
            if kind == "page.viewed":
                row["properties"] = {"seconds": dice.randrange(300)}
            yield row

    def whose(self, chance: float) -> int:
        """The number of the lead that does something: the square makes a few very busy."""
        return int(self.leads * 0.9 * chance**2)
