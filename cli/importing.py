"""`ripen import`: leads or events from a file."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Literal

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.output import print_json, print_table, say
from db.engine import Database
from nurture.definitions.catalogue import Catalogue
from tasks.import_file import ImportReport, import_file
from tasks.mappers import load_mapping

_SHOWN = 20


def import_command(
    home: Path,
    kind: Literal["leads", "events"],
    file: Path,
    mapping: str | None,
    now: datetime,
    dry_run: bool,
    enroll: bool,
    json: bool,
    *,
    database: Database,
    catalogue: Catalogue,
    secret: bytes,
) -> int:
    """Import a file and show what came of it; raises BadInput when the file or its mapping cannot be used."""
    found = load_mapping(mapping, home / "templates") if mapping else None
    with _progress() as bar:
        task = bar.add_task(f"{kind} from {file.name}", total=None)
        report = import_file(
            database,
            file,
            kind,
            found,
            now=now,
            catalogue=catalogue,
            secret=secret,
            dry_run=dry_run,
            enroll=enroll,
            mapping_name=mapping,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    show(report, json)
    return 0


def show(report: ImportReport, json: bool) -> None:
    """What an import did: one JSON object, or tables."""
    if json:
        print_json(as_json(report))
        return
    counts = {
        "rows": report.rows,
        "created": report.created,
        "updated": report.updated,
        "duplicates": report.duplicates,
        "skipped by the mapping": report.skipped,
        "refused": report.refused,
    }
    if report.kind == "leads" and report.counts.get("events_created"):
        counts["events"] = report.counts["events_created"]
    title = f"{report.file}: {report.kind}" + (" (dry run: nothing was stored)" if report.dry_run else "")
    print_table(title, ["what", "count"], counts.items())
    if report.refusals:
        refused = [(each["line"], each["reason"], each["message"]) for each in report.refusals[:_SHOWN]]
        print_table("Refused", ["line", "reason", "what is wrong"], refused)
        if report.refused > _SHOWN:
            say(f"... and {report.refused - _SHOWN} more")
        if not report.dry_run:
            say("They wait as dead letters: `ripen letters` lists them, `ripen letters replay` tries them again.")
    if report.already_imported:
        say(f"This file was imported on {report.already_imported[:10]}; nothing was changed.")
    elif report.resumed_at:
        say(f"An earlier import had stopped after row {report.resumed_at}; this one went on from there.")


def as_json(report: ImportReport) -> dict[str, object]:
    """The report as one object."""
    return {
        "file": report.file,
        "kind": report.kind,
        "rows": report.rows,
        "created": report.created,
        "updated": report.updated,
        "duplicates": report.duplicates,
        "skipped": report.skipped,
        "refused": report.refused,
        "refusals": report.refusals,
        "counts": report.counts,
        "dry_run": report.dry_run,
        "resumed_at": report.resumed_at,
        "already_imported": report.already_imported,
    }


def _progress() -> Progress:
    """A bar on stderr, only where somebody can see it move."""
    out = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=out, transient=True, disable=not out.is_terminal)
