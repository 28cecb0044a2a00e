"""Whether one lead would get an e-mail if its turn came now, where the lead stands, and what it has got already."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

from db import imagined, sequences
from db.contact_caps import ContactCaps
from db.messages import FREQUENCY_CAP
from nurture.definitions.bundle import Bundle
from nurture.definitions.emails import EmailSource
from nurture.errors import DefinitionError
from nurture.permissions import permissions_of
from tasks.context import Context
from tasks.explain import explain_lead
from tasks.reasons import HOLDS, MESSAGES, in_words

Facts = dict[str, Any]
_NOTHING: Facts = {"enrollments": [], "not_in": [], "messages": []}


def reach(
    context: Context, bundle: Bundle, email: EmailSource, steps: Mapping[str, str], lead_id: int, now: datetime
) -> Facts:
    """The verdict of the hand-over on an imagined message, and the lead's place in each sequence that sends it.

    `steps` are these sequences with the step that does. Quiet hours are left out: they only put a message off.
    """
    with context.database.read() as connection:
        caps = ContactCaps(bundle.lifecycle.contact.caps)
        marketing = email.kind == "marketing"
        verdict = imagined.verdict(
            connection,
            lead_id,
            email=email.name,
            topic=email.topic,
            marketing=marketing,
            caps=caps,
            permissions=permissions_of(bundle),
            now=now,
        )
        states = sequences.states(connection)
    reason, until = verdict.refusal, None
    if reason is None and verdict.free_at > now:
        reason, until = FREQUENCY_CAP, verdict.free_at
    known = _explained(context, lead_id, now)
    return {
        "allowed": reason is None,
        "reason": reason,
        "says": in_words(MESSAGES, reason) or "nothing stands in the way: consent, suppression, stage and cap allow it",
        "until": until,
        "sequences": [_place(bundle, known, states, name, step) for name, step in steps.items()],
        "earlier": list(_earlier(known, email.name)),
    }


def _explained(context: Context, lead_id: int, now: datetime) -> Facts:
    try:
        return {**_NOTHING, **explain_lead(context, str(lead_id), now)}
    except DefinitionError:
        # Nothing is published yet, so nobody is in anything.
        return _NOTHING


def _place(bundle: Bundle, known: Facts, states: Mapping[str, str], name: str, step: str) -> Facts:
    """Where the lead stands in one sequence, or why it is not in it."""
    place: Facts = {"sequence": name, "title": bundle.sequences[name].title, "step": step, "inside": False}
    for each in known["enrollments"]:
        if each["sequence"] == name and each["status"] == "active":
            says = f"in it, at the step `{each['step']}`"
            if states.get(name) == "hold":
                says += f"; {HOLDS['on-hold']}"
            return {**place, "inside": True, "reason": None, "says": says}
    for each in known["not_in"]:
        if each["sequence"] == name:
            return {**place, "reason": each["reason"], "says": each["says"]}
    return {**place, "reason": "not-published", "says": "this sequence is not published yet"}


def _earlier(known: Facts, email: str) -> Iterator[Facts]:
    for each in known["messages"]:
        if each["email"] == email:
            at = each["settled_at"] or each["handed_over_at"] or each["queued_at"]
            told = {name: each[name] for name in ("id", "sequence", "step_id", "status", "reason")}
            yield {**told, "says": each["why"], "at": at}
