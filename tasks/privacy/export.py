"""Give a person everything that is held about them: one JSON file, one CSV a noun, and the mails themselves."""

from __future__ import annotations

import csv
import io
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from db import erasure, erasures, explain, subject_export
from db.engine import Connection
from db.erasure import Subject
from nurture.errors import BadInput
from tasks.briefs import build_brief
from tasks.context import Compiled, Context
from tasks.explain import find
from tasks.privacy import places
from tasks.privacy.live import compiled_if_live
from tasks.wording import rule_label

# What a spreadsheet takes for a formula or a new cell, at the beginning of a cell.
_ACTIVE = ("=", "+", "-", "@", "\t", "\r", "|")
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Exported:
    """Where an export lies, and how many rows of each noun are in it."""

    lead: int
    folder: Path
    rows: Mapping[str, int]
    mails: int


def export_lead(context: Context, name: str, now: datetime, out: Path | None = None) -> Exported:
    """Write everything about a lead into a folder that only its owner may enter; raises UnknownLead and BadInput.

    An export that lies there already is written anew. Whose rows they are not is not in it: colleagues of a sales task
    are left out.
    """
    compiled = compiled_if_live(context)
    with context.database.read() as connection:
        subject = erasure.subject_of(connection, find(connection, name, context.settings))
        found = subject_export.everything(connection, subject, context.settings.secret_bytes())
        keys = erasures.message_keys(connection, subject.ids)
        found["sales_briefs"] = _briefs(connection, subject, found["sales_tasks"], compiled, context, now)
    _explain(found, compiled, subject)
    folder = out or places.export_of(context.settings, subject.lead_id)
    _make_room(folder)
    whole = {"lead": subject.lead_id, "ids": subject.ids, "exported_at": now, **found}
    places.write(folder / "subject.json", _as_json(whole))
    for noun, rows in found.items():
        if rows:
            places.write(folder / f"{noun}.csv", as_csv(rows))
    mails = _copy_mails(context.settings.inside(context.settings.email.folder), folder / "mails", keys)
    return Exported(subject.lead_id, folder, {noun: len(rows) for noun, rows in found.items() if rows}, mails)


def _make_room(folder: Path) -> None:
    """An empty folder; one that holds something else than an export stays as it is."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / "subject.json").is_file():
            raise BadInput(f"{folder} holds other files; name an empty folder, or a new one, with --out")
        shutil.rmtree(folder)
    places.make_folder(folder)


def _briefs(
    connection: Connection,
    subject: Subject,
    tasks: Sequence[Row],
    compiled: Compiled | None,
    context: Context,
    now: datetime,
) -> list[Row]:
    """What sales was told about the person, as it would be told today, without the colleagues."""
    briefs: list[Row] = []
    if compiled is None:
        return briefs
    for task in tasks:
        if explain.survivor(connection, int(task["lead_id"])) != subject.lead_id:
            continue
        facts, _ = build_brief(connection, int(task["id"]), compiled, context.settings, now)
        briefs.append({"task_id": task["id"], **{name: value for name, value in facts.items() if name != "colleagues"}})
    return briefs


def _explain(found: dict[str, list[Row]], compiled: Compiled | None, subject: Subject) -> None:
    """Say in words where points come from, and leave out of tasks whose person is somebody else what concerns them."""
    for row in found["score_contributions"]:
        row["reason"] = rule_label(compiled.bundle, row["rule"], row["kind"]) if compiled else row["rule"]
    words = ("id", "kind", "status", "owner", "opened_at", "due_at", "accepted_at", "closed_at")
    found["sales_tasks"] = [
        row if row["lead_id"] in subject.ids else {name: row[name] for name in words} for row in found["sales_tasks"]
    ]


def _copy_mails(outbox: Path, folder: Path, keys: Mapping[str, bool]) -> int:
    copied = 0
    for key in sorted(keys):
        mail = outbox / f"{key}.eml"
        if mail.is_file():
            places.make_folder(folder)
            places.write(folder / mail.name, mail.read_bytes())
            copied += 1
    return copied


def _as_json(value: Any) -> bytes:
    options = orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z | orjson.OPT_NON_STR_KEYS
    return orjson.dumps(value, option=options, default=str) + b"\n"


def as_csv(rows: Sequence[Row]) -> bytes:
    """Rows as CSV; a text that a spreadsheet would act on begins with an apostrophe."""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    writer.writerows([_cell(row.get(name)) for name in columns] for row in rows)
    return text.getvalue().encode()


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, datetime):
        return value.isoformat()
    shown = value if isinstance(value, str) else orjson.dumps(value, default=str).decode()
    return f"'{shown}" if shown.lstrip(" \n\"'").startswith(_ACTIVE) or shown.startswith(("\t", "\r")) else shown
