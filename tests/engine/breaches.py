"""Every invariant broken on purpose, as a mistake of ours or somebody with an SQL prompt may."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa

from db import sequences
from db.tables import metadata
from tests.world import START, World

DAY = timedelta(days=1)


def change(world: World, table: str, where: dict[str, Any] | None = None, **values: Any) -> None:
    source = metadata.tables[table]
    query = sa.update(source).where(*(source.c[name] == value for name, value in (where or {}).items()))
    with world.database.write() as connection:
        assert connection.execute(query.values(values)).rowcount


def remove(world: World, table: str, **where: Any) -> None:
    source = metadata.tables[table]
    with world.database.write() as connection:
        connection.execute(sa.delete(source).where(*(source.c[name] == value for name, value in where.items())))


def add(world: World, table: str, **values: Any) -> None:
    with world.database.write() as connection:
        connection.execute(sa.insert(metadata.tables[table]).values(values))


def ada(world: World) -> dict[str, Any]:
    return {"lead_id": world.lead_id("ada")}


def her_message(world: World) -> dict[str, Any]:
    return next(row for row in world.rows("messages", **ada(world)) if row["step_id"] == "thanks")


def without_rules(world: World, *statements: str) -> None:
    """Break what the tables themselves forbid, as somebody with an SQL prompt may."""
    ignoring = "PRAGMA ignore_check_constraints = {}".format
    loose = world.database.dialect == "sqlite"
    with world.database.engine.begin() as connection:
        for statement in (ignoring("ON"), *statements, ignoring("OFF")) if loose else statements:
            connection.exec_driver_sql(statement)


def drop_constraint(world: World, table: str, name: str) -> list[str]:
    return [] if world.database.dialect == "sqlite" else [f"ALTER TABLE {table} DROP CONSTRAINT {name}"]


LONG_AGO = START - 3 * DAY


def erased_and_still_known(world: World) -> None:
    change(world, "leads", {"id": world.lead_id("cleo")}, erased_at=START)


def forgotten(world: World) -> None:
    change(world, "enrollments", ada(world), wake_at=LONG_AGO, moved_at=LONG_AGO)


def waits_for_nothing(world: World) -> None:
    gone = drop_constraint(world, "enrollments", "ck_enrollments_alive")
    without_rules(world, *gone, "UPDATE enrollments SET wake_at = NULL WHERE status = 'active'")


def waits_for_a_foreign_message(world: World) -> None:
    other = world.rows("messages", lead_id=world.lead_id("cleo"))[0]["id"]
    change(world, "enrollments", ada(world), waiting_for="message", wake_at=None, message_id=other)


def waits_for_a_settled_message(world: World) -> None:
    mine = her_message(world)["id"]
    change(world, "enrollments", ada(world), waiting_for="message", wake_at=None, message_id=mine, moved_at=LONG_AGO)


def held(world: World, **values: Any) -> None:
    change(world, "enrollments", ada(world), waiting_for="hold", wake_at=None, **values)


def held_without_a_way_back(world: World) -> None:
    held(world, reason="by-person")


def a_forgotten_hold(world: World) -> None:
    back = {"held_for": "wake", "held_since": START, "held_wake_at": START + 3 * DAY}
    held(world, reason="colleague-replied", hold_until=START + DAY / 2, **back)


def held_for_a_task_that_is_closed(world: World) -> None:
    back = {"held_for": "wake", "held_since": START, "held_wake_at": START + 3 * DAY}
    held(world, reason="in-sales-hands", moved_at=LONG_AGO, **back)


def twice_at_once(world: World) -> None:
    row = world.rows("enrollments", **ada(world))[0]
    row.pop("id")
    without_rules(world, "DROP INDEX uq_enrollments_active")
    add(world, "enrollments", **row)


def of_another_sequence(world: World) -> None:
    (version,) = (row["id"] for row in world.rows("definition_versions", key="emails/more"))
    change(world, "enrollments", {"lead_id": world.lead_id("cleo")}, version_id=version)


def on_a_step_that_is_gone(world: World) -> None:
    change(world, "enrollments", ada(world), step_id="nowhere")


def awaits_an_event_where_there_is_none(world: World) -> None:
    change(world, "enrollments", ada(world), waiting_for="event", step_id="three-days")


def skipped_a_step(world: World) -> None:
    world.now += 3 * DAY
    world.run()
    remove(
        world, "executed_steps", enrollment_id=world.rows("enrollments", **ada(world))[0]["id"], step_id="three-days"
    )


def stands_where_no_step_led(world: World) -> None:
    change(world, "enrollments", ada(world), step_id="more")


def lost_its_ledger_row(world: World) -> None:
    remove(world, "messages", id=her_message(world)["id"])


def lost_its_step(world: World) -> None:
    remove(world, "executed_steps", step_id="thanks")


def message_of_another_lead(world: World) -> None:
    change(world, "messages", {"id": her_message(world)["id"]}, lead_id=world.lead_id("bo"))


def accepted_at_no_time(world: World) -> None:
    change(world, "messages", {"id": her_message(world)["id"]}, handed_over_at=None)


def unknown_for_weeks(world: World) -> None:
    doubt = {"status": "unknown", "reason": "reply-lost"}
    change(world, "messages", {"id": her_message(world)["id"]}, handed_over_at=START - 9 * DAY, **doubt)


def left_in_hand(world: World) -> None:
    mine = her_message(world)["id"]
    change(world, "messages", {"id": mine}, status="handing_over", owner="gone", settled_at=None)
    change(world, "enrollments", ada(world), waiting_for="message", wake_at=None, message_id=mine)


def never_its_turn(world: World) -> None:
    old = {"queued_at": LONG_AGO, "status": "queued", "settled_at": None, "handed_over_at": None}
    change(world, "messages", {"id": her_message(world)["id"]}, **old)


def accepted_twice(world: World) -> None:
    change(world, "messages", {"id": her_message(world)["id"]}, provider_id="queue-1")
    other = world.rows("messages", lead_id=world.lead_id("cleo"))[0]["id"]
    values = {"status": "accepted", "transport": her_message(world)["transport"], "provider_id": "queue-1"}
    change(world, "messages", {"id": other}, marketing=False, handed_over_at=START, **values)


def sent_to_a_suppressed_address(world: World) -> None:
    address = world.rows("leads", id=world.lead_id("ada"))[0]["email_hash"]
    add(world, "suppressions", email_hash=address, scope="topic:nurture", reason="unsubscribed", since=LONG_AGO)


def sent_without_consent(world: World) -> None:
    change(world, "messages", {"id": her_message(world)["id"]}, consent_id=None)


def sent_after_a_withdrawal(world: World) -> None:
    word = {"topic": "nurture", "status": "withdrawn", "basis": "consent", "source": "letter"}
    change(world, "consents", {**ada(world), "topic": "nurture"}, occurred_at=LONG_AGO)
    at = {"occurred_at": START - DAY, "recorded_at": START - DAY}
    add(world, "consents", **ada(world), **word, **at)


def sent_during_a_hold(world: World) -> None:
    with world.database.write() as connection:
        sequences.set_state(connection, "papers", "hold", None, START - DAY)


def points_that_do_not_add_up(world: World) -> None:
    # The total and the parts still agree.
    change(world, "scores", ada(world), interest=20.0, fit=-6.0)


def never_scored(world: World) -> None:
    remove(world, "scores", **ada(world))
    remove(world, "score_contributions", **ada(world))


def points_of_a_dead_rule(world: World) -> None:
    change(world, "score_contributions", {**ada(world), "rule": "known"}, rule="long gone")


def account_with_other_sums(world: World) -> None:
    change(world, "accounts", total=1.0)


def stage_without_transition(world: World) -> None:
    change(world, "leads", {"id": world.lead_id("ada")}, stage="customer")


def a_jump_between_stages(world: World) -> None:
    change(world, "stage_transitions", ada(world), from_stage="sql")


def qualified_without_task(world: World) -> None:
    remove(world, "sales_task_leads", lead_id=world.lead_id("bo"))
    remove(world, "sales_tasks", lead_id=world.lead_id("bo"))


def task_without_its_lead(world: World) -> None:
    remove(world, "sales_task_leads", lead_id=world.lead_id("bo"))
    add(world, "sales_task_leads", task_id=1, lead_id=world.lead_id("cleo"), added_at=START)


def two_open_tasks(world: World) -> None:
    row = world.rows("sales_tasks")[0]
    row |= {"id": row["id"] + 1, "subject_key": f"lead:{row['lead_id']}", "transition_id": None}
    add(world, "sales_tasks", **row)
    for name in ("bo", "cleo"):
        add(world, "sales_task_leads", task_id=row["id"], lead_id=world.lead_id(name), added_at=START)


def consent_of_nobody(world: World) -> None:
    change(world, "consent_states", {**ada(world), "topic": "nurture"}, status="withdrawn")


def member_without_hash(world: World) -> None:
    change(world, "audience_members", ada(world), member_hash=None)


def member_without_consent(world: World) -> None:
    change(world, "consents", {**ada(world), "topic": "ads"}, status="withdrawn")
    change(world, "consent_states", {**ada(world), "topic": "ads"}, status="withdrawn")


def member_who_was_forgotten(world: World) -> None:
    remove(world, "audience_members", **ada(world))


def merged_and_still_active(world: World) -> None:
    world.lead("dora")
    world.happens("dora", "page.viewed")
    world.run()
    change(world, "leads", {"id": world.lead_id("dora")}, merged_into_id=world.lead_id("ada"), merged_at=world.now)
    add(world, "entry_marks", sequence="papers", lead_id=world.lead_id("dora"), since=world.now)


def in_a_batch_of_nobody(world: World) -> None:
    add(world, "work_queue", queue="score", **ada(world), batch="gone", marked_at=world.now)


def left_in_a_queue(world: World) -> None:
    add(world, "work_queue", queue="entry", **ada(world), marked_at=LONG_AGO)


def lifted_by_nobody(world: World) -> None:
    world.happens("ada", "email.complained")
    world.run()
    change(world, "suppressions", lifted_at=world.now, lifted_because="operator: she is a friend")


def pending_for_weeks(world: World) -> None:
    """Of a topic that nothing else asks for."""
    old = world.now - 40 * DAY
    values = {"lead_id": world.lead_id("ada"), "topic": "old", "status": "pending", "basis": "consent"}
    with world.database.write() as connection:
        said = {**values, "source": "test", "occurred_at": old, "recorded_at": old}
        made = connection.execute(sa.insert(metadata.tables["consents"]).values(said)).inserted_primary_key
        state = {**values, "consent_id": made[0], "since": old}
        connection.execute(sa.insert(metadata.tables["consent_states"]).values(state))


@dataclass(frozen=True)
class Breach:
    """How one invariant is broken; what else is then broken, too, and what remains of it all after a repair."""

    check: str
    broken_by: Callable[[World], None]
    also: set[str] = field(default_factory=set)
    left: set[str] = field(default_factory=set)
    # What a person is told of in the days after.
    later: set[str] = field(default_factory=set)
    # Not while a person holds it.
    goes_on: bool = True

    @property
    def id(self) -> str:
        return self.broken_by.__name__


BREACHES = [
    Breach("liveness", forgotten),
    Breach("waits-for-one-thing", waits_for_nothing),
    Breach("awaited-message", waits_for_a_foreign_message),
    Breach("settled-message", waits_for_a_settled_message),
    Breach("hold-with-a-way-back", held_without_a_way_back, goes_on=False),
    Breach("forgotten-hold", a_forgotten_hold),
    Breach("forgotten-hold", held_for_a_task_that_is_closed),
    Breach("once-at-a-time", twice_at_once),
    Breach("version-of-sequence", of_another_sequence, left={"version-of-sequence"}),
    Breach("step-exists", on_a_step_that_is_gone),
    Breach("awaited-event", awaits_an_event_where_there_is_none),
    Breach("path", skipped_a_step, left={"path"}),
    Breach("path", stands_where_no_step_led, left={"path"}),
    Breach("ledger-has-step", lost_its_ledger_row, later={"unknown-age"}),
    Breach("step-has-ledger", lost_its_step, also={"path"}),
    Breach("message-of-enrollment", message_of_another_lead, left={"message-of-enrollment"}),
    Breach("verdict", accepted_at_no_time),
    Breach("unknown-age", unknown_for_weeks, left={"unknown-age"}),
    Breach("left-in-hand", left_in_hand, later={"unknown-age"}),
    Breach("waits-too-long", never_its_turn, left={"waits-too-long"}),
    Breach("accepted-once", accepted_twice, left={"accepted-once"}),
    Breach("suppression", sent_to_a_suppressed_address, left={"suppression"}),
    Breach("consent", sent_without_consent, left={"consent"}),
    Breach("consent", sent_after_a_withdrawal, also={"consent-states"}, left={"consent"}),
    Breach("sent-during-hold", sent_during_a_hold, left={"sent-during-hold"}),
    Breach("sums", points_that_do_not_add_up, also={"account-totals"}),
    Breach("scored", never_scored, also={"account-totals"}),
    Breach("live-rules", points_of_a_dead_rule),
    Breach("account-totals", account_with_other_sums),
    Breach("stages", stage_without_transition, also={"audience-members"}),
    Breach("transition-chain", a_jump_between_stages, left={"transition-chain"}),
    Breach("sql-has-task", qualified_without_task, left={"sql-has-task"}),
    Breach("task-people", task_without_its_lead, also={"sql-has-task"}),
    Breach("one-open-task", two_open_tasks),
    Breach("consent-states", consent_of_nobody),
    Breach("suppression-lifts", lifted_by_nobody, goes_on=False),
    Breach("pending-consent", pending_for_weeks, left={"pending-consent"}),
    Breach("audience-hash", member_without_hash),
    Breach("audience-consent", member_without_consent, also={"audience-members"}),
    Breach("audience-members", member_who_was_forgotten),
    Breach("merged-hold-nothing", merged_and_still_active),
    Breach("erased-is-empty", erased_and_still_known, goes_on=False),
    Breach("queue-batches", in_a_batch_of_nobody),
    Breach("queues", left_in_a_queue, left={"queues"}),
]
