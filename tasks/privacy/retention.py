"""Let go of what has been kept long enough, and go on with the erasures of which something is left to do."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from db import erasures
from db import retention as kept
from db.engine import Connection
from nurture.failpoints import hit
from tasks.context import Run
from tasks.privacy import places
from tasks.privacy.erase import erase_by_rule, finish_all
from tasks.settings import Settings

# An erasure keeps everybody else waiting for a moment, so only so many of a rule's own in a run.
_ERASURES = 50
_NAMED = 20


def retention(run: Run) -> dict[str, int]:
    """Delete what the settings say is too old, so many rows a run, and finish erasures; the counts say what went."""
    database, rules = run.context.database, run.context.settings.retention
    limit = rules.rows_per_run

    def ago(days: int) -> datetime:
        return run.now - timedelta(days=days)

    parts: dict[str, Callable[[Connection], int]] = {
        "provider_reports_deleted": lambda c: kept.provider_reports(c, ago(rules.provider_facts_days), limit),
        "event_traces_removed": lambda c: kept.event_traces(c, ago(rules.event_traces_days), limit),
        "letters_deleted": lambda c: kept.settled_letters(c, ago(rules.settled_letters_days), limit),
        "frozen_mails_deleted": lambda c: kept.frozen(c, run.now, limit),
        "run_notes_deleted": lambda c: kept.run_notes(c, ago(rules.run_notes_days), limit),
        "rows_of_erased_deleted": lambda c: erasures.sweep(c),
    }
    counts: dict[str, int] = {}
    for name, part in parts.items():
        with database.write() as connection:
            counts[name] = part(connection)
        hit("retention.committed")
    counts["mail_files_deleted"] = _old_mails(run, ago(rules.mail_files_days), limit)
    counts["exports_deleted"] = _old_exports(run.context.settings, ago(rules.exports_days))
    counts |= _quiet_leads(run)
    counts["erasures_completed"] = finish_all(run)
    return {name: count for name, count in counts.items() if count}


def _old_mails(run: Run, before: datetime, limit: int) -> int:
    """Mails that were written as files, of messages settled long ago."""
    settings = run.context.settings
    folder = settings.inside(settings.email.folder)
    if not folder.is_dir():
        return 0
    keys = sorted(path.stem for path in folder.glob("*.eml"))[:limit]
    with run.context.database.read() as connection:
        old = kept.old_mails(connection, keys, before)
    for key in old:
        (folder / f"{key}.eml").unlink(missing_ok=True)
    return len(old)


def _old_exports(settings: Settings, before: datetime) -> int:
    """Exports that somebody has had the time to hand over."""
    gone = 0
    for folder in places.exports(settings).glob("lead-*"):
        if folder.is_dir() and datetime.fromtimestamp(folder.stat().st_mtime, UTC) < before:
            shutil.rmtree(folder, ignore_errors=True)
            gone += 1
    return gone


def _quiet_leads(run: Run) -> dict[str, int]:
    """Leads of whom nothing was heard for so long: named by number for a person to decide, or erased."""
    rules = run.context.settings.retention
    if rules.quiet_leads_days is None:
        return {}
    before = run.now - timedelta(days=rules.quiet_leads_days)
    erase = rules.quiet_leads == "erase"
    with run.context.database.read() as connection:
        quiet = kept.quiet_leads(connection, before, _ERASURES if erase else rules.rows_per_run)
    if not erase:
        if quiet:
            run.notes["quiet_leads"] = quiet[:_NAMED]
        return {"quiet_leads": len(quiet)}
    for lead in quiet:
        erase_by_rule(run, lead, "retention: nothing was heard of the person")
    return {"quiet_leads_erased": len(quiet)}
