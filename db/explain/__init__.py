"""Everything that is known about one lead, read for people: why it stands where it stands, and what it was sent."""

from __future__ import annotations

from db.explain.audiences import choices_of, memberships_of, standing
from db.explain.conditions import Held, truths
from db.explain.messages import answers_of, ledger_of, messages_of
from db.explain.people import (
    colleagues,
    consents_at,
    consents_of,
    find_lead,
    lead,
    suppressions_of,
    survivor,
    timeline,
    timeline_of,
)
from db.explain.rows import Row
from db.explain.scores import (
    contributions,
    events_behind,
    machine_events,
    score,
    score_as_of,
    waits_for_rescore,
)
from db.explain.sequences import enrollments_of, marks_of, published_at, something_new_by, steps_of, versions
from db.explain.stages import did_since, last_given_back, transitions
from db.explain.tasks import task, tasks_of

__all__ = [
    "Held",
    "Row",
    "answers_of",
    "choices_of",
    "colleagues",
    "consents_at",
    "consents_of",
    "contributions",
    "did_since",
    "enrollments_of",
    "events_behind",
    "find_lead",
    "last_given_back",
    "lead",
    "ledger_of",
    "machine_events",
    "marks_of",
    "memberships_of",
    "messages_of",
    "published_at",
    "score",
    "score_as_of",
    "something_new_by",
    "standing",
    "steps_of",
    "suppressions_of",
    "survivor",
    "task",
    "tasks_of",
    "timeline",
    "timeline_of",
    "transitions",
    "truths",
    "versions",
    "waits_for_rescore",
]
