"""Audiences of a lead: what each platform was told, and what sequence steps have chosen."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, and_, select

from db.audiences import AudiencePlan
from db.explain.conditions import asked
from db.explain.rows import LEAD, Row, every
from db.sales_tasks import has_open_task
from db.tables import audience_choices, audience_members, enrollments, leads


def memberships_of(connection: Connection, lead_id: int) -> list[Row]:
    """What each platform was, or will be, told of the lead."""
    return every(connection, _MEMBERSHIPS, lead=lead_id)


_MEMBERSHIPS = (
    select(
        audience_members.c.audience,
        audience_members.c.platform,
        audience_members.c.status,
        audience_members.c.reason,
        audience_members.c.changed_at,
        audience_members.c.told_at,
    )
    .where(audience_members.c.lead_id == LEAD)
    .order_by(audience_members.c.audience, audience_members.c.platform)
)


def choices_of(connection: Connection, lead_id: int) -> dict[str, Row]:
    """What a sequence step has chosen for the lead, by audience."""
    return {str(row["audience"]): row for row in every(connection, _CHOICES, lead=lead_id)}


_CHOICES = (
    select(
        audience_choices.c.audience,
        audience_choices.c.choice,
        audience_choices.c.step_id,
        audience_choices.c.chosen_at,
        enrollments.c.sequence,
    )
    .outerjoin(enrollments, enrollments.c.id == audience_choices.c.enrollment_id)
    .where(audience_choices.c.lead_id == LEAD)
)


def standing(
    connection: Connection, lead_id: int, plans: Mapping[str, AudiencePlan], now: datetime
) -> dict[str, dict[str, bool]]:
    """For each audience whether the lead should be a member, and the questions that decide it; one statement."""
    questions: dict[tuple[str, str], ColumnElement[bool]] = {}
    for name, plan in plans.items():
        questions[name, "wanted"] = and_(*plan.wanted)
        questions[name, "granted"] = plan.granted
        questions[name, "allowed"] = plan.allowed
        questions[name, "suppressed"] = plan.suppressed
    questions["", "in_sales_hands"] = has_open_task(leads.c.id)
    answers = dict(zip(questions, asked(connection, lead_id, list(questions.values()), now), strict=True))
    in_sales_hands = answers.pop(("", "in_sales_hands"))
    found: dict[str, dict[str, bool]] = {name: {"in_sales_hands": in_sales_hands} for name in plans}
    for (name, question), answer in answers.items():
        found[name][question] = answer
    return found
