"""Stories of leads whose scores are compared with the reference after each step."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest
import sqlalchemy as sa
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from db import scores as score_queue
from db import tables, work
from nurture.conditions import Did, FieldIs, walk
from nurture.definitions.bundle import Bundle, bundle_from_documents
from nurture.keys import event_tiebreak
from nurture.lint.findings import definitions_of
from nurture.lint.scoring import lint_scoring
from nurture.records import EventRecord, Identity, LeadRecord
from nurture.score_lines import Line, lines_of
from tasks.context import Run
from tasks.explain import explain_lead
from tasks.pull_events import pull_events
from tasks.rescore import rescore
from tests.properties import scoring_documents as made
from tests.reference import scoring as reference
from tests.reference.conditions import Happened
from tests.world import World

NAMES = ("ada", "bo", "cy")
SOON = timedelta(minutes=5)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
TICK = timedelta(microseconds=1)
# Nights of daylight saving, ends of months, years and of a leap February.
STARTS = (
    datetime(2026, 3, 28, 23, 30, tzinfo=UTC),
    datetime(2026, 10, 24, 22, tzinfo=UTC),
    datetime(2027, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC),
    datetime(2028, 2, 28, 12, tzinfo=UTC),
    datetime(2026, 5, 31, 0, tzinfo=UTC),
)
PAUSES = (timedelta(minutes=10), timedelta(hours=5), DAY, timedelta(days=3), timedelta(days=8), timedelta(days=33))
AGES = (timedelta(0), TICK, timedelta(minutes=20), timedelta(hours=9), DAY, 6 * DAY, 30 * DAY, 91 * DAY, 400 * DAY)
AHEAD = (timedelta(minutes=2), SOON, 2 * DAY)
# What differs by less is equal.
EQUAL = 1e-6

whole_events = st.fixed_dictionaries(
    {
        "who": st.sampled_from(NAMES),
        "type": st.sampled_from((*made.TYPES, *made.DERIVED)),
        "before": st.sampled_from(AGES) | st.sampled_from(AHEAD).map(lambda ahead: -ahead),
        "cut": st.sampled_from(("", "", "day", "week", "month")),
        "tick": st.booleans(),
        "properties": st.fixed_dictionaries(
            {},
            optional={
                "kind": st.sampled_from(made.KINDS),
                "percent": st.sampled_from([0, 49, 50, 75.5, "many"]),
                "whole": st.booleans(),
                "inferred": st.sampled_from([True, False, "Yes"]),
            },
        ),
        "machine": st.sampled_from([False, False, False, True]),
        "by": st.sampled_from(["email", "email", "browser", "both"]),
    }
)


fields = st.fixed_dictionaries(
    {}, optional={"country": st.sampled_from(["DK", "US"]), "company": st.sampled_from(["Acme", "Beta"])}
)
attributes = st.fixed_dictionaries({}, optional={"employees": st.sampled_from([10, 50, 51]), "partner": st.booleans()})


class Sent(NamedTuple):
    """An event as it was sent, and whether it waits in quarantine."""

    record: EventRecord
    who: str
    by_browser: bool


class Stories(RuleBasedStateMachine):
    """Leads, events, runs and edits, as they come; the model remembers only what was sent."""

    world: World  # set by the test, one for all examples

    @initialize(
        rules=made.scoring(), start=st.sampled_from(STARTS), history=st.lists(whole_events, min_size=3, max_size=6)
    )
    def begins(self, rules: dict[str, Any], start: datetime, history: list[dict[str, Any]]) -> None:
        emptied(self.world)
        self.world.now = start
        self.sent: list[Sent] = []
        self.known: set[str] = set()  # ids of events that are not in quarantine
        self.machines: dict[str, bool] = {}
        self.linked: set[str] = set()  # whose browser is known
        self.published: list[tuple[datetime, Bundle]] = []
        self.has_run = False
        self._publish(rules)
        self.world.store(people())
        self._store(history)
        self._run()

    @precondition(lambda self: len(self.published) < 3)
    @rule(rules=made.scoring())
    def edits(self, rules: dict[str, Any]) -> None:
        self._publish(rules)
        self._run()

    @rule(pause=st.sampled_from(PAUSES))
    def passes(self, pause: timedelta) -> None:
        self.world.now += pause
        self._run()

    @rule(tick=st.sampled_from([-TICK, 0 * TICK]))
    def goes_over_edges(self, tick: timedelta) -> None:
        """To the next instants at which a period of the definitions ends that began with an event or with the lead."""
        self._run()
        began = {each.record.occurred_at for each in self.sent}
        began |= {row["created_at"] for row in self.world.rows("leads")}
        ends = {start + length + tick for start in began for length in periods(self.published[-1][1])}
        for instant in sorted(end for end in ends if end > self.world.now)[:3]:
            self.world.now = instant
            self._run()
            self.every_score_is_that_of_the_reference()

    @rule(news=st.lists(whole_events, min_size=1, max_size=4), runs=st.booleans())
    def happens(self, news: list[dict[str, Any]], runs: bool) -> None:
        self._store(news)
        if runs:
            self._run()

    @rule(data=st.data())
    def comes_again(self, data: st.DataObject) -> None:
        if self.sent:
            again = data.draw(st.sampled_from(self.sent))
            self.world.store([again.record, again.record])
            self._learn([again])
            self._run()

    @rule(who=st.sampled_from(NAMES), fields=fields, attributes=attributes)
    def says_who_it_is(self, who: str, fields: dict[str, str], attributes: dict[str, Any]) -> None:
        self.world.store([LeadRecord((Identity("email", f"{who}@example.com"),), fields, attributes)])
        self.has_run = False

    @rule(data=st.data())
    def is_judged_again(self, data: st.DataObject) -> None:
        """Somebody says that an event was a machine's after all, or was not."""
        if not self.sent:
            return
        judged = data.draw(st.sampled_from(self.sent)).record
        if judged.source_event_id not in self.known:
            return
        machine = self.machines[judged.source_event_id] = not self.machines[judged.source_event_id]
        events = tables.events
        mine = sa.and_(events.c.source == "test", events.c.source_event_id == judged.source_event_id)
        with self.world.database.write() as connection:
            connection.execute(sa.update(events).where(mine).values(machine=machine))
            work.mark(connection, "score", sa.select(events.c.lead_id).where(mine), self.world.now)
        self._run()

    @rule()
    def is_rebuilt_from_nothing(self) -> None:
        self._run()
        before = stored(self.world)
        with self.world.database.write() as connection:
            for table in (tables.score_contributions, tables.scores):
                connection.execute(sa.delete(table))
            connection.execute(sa.delete(tables.events).where(tables.events.c.source != "test"))
            connection.execute(sa.update(tables.accounts).values(interest=0, fit=0, total=0))
            score_queue.mark_everyone(connection, self.world.now)
        self._run()
        after = stored(self.world)
        for name in NAMES:
            assert after[name]["scored_at"] == self.world.now
            if before[name]["scored_at"] == self.world.now:
                assert_same(before[name]["parts"], after[name]["parts"])

    @rule(who=st.sampled_from(NAMES), back=st.sampled_from(AGES))
    def is_explained(self, who: str, back: timedelta) -> None:
        """As of an earlier instant: from what had occurred by then, by the definitions of that time."""
        at = max(self.published[0][0], self.world.now - back)
        explained = explain_lead(self.world.context, f"{who}@example.com", self.world.now, at)["score"]
        parts = {(each["dimension"], each["rule"], each["kind"]): each["points"] for each in explained["contributions"]}
        assert_same(parts, self._expected(who, at))
        assert_adds_up(explained, parts)

    @invariant()
    def every_score_is_that_of_the_reference(self) -> None:
        if not getattr(self, "has_run", False):
            return
        found = stored(self.world)
        lives = {
            rule.id for rule in self.published[-1][1].scoring.rules if self.published[-1][1].scoring.decay_of(rule)
        }
        for name in NAMES:
            score, parts = found[name], found[name]["parts"]
            assert_adds_up(score, parts)
            assert_same(parts, self._expected(name, score["scored_at"]))
            now = self._expected(name, self.world.now)
            if score["scored_at"] <= self.world.now - HOUR:
                assert_beyond_the_same_lines(score, now, self.published[-1][1])
            # Only what fades may wait until it comes to a line.
            assert_same(steady(parts, lives), steady(now, lives))
        for account in self.world.rows("accounts"):
            people = [found[name] for name in NAMES if found[name]["account_id"] == account["id"]]
            for dimension in ("interest", "fit", "total"):
                assert account[dimension] == pytest.approx(sum(each[dimension] for each in people), abs=EQUAL)

    def _publish(self, rules: dict[str, Any]) -> None:
        documents = made.documents(rules)
        bundle = bundle_from_documents(documents, "b2b")
        assert [each for each in lint_scoring(definitions_of(bundle)) if each.severity == "error"] == []
        self.world.documents = documents
        self.world.publish()
        self.published.append((self.world.now, bundle))
        self.has_run = False

    def _run(self) -> None:
        scored(self.world)
        self.known |= {each.record.source_event_id for each in self.sent if each.record.occurred_at <= self.world.now}
        self.has_run = True

    def _record(self, drawn: dict[str, Any]) -> Sent:
        record = event_record(drawn, self.world.now, f"event-{len(self.sent)}")
        self.machines[record.source_event_id] = drawn["machine"]
        self.sent.append(Sent(record, drawn["who"], drawn["by"] == "browser"))
        return self.sent[-1]

    def _store(self, news: list[dict[str, Any]]) -> None:
        batch = [self._record(each) for each in news]
        self.world.store([each.record for each in batch])
        self._learn(batch)

    def _learn(self, batch: list[Sent]) -> None:
        for each in batch:
            if each.record.occurred_at <= self.world.now + SOON:
                self.known.add(each.record.source_event_id)
        self.has_run = False

    def _expected(self, who: str, at: datetime) -> reference.Parts:
        bundle = next(bundle for instant, bundle in reversed(self.published) if instant <= at)
        mine = [each for each in self.sent if each.who == who and each.record.source_event_id in self.known]
        linked = any(len(each.record.identities) == 2 for each in mine)
        happened = [
            Happened(
                each.record.type,
                each.record.occurred_at,
                each.record.properties,
                self.machines[each.record.source_event_id],
                event_tiebreak("test", each.record.source_event_id),
            )
            for each in mine
            if linked or not each.by_browser
        ]
        (lead,) = self.world.rows("leads", email=f"{who}@example.com")
        return reference.score(bundle.scoring, bundle.catalogue.derived, {**lead["attributes"], **lead}, happened, at)


def periods(bundle: Bundle) -> set[timedelta]:
    """The lengths of time after which fit rules hold no longer, or not yet."""
    found = set()
    for fit in bundle.scoring.fit:
        for part in walk(fit.when):
            if isinstance(part, Did) and part.did.within is not None:
                found.add(part.did.within.total)
            elif isinstance(part, FieldIs) and (age := part.older_than or part.newer_than) is not None:
                found.add(age.total)
    return found


def event_record(drawn: dict[str, Any], now: datetime, number: str) -> EventRecord:
    """A drawn event; some fall on the first instant of a day, week or month, or on the last before it."""
    at = now - drawn["before"]
    if drawn["cut"]:
        at = at.replace(hour=0, minute=0, second=0, microsecond=0)
        at -= {"day": 0, "week": at.weekday(), "month": at.day - 1}[drawn["cut"]] * DAY
        at -= TICK if drawn["tick"] else 0 * TICK
    names = {"email": Identity("email", f"{drawn['who']}@example.com"), "browser": Identity("anonymous", drawn["who"])}
    identities = tuple(names.values()) if drawn["by"] == "both" else (names[drawn["by"]],)
    return EventRecord("test", number, drawn["type"], at, identities, drawn["properties"], machine=drawn["machine"])


def emptied(world: World) -> None:
    """Nothing is left of the example before; migrating a database for each would take most of the time."""
    with world.database.write() as connection:
        for table in reversed(tables.metadata.sorted_tables):
            connection.execute(sa.delete(table))
    world.context._compiled = None


def people() -> list[LeadRecord]:
    """The leads of every story, of whom nothing but the address is known."""
    addresses = [f"{name}@example.com" for name in NAMES]
    return [LeadRecord((Identity("email", address),), {"email": address}) for address in addresses]


def scored(world: World) -> None:
    """What a run does until all scores are right."""
    run = Run(world.context, world.now)
    pull_events(run)
    rescore(run)


def stored(world: World) -> dict[str, dict[str, Any]]:
    """The scores of all leads with their parts, by name."""
    found = {}
    with world.database.read() as connection:
        rows = sa.select(tables.leads.c.email, tables.leads.c.account_id, tables.scores)
        for row in connection.execute(
            rows.join(tables.scores, tables.scores.c.lead_id == tables.leads.c.id)
        ).mappings():
            found[row["email"].partition("@")[0]] = {**row, "parts": {}}
        by_id = {each["lead_id"]: each for each in found.values()}
        for part in connection.execute(sa.select(tables.score_contributions)).mappings():
            key = part["dimension"], part["rule"], part["kind"]
            by_id[part["lead_id"]]["parts"][key] = part["points"]
    return found


def steady(parts: reference.Parts, fading: set[str]) -> reference.Parts:
    """The points of rules that do not fade."""
    return {key: points for key, points in parts.items() if key[2] == "rule" and key[1] not in fading}


def assert_same(first: reference.Parts, second: reference.Parts) -> None:
    for key in {*first, *second}:
        assert first.get(key, 0) == pytest.approx(second.get(key, 0), abs=EQUAL), key


def assert_beyond_the_same_lines(score: Any, parts: reference.Parts, bundle: Bundle) -> None:
    """Wherever something is decided by a score, or shown by tens of it, the stored one is as good as one of now."""
    lines = lines_of(bundle).of_leads | {Line("total", 10.0 * ten) for ten in range(-20, 60)}
    sums = {name: sum(points for key, points in parts.items() if key[0] == name) for name in ("interest", "fit")}
    sums["total"] = sums["interest"] + sums["fit"]
    for dimension, line in lines:
        if abs(sums[dimension] - line) > EQUAL:
            assert (score[dimension] >= line) == (sums[dimension] >= line), (dimension, line)


def assert_adds_up(score: Any, parts: reference.Parts) -> None:
    for dimension in ("interest", "fit"):
        points = sum(points for key, points in parts.items() if key[0] == dimension)
        assert score[dimension] == pytest.approx(points, abs=EQUAL), dimension
    assert score["total"] == pytest.approx(score["interest"] + score["fit"], abs=EQUAL)
