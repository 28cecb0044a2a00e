"""`ripen import leads|events` as commands: read the file, then let what is only history take effect silently."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, Parameter

from cli.importing import import_command
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from tasks.absorb import absorb
from tasks.live_catalogue import LiveCatalogue
from tasks.workspace import open_context

app = App(name="import", help="Bring in leads or events from a file: CSV, JSONL or Parquet; resumable.")
MappingName = Annotated[str | None, Parameter(name="--mapping", help="A file, or a name in templates/mappings/.")]
DryRun = Annotated[bool, Parameter(name="--dry-run", negative="", help="Say what would happen and change nothing.")]
Enroll = Annotated[
    bool, Parameter(name="--enroll", negative="", help="Let it enroll people and open sales tasks, unlike history.")
]


@app.command
def leads(
    file: Path,
    /,
    *,
    mapping: MappingName = None,
    now: Now = None,
    dry_run: DryRun = False,
    enroll: Enroll = False,
    home: Home = None,
    json: Json = False,
) -> int:
    """Import leads; without a mapping by the columns email, name, phone, company, country, source, ...

    Example: `ripen import leads fair.csv --enroll`, or `ripen import leads Leads.csv --mapping x_education`
    """
    return _import("leads", file, mapping, now, dry_run, enroll, home_of(home), json)


@app.command
def events(
    file: Path,
    /,
    *,
    mapping: MappingName = None,
    now: Now = None,
    dry_run: DryRun = False,
    enroll: Enroll = False,
    home: Home = None,
    json: Json = False,
) -> int:
    """Import events; without a mapping by the columns source, source_event_id, email, type, occurred_at, ...

    Example: `ripen import events history.jsonl`, or `ripen import events today.csv --enroll`
    """
    return _import("events", file, mapping, now, dry_run, enroll, home_of(home), json)


def _import(
    kind: Literal["leads", "events"],
    file: Path,
    mapping: str | None,
    now: str | None,
    dry_run: bool,
    enroll: bool,
    home: Path,
    json: bool,
) -> int:
    context = open_context(home)
    at = instant(now, context.settings.project.time_zone)
    code = import_command(
        home,
        kind,
        file.expanduser(),
        mapping,
        at,
        dry_run,
        enroll,
        json,
        database=context.database,
        catalogue=LiveCatalogue(context.database, context.settings).get(),
        secret=context.settings.secret_bytes(),
    )
    if not dry_run and not enroll:
        absorb(context, at)
    return code
