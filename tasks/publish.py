"""Publish definitions: make the working tree live, say what changes first, and take those in flight along."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from db import definitions, entries, scores, work
from db.definitions import Live
from db.derived import DerivePlan
from db.engine import Connection
from db.entries import EntryPlan
from nurture.check import check_documents
from nurture.definitions.bundle import Bundle, bundle_from_documents
from nurture.definitions.program import flatten
from nurture.definitions.sequences import Sequence
from nurture.errors import DefinitionError
from tasks.context import Context, Run
from tasks.definition_files import load_tree


@dataclass
class Plan:
    """What publishing would do."""

    changes: list[dict[str, Any]] = field(default_factory=list)
    leads: dict[str, int] = field(default_factory=dict)
    version: str = ""


def read_tree(context: Context) -> dict[str, Any]:
    """The documents of the working tree; raises DefinitionError that names the first problems."""
    checked = check_documents(load_tree(context.settings.templates))
    errors = [problem for problem in checked.problems if problem.severity == "error"]
    if errors:
        shown = "; ".join(f"{each.file}:{each.line}:{each.column}: {each.message}" for each in errors[:3])
        raise DefinitionError(f"{len(errors)} errors in the definitions: {shown}; run `ripen check`")
    return dict(checked.documents)


def publish_if_nothing_is(run: Run) -> dict[str, int]:
    """A database with nothing published takes the working tree on its first run, and says so."""
    with run.context.database.read() as connection:
        if definitions.live_hash(connection) is not None:
            return {}
    publish(run.context, run.now, note="first run: the working tree", mark_existing=False)
    run.notes["published"] = "nothing was published, so this run took the working tree"
    return {"published": 1}


def plan(context: Context) -> Plan:
    """What would change, and how many leads each change touches."""
    documents = read_tree(context)
    with context.database.read() as connection:
        live = definitions.live(connection)
        return _plan(connection, documents, live, context.settings.profile)


def _plan(connection: Connection, documents: dict[str, Any], live: Live | None, profile: str) -> Plan:
    hashes = {key: definitions.digest(body) for key, body in documents.items()}
    before = {key: definitions.digest(body) for key, body in live.documents.items()} if live else {}
    found = Plan(version=definitions.digest([profile, sorted(hashes.items())])[:12])
    for key in sorted({*hashes, *before}):
        if hashes.get(key) == before.get(key):
            continue
        kind = "added" if key not in before else "removed" if key not in hashes else "changed"
        found.changes.append({"definition": key, "change": kind})
        if key.startswith("sequences/") and live and key in live.versions:
            standing = definitions.in_flight(connection, live.versions[key])
            found.leads[f"{key}: in flight"] = sum(standing.values())
            gone = set(standing) - _steps(documents.get(key))
            if gone:
                found.leads[f"{key}: on removed steps"] = sum(standing[step] for step in gone)
    return found


def _steps(body: Any) -> set[str]:
    return {node.id for node in flatten(Sequence.model_validate(body))} if body else set()


def publish(
    context: Context,
    now: datetime,
    *,
    note: str | None = None,
    pinned: bool = False,
    enroll_existing: bool = False,
    mark_existing: bool = True,
    documents: dict[str, Any] | None = None,
) -> Plan:
    """Make definitions live; those in flight follow to the new version unless `pinned`.

    Those who fulfil a new entry condition already do not enter unless `enroll_existing`; only later edges do.
    """
    documents = read_tree(context) if documents is None else documents
    profile = context.settings.profile
    bundle = bundle_from_documents(documents, profile)
    with context.database.write() as connection:
        live = definitions.live(connection)
        found = _plan(connection, documents, live, profile)
        if live is not None and not found.changes and live.profile == profile:
            return found
        new = definitions.publish(connection, documents, profile, now, note)
        before = bundle_from_documents(live.documents, live.profile).sequences if live else {}
        for name, sequence in bundle.sequences.items():
            _take_along(connection, name, sequence, new.versions[f"sequences/{name}"], now, pinned)
            if mark_existing and (name not in before or before[name].entry != sequence.entry):
                _look_at_existing(connection, name, bundle, now, enter=enroll_existing)
        if not pinned:
            for name in before.keys() - bundle.sequences.keys():
                entries.stop_all(connection, name, "sequence-removed", now, also_pinned=False)
        if live is not None and (
            live.profile != profile
            or any(live.versions.get(key) != new.versions.get(key) for key in ("scoring", "lifecycle", "events"))
        ):
            DerivePlan(bundle).forget_others(connection)
            scores.mark_everyone(connection, now)
    return found


def _take_along(
    connection: Connection, name: str, sequence: Sequence, version: int, now: datetime, pinned: bool
) -> None:
    """Also those whom a run has enrolled in an older version while that was being replaced."""
    for old_version, body in definitions.versions_in_flight(connection, name, version).items():
        if pinned:
            definitions.pin(connection, old_version)
        else:
            moves = _moves(Sequence.model_validate(body), sequence)
            definitions.follow(connection, old_version, version, moves, now)


def _moves(old_sequence: Sequence, sequence: Sequence) -> dict[str, str | None]:
    """Where those go on whose step is gone: at the next surviving one, None when there is none."""
    kept = {node.id for node in flatten(sequence)}
    old = {node.id: node for node in flatten(old_sequence)}
    moves: dict[str, str | None] = {}
    for step in old:
        if step not in kept:
            following = old[step].next
            while following is not None and following not in kept:
                following = old[following].next
            moves[step] = following
    return moves


def _look_at_existing(connection: Connection, name: str, bundle: Bundle, now: datetime, *, enter: bool) -> None:
    """Take the marks of a new entry condition, or let the next run enroll everybody for whom it holds."""
    entries.forget_marks(connection, name)
    if enter:
        work.mark(connection, "entry", entries.everybody(), now)
    else:
        entries.mark_without_entering(connection, EntryPlan(name, bundle.sequences[name], bundle), now)
