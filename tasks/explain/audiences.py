"""Each advertising audience: whether the lead is a member, and why or why not, by the rules of the sync itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from db import explain
from db.audiences import AudiencePlan
from db.engine import Connection
from nurture.definitions.audiences import Audience
from nurture.definitions.bundle import Bundle
from tasks.conditions_in_words import About, tree
from tasks.explain.scores import Facts
from tasks.reasons import AUDIENCES


def audiences(
    connection: Connection,
    bundle: Bundle,
    plans: Mapping[str, AudiencePlan],
    lead_id: int,
    about: About,
    now: datetime,
) -> list[Facts]:
    """Every live audience with `member` (as the platforms were told), `wanted` (as it should be) and the reason."""
    standing = explain.standing(connection, lead_id, plans, now)
    criteria = {name: plan.audience.when for name, plan in plans.items() if plan.audience.when is not None}
    held = explain.truths(connection, lead_id, criteria, bundle.fields, now)
    choices = explain.choices_of(connection, lead_id)
    told: dict[str, list[Facts]] = {}
    for row in explain.memberships_of(connection, lead_id):
        told.setdefault(row["audience"], []).append({name: row[name] for name in row if name != "audience"})
    found = []
    for name, plan in plans.items():
        choice = choices.get(name)
        meets = held[name].holds if name in held else None
        reason = _why(plan.audience, standing[name], choice, meets, about)
        found.append(
            {
                "audience": name,
                "title": plan.audience.title or name,
                "kind": plan.audience.kind,
                "member": any(each["status"] in ("member", "removing") for each in told.get(name, [])),
                "wanted": standing[name]["wanted"],
                "reason": reason,
                "says": AUDIENCES[reason],
                "platforms": told.get(name, []),
                "choice": choice,
                "criteria": tree(bundle, held[name], about) if name in held else None,
            }
        )
    return found


def _why(
    audience: Audience, standing: Mapping[str, bool], choice: Mapping[str, Any] | None, meets: bool | None, about: About
) -> str:
    """In the order in which the sync asks."""
    chosen = choice["choice"] if choice else None
    if standing["wanted"]:
        return "criteria" if meets else "chosen"
    if not about.row["email"]:
        return "no-address"
    if audience.kind == "prospecting" and about.stage == "customer":
        return "customer"
    if audience.kind == "prospecting" and standing["in_sales_hands"]:
        return "in-sales-hands"
    if not standing["allowed"]:
        return "basis-not-allowed" if standing["granted"] else "no-consent"
    if standing["suppressed"]:
        return "suppressed"
    if chosen == "remove":
        return "removed-by-step"
    return "criteria-not-met" if meets is False else "not-chosen"
