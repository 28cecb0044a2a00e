"""The sales brief: everything known about a lead before the first call, as plain facts and as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from db import explain
from db.engine import Connection
from nurture.definitions.bundle import Bundle
from nurture.errors import BadInput, RenderRefused
from nurture.local_time import zone_of
from nurture.rendering.brief import render_markdown
from tasks.context import Compiled
from tasks.settings import Settings
from tasks.wording import cause_in_words, event_detail, event_label, rule_label, stage_label

TEMPLATE = "sales/brief.md"
_TIMELINE = 25
_CONTENT = 15
_MAILS = 15
_COLLEAGUES = 8
# For a workspace without a brief of its own, or with one that cannot be rendered: the task itself must arrive.
_PLAIN = "# {{ lead.name }}\n\n**{{ task.title }}.** {{ task.reason }}\n\nSuggested next step: {{ next_step }}\n"


def build_brief(
    connection: Connection, task_id: int, compiled: Compiled, settings: Settings, now: datetime
) -> tuple[dict[str, Any], str]:
    """The facts of a sales task for the CRM (plain JSON, instants as ISO 8601 in UTC), and the brief as Markdown.

    Times in the brief are in the project's time zone. Raises BadInput when there is no such task.
    """
    task = explain.task(connection, task_id)
    if task is None:
        raise BadInput(f"there is no sales task {task_id}; `ripen tasks` lists them")
    bundle = compiled.bundle
    person = explain.survivor(connection, int(task["lead_id"]))
    facts = _facts(connection, bundle, task, person, now)
    context = _in_zone(facts, zone_of(None, None, settings.project.time_zone))
    template = bundle.templates.get(TEMPLATE, _PLAIN)
    try:
        brief = render_markdown(template, context)
    except RenderRefused:
        brief = render_markdown(_PLAIN, context)
    told = {**facts, "task": {**facts["task"], **_of_record(task)}, "lead": {"id": person, **facts["lead"]}}
    return _plain(told), brief


def _facts(
    connection: Connection, bundle: Bundle, task: Mapping[str, Any], lead_id: int, now: datetime
) -> dict[str, Any]:
    row = explain.lead(connection, lead_id)
    assert row is not None
    moves = explain.transitions(connection, lead_id)
    rows = {
        "timeline": explain.timeline(connection, lead_id, now, _TIMELINE),
        "content": explain.timeline_of(connection, lead_id, now, _CONTENT, _content_types(bundle)),
    }
    return {
        "lead": _lead(row),
        "task": {
            "title": task["title"],
            "reason": _why(bundle, task, moves, rows["timeline"]),
            "due_at": task["due_at"],
            "owner": task["owner"],
            "opened_at": task["opened_at"],
            "escalated_at": task["escalated_at"],
        },
        "score": _score(connection, bundle, lead_id),
        "stage": {
            "name": stage_label(row["stage"]),
            "since": row["stage_since"] or row["created_at"],
            "cause": cause_in_words(bundle, moves[-1]) if moves else "known since then",
        },
        "timeline": [_happening(bundle, each, "detail") for each in rows["timeline"]],
        "content": [_happening(bundle, each, "title") for each in rows["content"]],
        "mails": _mails(connection, bundle, lead_id),
        "consent": [
            {**{key: each[key] for key in ("topic", "status", "basis", "source")}, "at": each["since"]}
            for each in explain.consents_of(connection, lead_id)
        ],
        "colleagues": [
            {
                "name": _name(each),
                "job_title": each["job_title"],
                "stage": stage_label(each["stage"]),
                "score": float(each["total"]),
                "email": each["email"],
            }
            for each in explain.colleagues(connection, lead_id, int(task["id"]), _COLLEAGUES)
        ],
        "next_step": task["next_step"],
    }


def _why(
    bundle: Bundle, task: Mapping[str, Any], moves: Sequence[Mapping[str, Any]], timeline: Sequence[Mapping[str, Any]]
) -> str:
    """What made the lead an SQL, with the one detail that says most; for a step's task, the step's own words."""
    move = next((each for each in moves if each["id"] == task["transition_id"]), None)
    if move is None:
        return event_label(bundle, task["reason"] or "")
    event = next((each for each in timeline if each["id"] == move["event_id"]), None)
    detail = event_detail(event) if event else ""
    happened = move["event_at"] or move["effective_at"]
    return cause_in_words(bundle, move) + (f": {detail}" if detail else "") + f", {happened:%Y-%m-%d}"


def _lead(row: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("email", "phone", "company", "job_title", "country", "source", "created_at", "language")
    return {"name": _name(row), **{key: row[key] for key in kept}}


def _name(row: Mapping[str, Any]) -> str | None:
    """The name as far as it is known; else the address, else nothing."""
    parts = " ".join(part for part in (row.get("first_name"), row.get("last_name")) if part)
    return row.get("name") or parts or row.get("email")


def _score(connection: Connection, bundle: Bundle, lead_id: int) -> dict[str, Any]:
    held = explain.score(connection, lead_id) or {"interest": 0.0, "fit": 0.0, "total": 0.0}
    parts = explain.contributions(connection, lead_id)
    return {
        **{key: float(held[key]) for key in ("interest", "fit", "total")},
        "contributions": [
            {
                "rule": each["rule"],
                "label": rule_label(bundle, each["rule"], each["kind"]),
                "points": float(each["points"]),
                "times": int(each["events"]) or None,
            }
            for each in parts
        ],
    }


def _happening(bundle: Bundle, row: Mapping[str, Any], detail: str) -> dict[str, Any]:
    return {
        "at": row["occurred_at"],
        "type": row["type"],
        "label": event_label(bundle, row["type"]),
        detail: event_detail(row) or None,
    }


def _mails(connection: Connection, bundle: Bundle, lead_id: int) -> list[dict[str, Any]]:
    answers = explain.answers_of(connection, lead_id)
    sent = [each for each in explain.messages_of(connection, lead_id) if each["status"] in ("accepted", "unknown")]
    return [
        {
            "at": each["handed_over_at"] or each["settled_at"],
            "subject": each["subject"] or each["email"],
            "status": ", ".join(
                [
                    _sent_word(each["status"]),
                    *(
                        event_label(bundle, kind).removeprefix("E-mail ").lower()
                        for kind in answers.get(int(each["id"]), [])
                    ),
                ]
            ),
        }
        for each in sent[:_MAILS]
    ]


def _sent_word(status: str) -> str:
    return "sent" if status == "accepted" else "sent or not: the reply was lost"


def _content_types(bundle: Bundle) -> list[str]:
    return [name for name, kind in bundle.catalogue.events.items() if kind.channel in ("content", "webinar", "event")]


def _of_record(task: Mapping[str, Any]) -> dict[str, Any]:
    """What a CRM keeps beside the words: which task it is, and how it stands."""
    kept = ("id", "kind", "status", "subject_key", "qualified_at", "accepted_at", "closed_at", "escalated_at")
    return {key: task[key] for key in kept}


def _in_zone(value: Any, zone: Any) -> Any:
    if isinstance(value, datetime):
        return value.astimezone(zone)
    if isinstance(value, dict):
        return {key: _in_zone(each, zone) for key, each in value.items()}
    return [_in_zone(each, zone) for each in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return [_plain(each) for each in value] if isinstance(value, list) else value
