"""Enrollments, steps and messages on both databases are those of the reference, whatever happens and whenever."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.email.base import Verdict
from connectors.email.memory import MemoryOutbox
from db import audit, entries, holds, sequences, tables
from nurture.records import Consent, EventRecord, Identity, LeadRecord
from tasks.context import Run
from tasks.day import Step, run_flow
from tests.properties.examples import examples
from tests.properties.sequence_documents import INDUSTRIES, Body, bodies, edits
from tests.reference.lead_conditions import Event, Lead
from tests.reference.sequences import Sequence
from tests.world import World

# Days around both changes of the clocks.
STARTS = (datetime(2026, 3, 26, 8, 7, tzinfo=UTC), datetime(2026, 10, 22, 16, 31, tzinfo=UTC))
ZONES = ("Europe/Copenhagen", "America/New_York", "Asia/Kolkata", None)
NAMES = ("ada", "bo", "cy", "di", "ed")
DOWNLOAD = "content.white_paper_downloaded"
KINDS = (
    *(DOWNLOAD,) * 4,
    *("page.viewed",) * 3,
    *("email.clicked",) * 2,
    *("video.watched", "demo.requested", "demo.requested", "sales.rejected", "sales.accepted", "deal.won"),
    *("email.replied", "email.replied", "hard", "email.unsubscribed"),
)
VERDICTS = {"rejected": Verdict.REJECTED, "unknown": Verdict.UNKNOWN, "retry": Verdict.RETRY}
# What of a run is about sequences.
STEPS = ("rescore", "restage", "enroll", "enroll-by-time", "advance", "deliver")
_KEPT = ("definition_versions", "publications", "publication_items")


def about_sequences(name: str, step: Step, run: Run) -> dict[str, int]:
    """The seam of a run that leaves out reports, audiences and sources."""
    return step(run) if name in STEPS else {}


# Who, what, how long ago, whether a machine did it, and whether it is heard of twice.
Happened = tuple[str, str, timedelta, bool, bool]


def _record(name: str, zone: str | None, company: str | None, consent: bool) -> LeadRecord:
    fields = {"email": f"{name}@example.com", "time_zone": zone, "company": company}
    given = (Consent("granted", "consent", "test", topic="nurture"),) if consent else ()
    return LeadRecord((Identity("email", fields["email"]),), {k: v for k, v in fields.items() if v}, {}, given)


class Pair:
    """The engine and the reference, told the same."""

    def __init__(self, url: str, home: Path) -> None:
        self.world = World(url, home)

    def begin(self, start: datetime, body: Body, people: list[tuple[str | None, str | None, bool]]) -> None:
        """Empty the database, publish a sequence, and make the leads known."""
        world = self.world
        with world.database.write() as connection:
            for table in reversed(tables.metadata.sorted_tables):
                if table.name not in _KEPT:
                    connection.execute(table.delete())
            if connection.dialect.name == "postgresql":
                connection.execute(sa.text("SELECT setval(pg_get_serial_sequence('leads', 'id'), 1, false)"))
        world.now = start
        world.outbox = world.context.email = MemoryOutbox()
        self._publish(body)
        self.leads = {}
        world.store([_record(name, *person) for name, person in zip(NAMES, people, strict=False)])
        for name, (zone, _, consent) in zip(NAMES, people, strict=False):
            lead = self.leads[name] = Lead(world.lead_id(name), zone or "Europe/Copenhagen", consent)
            lead.receive(Event("became-known", start))
        for lead, (_, company, _) in zip(self.leads.values(), people, strict=False):
            others = zip(self.leads.values(), people, strict=False)
            lead.colleagues = [each for each, (_, its, _) in others if its and its == company and each is not lead]
        self.reference = Sequence(list(self.leads.values()), self._version(), body, start)
        self.reference.marked = set()

    def _publish(self, body: Body, **options: Any) -> None:
        self.world.documents = {**self.world.documents, "sequences/papers": body}
        self.world.publish(**options)

    def _version(self) -> int:
        return self.world.context.compiled().version("sequences/papers")

    def publish(self, body: Body, pinned: bool) -> None:
        self._publish(body, pinned=pinned)
        self.reference.publish(self._version(), body, self.world.now, pinned)

    def events(self, happened: list[Happened], silent: bool = False) -> None:
        """What happened so long ago is heard of now, some of it twice."""
        records = []
        for name, kind, age, machine, twice in happened:
            properties = {"kind": "hard"} if kind == "hard" else {}
            kind = "email.bounced" if kind == "hard" else kind
            at, key = self.world.now - age, f"{name}-{len(self.leads[name].events)}"
            who = (Identity("email", f"{name}@example.com"),)
            records += [EventRecord("test", key, kind, at, who, properties, {}, machine)] * (2 if twice else 1)
            self.leads[name].receive(Event(kind, at, properties, machine, silent))
        self.world.store(records, silent=silent)

    def profile(self, name: str, industry: str) -> None:
        record = LeadRecord((Identity("email", f"{name}@example.com"),), {}, {"industry": industry}, ())
        self.world.store([record])
        self.leads[name].fields["industry"] = industry
        self.leads[name].receive(Event("profile", self.world.now))

    def state(self, state: str) -> None:
        """An operator's verb, as `ripen sequences` does it."""
        with self.world.database.write() as connection:
            sequences.set_state(connection, "papers", state, None, self.world.now)
            if state == "stop":
                entries.stop_all(connection, "papers", "sequence-stopped", self.world.now)
        self.reference.set_state(state, self.world.now)

    def hold(self, name: str, days: int | None) -> None:
        lead, now = self.leads[name], self.world.now
        until = None if days is None else now + timedelta(days=days)
        with self.world.database.write() as connection:
            holds.hold_lead(connection, "papers", lead.id, until, now)
        for each in self.reference.of(lead):
            self.reference.hold(each, "by-person", until, now)

    def resume(self, name: str) -> None:
        with self.world.database.write() as connection:
            holds.resume_lead(connection, "papers", self.leads[name].id, self.world.now)
        self.reference.resume(self.leads[name], self.world.now)

    def verdict(self, name: str, verdict: str) -> None:
        """What the provider will say to the lead's next mail."""
        self.world.outbox.misbehave("commit", VERDICTS[verdict], recipient=f"{name}@example.com")
        self.reference.verdicts.setdefault(self.leads[name].id, []).append(verdict)

    def run(self, daily: bool, again: bool = False) -> None:
        """A run, after which both agree; another one at the same instant changes nothing."""
        world = self.world
        flow = "daily-sync" if daily else "follow-up"
        run_flow(world.context, flow, world.now, about_sequences)
        self._learn()
        self.reference.run(world.now, daily)
        assert self.seen() == self.expected()
        if again:
            with world.database.read() as connection:
                breaches = audit.run_checks(connection, world.now, repair=False)
            # A lost reply is for a person to settle; nobody does so here.
            assert [each for each in breaches if each["check"] != "unknown-age"] == []
            before = self._rows()
            run_flow(world.context, flow, world.now, about_sequences)
            assert self._rows() == before

    def _rows(self) -> dict[str, Any]:
        names = ("enrollments", "executed_steps", "messages", "entry_marks", "leads", "work_queue", "sales_tasks")
        return {name: self.world.rows(name) for name in names}

    def _learn(self) -> None:
        """Stages and sales tasks are facts here."""
        tasks = {row["id"]: row for row in self.world.rows("sales_tasks", kind="sql")}
        stages = {row["id"]: row["stage"] for row in self.world.rows("leads")}
        moves, people = self.world.rows("stage_transitions"), self.world.rows("sales_task_leads")
        for lead in self.leads.values():
            mine = [row for row in moves if row["lead_id"] == lead.id]
            lead.stage = stages[lead.id]
            lead.reached = {row["to_stage"] for row in mine}
            lead.bought = [row["recorded_at"] for row in mine if row["to_stage"] == "customer"]
            asked = [
                tasks[row["task_id"]]["status"]
                for row in people
                if row["lead_id"] == lead.id
                if row["task_id"] in tasks
            ]
            lead.in_hands = "open" in asked or "accepted" in asked

    def seen(self) -> list[Any]:
        """What the database says."""
        steps = self.world.rows("executed_steps")
        on_hold = [row["since"] for row in self.world.rows("sequence_states", state="hold")]
        mails = self.world.rows("messages")
        found = []
        for row in self.world.rows("enrollments"):
            mine = [each for each in mails if each["enrollment_id"] == row["id"]]
            active, held = row["status"] == "active", row["waiting_for"] == "hold"
            # Of a clock that stands still only the distance to where it stands is the same on both sides.
            clock = min([row["held_since"], *on_hold]) if held and not row["holdout"] else None
            found.append(
                {
                    "lead": row["lead_id"],
                    "entered": row["entered_at"],
                    "status": row["status"],
                    "version": row["version_id"],
                    "step": row["step_id"] if active else None,
                    "waiting": (row["held_for"] if held and not row["holdout"] else row["waiting_for"])
                    if active
                    else None,
                    "due": _from(clock, row["held_wake_at"] if held else row["wake_at"]),
                    "since": _from(clock, row["waiting_since"]),
                    "reason": row["reason"],
                    "hold_until": row["hold_until"],
                    "ended": row["ended_at"],
                    "steps": {
                        each["step_id"]: (
                            each["kind"],
                            each["outcome"],
                            each["detail"],
                            each["version_id"],
                            each["executed_at"],
                        )
                        for each in steps
                        if each["enrollment_id"] == row["id"]
                    },
                    "mails": {
                        each["step_id"]: (each["status"], each["reason"] if each["settled_at"] else None)
                        for each in mine
                    },
                    "sent": {each["step_id"]: each["settled_at"] for each in mine},
                }
            )
        return sorted(found, key=lambda each: (each["entered"], each["lead"]))

    def expected(self) -> list[Any]:
        """What the reference says."""
        found = []
        for each in self.reference.enrollments:
            active = each.status == "active"
            timed = active and each.waiting != "message" and each.hold != "holdout"
            clock = each.frozen if each.hold else None
            found.append(
                {
                    "lead": each.lead.id,
                    "entered": each.entered,
                    "status": each.status,
                    "version": each.version,
                    "step": each.step if active else None,
                    "waiting": ("hold" if each.hold == "holdout" else each.waiting) if active else None,
                    "due": _from(clock, each.due) if timed else None,
                    "since": _from(clock, each.since) if timed else None,
                    "reason": each.hold if active else each.reason,
                    "hold_until": each.hold_until if active else None,
                    "ended": each.ended,
                    "steps": each.steps,
                    "mails": {step: (mail.status, mail.reason) for step, mail in each.mails.items()},
                    "sent": {step: mail.settled for step, mail in each.mails.items()},
                }
            )
        return sorted(found, key=lambda each: (each["entered"], each["lead"]))


def _from(clock: datetime | None, instant: datetime | None) -> datetime | timedelta | None:
    return instant if clock is None or instant is None else instant - clock


_people = st.lists(
    st.tuples(
        st.sampled_from(ZONES), st.sampled_from(["Acme", "Acme", "Beta", None]), st.sampled_from([True] * 7 + [False])
    ),
    min_size=3,
    max_size=5,
)
_ages = st.sampled_from(
    [timedelta(0)] * 6 + [timedelta(minutes=20), timedelta(hours=5), timedelta(days=2), timedelta(days=9)]
)
_gaps = st.sampled_from(
    [timedelta(minutes=10)] * 2
    + [timedelta(hours=h) for h in (1, 7, 12)]
    + [timedelta(days=d) for d in (1, 1, 1, 3, 8)]
)
_little = st.sampled_from([timedelta(minutes=1), timedelta(minutes=7), timedelta(minutes=55)])


@pytest.fixture
def pair(databases: Any, tmp_path: Path) -> Iterator[Pair]:
    made = Pair(databases.migrated(), tmp_path)
    yield made
    made.world.close()


class Story:
    """One history: what happens, what people do, and when runs look."""

    ACTS = (
        *["run"] * 7,
        *["event"] * 4,
        *["state", "publish", "edit_on_hold", "resume"] * 2,
        *["hold", "verdict", "profile", "history"],
    )

    def __init__(self, pair: Pair, draw: Any) -> None:
        self.pair, self.draw = pair, draw
        self.body = draw(bodies(), label="sequence")
        people = draw(_people, label="people")
        pair.begin(draw(st.sampled_from(STARTS), label="start"), self.body, people)
        self.names = st.sampled_from(NAMES[: len(people)])
        rarely = st.sampled_from([False] * 5 + [True])
        one = st.tuples(self.names, st.sampled_from(KINDS), _ages, rarely, rarely)
        self.happened = st.lists(one, min_size=1, max_size=5)
        # Most examples are about what comes after the entry.
        pair.events([(name, DOWNLOAD, timedelta(0), False, False) for name in NAMES[: len(people)]])

    def live(self) -> None:
        """One act after the other, and a last look."""
        for _ in range(self.draw(st.integers(6, 26), label="acts")):
            act = self.draw(st.sampled_from(self.ACTS))
            self.pair.world.now += self.draw(_gaps if act == "run" else _little)
            getattr(self, act)()
        self.pair.world.now += timedelta(minutes=10)
        self.pair.run(True, again=True)

    def run(self) -> None:
        self.pair.run(self.draw(st.booleans()), again=self.draw(st.integers(0, 3)) == 3)

    def event(self) -> None:
        self.pair.events(self.draw(self.happened))

    def history(self) -> None:
        """What an import brings together with something new is in `test_late_and_early.py`."""
        self.pair.run(False)
        self.pair.world.now += timedelta(minutes=1)
        self.pair.events(self.draw(self.happened), silent=True)
        self.pair.run(False)

    def publish(self) -> None:
        self.body = self.draw(edits(self.body), label="edit")
        self.pair.publish(self.body, self.draw(st.sampled_from([False, False, True])))

    def edit_on_hold(self) -> None:
        """As one does it: stop the clocks, change something, look again, go on."""
        self.pair.state("hold")
        self.pair.world.now += self.draw(_gaps)
        self.publish()
        self.pair.world.now += self.draw(_gaps)
        self.pair.state("on")
        self.pair.world.now += timedelta(minutes=10)
        self.pair.run(False)

    def state(self) -> None:
        self.pair.state(self.draw(st.sampled_from(["hold"] * 4 + ["on"] * 6 + ["drain", "stop"])))

    def hold(self) -> None:
        self.pair.hold(self.draw(self.names), self.draw(st.sampled_from([None, 1, 4])))

    def resume(self) -> None:
        self.pair.resume(self.draw(self.names))

    def verdict(self) -> None:
        self.pair.verdict(self.draw(self.names), self.draw(st.sampled_from(sorted(VERDICTS))))

    def profile(self) -> None:
        self.pair.profile(self.draw(self.names), self.draw(st.sampled_from(INDUSTRIES)))


@settings(max_examples=examples(8), suppress_health_check=list(HealthCheck))
@given(st.data())
def test_the_machine_does_what_the_reference_does(pair: Pair, data: Any) -> None:
    Story(pair, data.draw).live()
