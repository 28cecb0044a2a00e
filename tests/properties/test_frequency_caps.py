"""Frequency caps against a small reference, and against whatever the provider and other runs do meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.email import Verdict
from connectors.email.memory import MemoryOutbox
from db.contact_caps import ContactCaps
from db.tables import enrollments, messages
from nurture.definitions.lifecycle import FrequencyCap
from tasks.context import Run
from tasks.deliver import deliver
from tests.properties.examples import examples
from tests.world import START, World

HOUR = timedelta(hours=1)


@dataclass(frozen=True)
class Mail:
    """A message that becomes due so many hours after the start."""

    lead: str
    hours: int
    priority: int
    topic: str

    @property
    def due_at(self) -> datetime:
        return START + self.hours * HOUR


mails = st.builds(
    Mail,
    st.sampled_from(("ada", "ada", "bo")),
    st.sampled_from((0, 0, 0, 1, 5, 24, 30, 72)),
    st.sampled_from((10, 50, 90)),
    st.sampled_from(("nurture", "tips")),
)
caps = st.builds(
    FrequencyCap,
    most=st.integers(1, 3),
    per=st.sampled_from(("6 h", "1 day", "2 days", "7 days")),
    topics=st.sampled_from(([], [], ["tips"])),
)
some_caps = st.lists(caps, min_size=1, max_size=3)
some_mails = st.lists(mails, min_size=2, max_size=9)


class BusyOutbox(MemoryOutbox):
    """Answers in the order given, and lets another run come by while a message is in hand."""

    def __init__(self) -> None:
        super().__init__()
        self.verdicts: list[Verdict] = []
        self.visits: list[Any] = []

    def meet(self, moment: Any, mail: Any) -> Any:
        if moment == "stage" and self.visits:
            visit = self.visits.pop()
            if visit:
                visit()
        if moment == "commit" and self.verdicts and (verdict := self.verdicts.pop()) is not Verdict.ACCEPTED:
            self.misbehave("commit", verdict)
        return super().meet(moment, mail)


@dataclass
class Ledger:
    """Two leads, each in a sequence that does nothing, whose messages are written as the engine would."""

    world: World
    outbox: BusyOutbox
    enrollment: dict[str, int] = field(default_factory=dict)

    def begin(self, rules: list[FrequencyCap], planned: list[Mail], lateness: timedelta) -> None:
        """Forget what was before."""
        self.lateness = lateness
        self.world.context.compiled().caps = ContactCaps(rules)
        self.outbox.verdicts, self.outbox.visits = [], []
        self.planned = sorted(planned, key=lambda mail: mail.due_at)
        self.written = 0
        with self.world.database.write() as connection:
            connection.execute(sa.delete(messages))

    def run(self, now: datetime) -> None:
        """Write what is due, and deliver."""
        with self.world.database.write() as connection:
            version = self.world.context.compiled().version("sequences/papers")
            while self.written < len(self.planned) and self.planned[self.written].due_at <= now:
                mail = self.planned[self.written]
                values = {
                    "enrollment_id": self.enrollment[mail.lead],
                    "step_id": f"step-{self.written}",
                    "lead_id": self.world.lead_id(mail.lead),
                    "sequence": "papers",
                    "email": "thanks",
                    "topic": mail.topic,
                    "marketing": True,
                    "version_id": version,
                    "priority": mail.priority,
                    "status": "queued",
                    "queued_at": now,
                    "due_at": mail.due_at,
                    "expires_at": now + self.lateness,
                }
                connection.execute(sa.insert(messages).values(values))
                self.written += 1
        deliver(Run(self.world.context, now))

    def rows(self) -> list[dict[str, Any]]:
        return self.world.rows("messages")


@pytest.fixture
def ledger(new_world: Any) -> Ledger:
    outbox = BusyOutbox()
    world: World = new_world(email=outbox)
    made = Ledger(world, outbox)
    for name in ("ada", "bo"):
        world.lead(name)
        world.store_consent(name, "tips")
        values = {
            "sequence": "papers",
            "lead_id": world.lead_id(name),
            "version_id": world.context.compiled().version("sequences/papers"),
            "status": "active",
            "step_id": "thanks",
            "waiting_for": "wake",
            "wake_at": START + 9999 * HOUR,
            "entered_at": START,
            "moved_at": START,
        }
        with world.database.write() as connection:
            made.enrollment[name] = connection.execute(sa.insert(enrollments).values(values)).inserted_primary_key[0]
    return made


def covers(cap: FrequencyCap, topic: str) -> bool:
    return not cap.topics or topic in cap.topics


def exceeded(rules: list[FrequencyCap], rows: list[dict[str, Any]]) -> bool:
    """Whether any period of any cap holds more messages than it may."""
    for cap in rules:
        for row in rows:
            later = [
                other
                for other in rows
                if other["lead_id"] == row["lead_id"]
                and covers(cap, row["topic"])
                and covers(cap, other["topic"])
                and timedelta(0) <= other["handed_over_at"] - row["handed_over_at"] < cap.per.total
            ]
            if len(later) > cap.most:
                return True
    return False


def reference(rules: list[FrequencyCap], planned: list[Mail], runs: list[datetime]) -> dict[int, datetime]:
    """When each message goes: at every run the most urgent first, as long as each cap has a slot."""
    order = sorted(planned, key=lambda mail: mail.due_at)
    sent: dict[int, datetime] = {}
    for now in runs:
        waiting = [number for number, mail in enumerate(order) if mail.due_at <= now and number not in sent]
        for number in sorted(waiting, key=lambda each: (-order[each].priority, order[each].due_at, each)):
            taken = [
                sum(
                    order[other].lead == order[number].lead
                    and covers(cap, order[other].topic)
                    and at > now - cap.per.total
                    for other, at in sent.items()
                )
                for cap in rules
            ]
            if all(
                count < cap.most for cap, count in zip(rules, taken, strict=True) if covers(cap, order[number].topic)
            ):
                sent[number] = now
    return sent


@pytest.mark.hypothesis
def test_every_message_goes_at_the_run_at_which_the_reference_lets_it_go(ledger: Ledger) -> None:
    @settings(max_examples=examples(10))
    @given(some_caps, some_mails, st.sampled_from((3, 5, 24)))
    def holds(rules: list[FrequencyCap], planned: list[Mail], hours: int) -> None:
        # As long as from one run to the next: what caps hold meanwhile is not late.
        ledger.begin(rules, planned, (hours + 1) * HOUR)
        runs = [START + number * hours * HOUR for number in range(96 // hours + 1)]
        for now in runs:
            ledger.run(now)
        rows = ledger.rows()
        assert {row["status"] for row in rows} <= {"accepted", "queued"}
        found = {int(row["step_id"][5:]): row["handed_over_at"] for row in rows if row["status"] == "accepted"}
        assert found == reference(rules, planned, runs)
        assert not exceeded(rules, [row for row in rows if row["status"] == "accepted"])

    holds()


@pytest.mark.hypothesis
def test_whatever_the_provider_and_other_runs_do_no_cap_is_exceeded_and_nothing_is_lost(ledger: Ledger) -> None:
    verdicts = st.sampled_from([Verdict.ACCEPTED] * 4 + [Verdict.REJECTED, Verdict.RETRY, Verdict.UNKNOWN])
    visits = st.one_of(st.none(), st.integers(0, 3))

    @settings(max_examples=examples(15))
    @given(some_caps, some_mails, st.lists(verdicts, max_size=8), st.lists(visits, max_size=8))
    def holds(
        rules: list[FrequencyCap], planned: list[Mail], answers: list[Verdict], meddling: list[int | None]
    ) -> None:
        # As long as a temporary refusal may take.
        ledger.begin(rules, planned, 80 * HOUR)
        ledger.outbox.verdicts = list(answers)
        now = START

        def visit(hours: int) -> Any:
            return lambda: ledger.run(now + hours * HOUR)

        ledger.outbox.visits = [None if hours is None else visit(hours) for hours in meddling]
        for _ in range(400):
            ledger.run(now)
            rows = ledger.rows()
            taking = [row for row in rows if row["status"] in ("accepted", "unknown", "handing_over")]
            assert not exceeded(rules, taking)
            queued = [row for row in rows if row["status"] == "queued"]
            assert all(row["reason"] and row["not_before"] > now for row in queued)
            if len(rows) == len(planned) and not queued:
                break
            due = [mail.due_at for mail in ledger.planned[ledger.written :]]
            now = min([row["not_before"] for row in queued] + due)
        else:
            raise AssertionError("somebody waits for ever")
        assert {row["status"] for row in rows} <= {"accepted", "unknown", "rejected"}

    holds()
