"""A small business to test with: definitions as dictionaries, the real intake, virtual days."""

from __future__ import annotations

from collections.abc import Mapping
from copy import copy, deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from connectors.audiences.memory import MemoryPlatform
from connectors.crm.memory import MemoryCrm
from connectors.email import EmailConnector
from connectors.email.memory import MemoryOutbox
from db import intake, tables
from db.engine import Database
from nurture.records import Consent, EventRecord, Identity, LeadRecord
from tasks.context import Context
from tasks.day import Outcome, run_flow
from tasks.merge import MergeReport, merge_leads
from tasks.publish import Plan, publish
from tasks.settings import Settings

# A Monday, ten o'clock in Copenhagen.
START = datetime(2026, 3, 2, 9, tzinfo=UTC)
SECRET = "a secret of the tests, long enough"
_EVENT_TYPES = {
    **{
        name: {"label": name, "channel": channel, "direction": "inbound"}
        for name, channel in (
            ("page.viewed", "website"),
            ("content.white_paper_downloaded", "content"),
            ("webinar.attended", "webinar"),
            ("demo.requested", "website"),
            ("email.opened", "email"),
            ("email.clicked", "email"),
            ("email.replied", "email"),
            ("email.bounced", "email"),
            ("email.complained", "email"),
            ("email.unsubscribed", "email"),
            ("email.delivered", "email"),
            ("email.rejected", "email"),
            ("email.preferences_set", "email"),
            ("email.confirmed", "email"),
            ("sales.accepted", "sales"),
            ("sales.rejected", "sales"),
            ("deal.won", "sales"),
            ("deal.lost", "sales"),
            ("video.watched", "content"),
        )
    },
}
_BODY = '<p>Hello</p><p>{{ project.postal_address }} <a href="{{ links.unsubscribe }}">Stop</a></p>'
_EMAIL = {
    "topic": "nurture",
    "kind": "marketing",
    "locales": {
        "en": {
            "subject": "Hello {{ lead.first_name | default('there') }}",
            "text": "Hello\n\n{{ project.postal_address }}\n{{ links.unsubscribe }}\n",
            "html": _BODY,
        }
    },
}
DOCUMENTS: dict[str, Any] = {
    "events": {
        "events": _EVENT_TYPES,
        "fields": {"industry": {"type": "text"}, "employees": {"type": "number"}},
        "topics": {"nurture": {"label": "Nurture"}, "ads": {"label": "Advertising", "channel": "ads"}},
    },
    "scoring": {
        "rules": [
            {"event": "email.clicked", "points": 5},
            {"event": "content.white_paper_downloaded", "points": 10},
            {"event": "page.viewed", "points": 1},
            {"event": "demo.requested", "points": 50},
        ]
    },
    "lifecycle": {
        "conversions": [
            {"id": "content", "to": "mql", "on": ["content.white_paper_downloaded", "webinar.attended"]},
            {"id": "contact", "to": "sql", "on": ["demo.requested"]},
            {"id": "second-webinar", "to": "sql", "from": "mql", "on": ["webinar.attended"]},
            {"id": "bought", "to": "customer", "on": ["deal.won"]},
        ],
        "profiles": {
            "b2b": {"thresholds": {"mql": 40, "sql": 100}, "task_per": "account", "account_scores": True},
            "b2c": {"thresholds": {"mql": 40, "sql": 100}},
        },
        "recycle": {"cool_down": "10 days"},
    },
    "audiences": {"audiences": {"readers": {"kind": "prospecting", "platforms": ["file"]}}},
    "sequences/papers": {
        "sequence": "papers",
        "title": "White papers",
        "topic": "nurture",
        "entry": {"when": {"did": "content.white_paper_downloaded"}},
        "goal": {"stage": {"reached": "sql"}},
        "exits": [{"reason": "replied", "when": {"did": "email.replied"}}],
        "steps": [
            {"id": "thanks", "email": "thanks"},
            {"id": "three-days", "wait": "3 days"},
            {"id": "more", "email": "more"},
        ],
    },
    "emails/thanks": {"name": "thanks", **_EMAIL},
    "emails/more": {"name": "more", **_EMAIL},
    "texts/sales/brief.md": "# {{ task.title }}\n\n{{ lead.name }}\n",
}


class World:
    """A context with in-memory connectors, a clock that only moves when told, and words for what happens."""

    def __init__(
        self,
        url: str,
        home: Path,
        documents: Mapping[str, Any] | None = None,
        *,
        profile: str = "b2b",
        email: EmailConnector | None = None,
        **settings: Any,
    ) -> None:
        self.documents = deepcopy(dict(DOCUMENTS if documents is None else documents))
        self.now = START
        self.outbox = MemoryOutbox()
        self.platform = MemoryPlatform()
        self.crm = MemoryCrm()
        self.context = Context(
            settings=Settings(home=home, database_url=url, profile=profile, secret=SECRET, **settings),
            database=Database(url),
            email=email or self.outbox,
            audiences={"file": self.platform},
            crm=self.crm,
        )
        self._events = 0
        self.publish()

    def twin(self, url: str, home: Path) -> World:
        """The same business at the same instant, on a copy of its database, with what it has sent so far."""
        twin = copy(self)
        for name in ("documents", "outbox", "platform", "crm"):
            setattr(twin, name, deepcopy(getattr(self, name)))
        settings = self.context.settings.model_copy(update={"home": home, "database_url": url}, deep=True)
        twin.context = Context(
            settings=settings,
            database=Database(url),
            email=twin.outbox,
            audiences={"file": twin.platform},
            crm=twin.crm,
        )
        return twin

    @property
    def database(self) -> Database:
        """The database under test."""
        return self.context.database

    def close(self) -> None:
        """Let go of every connection."""
        self.database.dispose()

    def publish(self, **options: Any) -> Plan:
        """Make the present documents live."""
        return publish(self.context, self.now, documents=self.documents, **options)

    def lead(self, name: str, *, consent: bool = True, ads: bool = False, **fields: Any) -> None:
        """Store a lead with the address `<name>@example.com`."""
        attributes = {key: fields.pop(key) for key in ("industry", "employees") if key in fields}
        consents = [Consent("granted", "consent", "test", topic="nurture")] if consent else []
        consents += [Consent("granted", "consent", "test", topic="ads")] if ads else []
        given = {"email": f"{name}@example.com", "first_name": name.title(), "name": name.title(), **fields}
        record = LeadRecord((Identity("email", f"{name}@example.com"),), given, attributes, tuple(consents))
        self.store([record])

    def readers(self, count: int) -> None:
        """Store so many leads, `reader0` and so on, who agree to nurture and have just downloaded a white paper."""
        agrees = (Consent("granted", "consent", "test", topic="nurture"),)
        records: list[LeadRecord | EventRecord] = []
        for name in (f"reader{number}" for number in range(count)):
            identities = (Identity("email", f"{name}@example.com"),)
            contact = {"email": f"{name}@example.com"}
            named = {**contact, "first_name": name.title(), "name": name.title()}
            paper = EventRecord(
                "test", f"paper-{name}", "content.white_paper_downloaded", self.now, identities, {}, contact
            )
            records += [LeadRecord(identities, named, {}, agrees), paper]
        self.store(records)

    def store_consent(self, name: str, topic: str, status: str = "granted") -> None:
        """A lead says yes or no to a topic."""
        consent = Consent(status, "consent", "test", topic=topic)
        identity = Identity("email", f"{name}@example.com")
        self.store([LeadRecord((identity,), {"email": f"{name}@example.com"}, {}, (consent,))])

    def happens(
        self, name: str, kind: str, at: datetime | None = None, /, *, silent: bool = False, **properties: Any
    ) -> None:
        """Store an event of a lead; `at` defaults to now. `event_id` and `machine` are not properties."""
        self._events += 1
        event_id = properties.pop("event_id", f"event-{self._events}")
        machine = properties.pop("machine", False)
        event = EventRecord(
            "test",
            event_id,
            kind,
            at or self.now,
            (Identity("email", f"{name}@example.com"),),
            properties,
            {"email": f"{name}@example.com"},
            machine,
        )
        self.store([event], silent=silent)

    def store(self, records: list[Any], *, silent: bool = False) -> Any:
        """The real intake."""
        with self.database.write() as connection:
            return intake.store(
                connection,
                records,
                source="test",
                now=self.now,
                silent=silent,
                catalogue=self.context.compiled().bundle.catalogue,
                secret=SECRET.encode(),
            )

    def merge(self, stays: str, goes: str, **options: Any) -> MergeReport:
        """Make one lead of two, by their names."""
        return merge_leads(self.context, f"{stays}@example.com", f"{goes}@example.com", self.now, **options)

    def run(self, flow: str = "daily-sync") -> Outcome:
        """Run a flow at the present virtual instant."""
        return run_flow(self.context, flow, self.now)

    def days(self, count: int, flow: str = "follow-up") -> None:
        """Let days pass, with a run at the end of each."""
        for _ in range(count):
            self.now += timedelta(days=1)
            self.run(flow)

    def rows(self, table: str, **equal: Any) -> list[dict[str, Any]]:
        """Rows of a table, in the order of their making."""
        source = tables.metadata.tables[table]
        query = sa.select(source).where(*(source.c[name] == value for name, value in equal.items()))
        query = query.order_by(*source.primary_key.columns)
        with self.database.read() as connection:
            return [dict(row) for row in connection.execute(query).mappings()]

    def lead_id(self, name: str) -> int:
        """The id of a lead."""
        return int(self.rows("leads", email=f"{name}@example.com")[0]["id"])

    def stage(self, name: str) -> str:
        """The stage of a lead."""
        return str(self.rows("leads", id=self.lead_id(name))[0]["stage"])

    def score(self, name: str) -> dict[str, float]:
        """The score of a lead by dimension."""
        row = self.rows("scores", lead_id=self.lead_id(name))[0]
        return {key: row[key] for key in ("interest", "fit", "total")}

    def received(self, name: str) -> list[str]:
        """Which e-mails a lead was sent, by template."""
        return [
            row["email"] for row in self.rows("messages", lead_id=self.lead_id(name)) if row["status"] == "accepted"
        ]

    def reasons(self, name: str) -> list[str]:
        """Why messages to a lead were not sent."""
        return [
            row["reason"] for row in self.rows("messages", lead_id=self.lead_id(name)) if row["status"] != "accepted"
        ]
