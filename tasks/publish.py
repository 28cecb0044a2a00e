"""Publish definitions: make the working tree (or an earlier version) live, and take those in flight along.

A plan is the very same work in a transaction that is rolled back, so that its counts are what would happen.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from db import definitions, entries, follow, messages, scores, work
from db.conditions import Scope
from db.definitions import Live
from db.derived import DerivePlan
from db.engine import Connection
from db.entries import EntryPlan
from nurture.check import check_documents
from nurture.definitions.bundle import Bundle, bundle_from_documents
from nurture.definitions.patterns import expand_patterns
from nurture.definitions.sequences import Sequence
from nurture.errors import BadInput, DefinitionError
from nurture.problems import Problem
from nurture.score_lines import lines_of
from tasks.context import Context, Run
from tasks.definition_files import load_tree
from tasks.plans import plans_of


@dataclass
class Plan:
    """What publishing does, or would do: changed definitions, affected leads by kind, and the version's hash."""

    changes: list[dict[str, Any]] = field(default_factory=list)
    leads: dict[str, int] = field(default_factory=dict)
    version: str = ""

    def count(self, what: str, leads: int) -> None:
        """Note how many leads a change touches, when it touches any."""
        if leads > 0:
            self.leads[what] = self.leads.get(what, 0) + leads


@dataclass(frozen=True)
class Choices:
    """What the author chooses for those in flight, and for those who are eligible already."""

    pinned: bool = False
    enroll_existing: bool = False
    mark_existing: bool = True


def read_tree(context: Context) -> dict[str, Any]:
    """The documents of the working tree; raises DefinitionError that names the first problems."""
    checked = check_documents(load_tree(context.settings.templates))
    refuse_errors(checked.errors)
    return dict(checked.documents)


def refuse_errors(errors: Iterable[Problem]) -> None:
    """Raise DefinitionError that names the first of the errors, when there are any."""
    errors = list(errors)
    if errors:
        shown = "; ".join(f"{each.file}:{each.line}:{each.column}: {each.message}" for each in errors[:3])
        raise DefinitionError(f"{len(errors)} errors in the definitions: {shown}; run `ripen check`")


def documents_of(context: Context, version: str) -> dict[str, Any]:
    """The documents of an earlier publication, by its id or the beginning of its hash; raises BadInput."""
    with context.database.read() as connection:
        found = definitions.find(connection, version)
    if found is None:
        raise BadInput(f"no publication has the version `{version}`; `ripen publish --history` lists them")
    return found.documents


def publish_if_nothing_is(run: Run) -> dict[str, int]:
    """A database with nothing published takes the working tree on its first run, and says so."""
    with run.context.database.read() as connection:
        if definitions.live_hash(connection) is not None:
            return {}
    publish(run.context, run.now, note="first run: the working tree", mark_existing=False)
    run.notes["published"] = "nothing was published, so this run took the working tree"
    return {"published": 1}


def plan(context: Context, now: datetime, *, documents: dict[str, Any] | None = None, **choices: bool) -> Plan:
    """What publishing would change, and how many leads each change would touch; nothing of it stays."""
    return _publish(context, now, documents, None, Choices(**choices), keep=False)


def publish(
    context: Context,
    now: datetime,
    *,
    note: str | None = None,
    documents: dict[str, Any] | None = None,
    **choices: bool,
) -> Plan:
    """Make definitions live; those in flight follow to the new version unless `pinned`.

    Those who fulfil a new entry condition already do not enter unless `enroll_existing`; only later edges do.
    """
    return _publish(context, now, documents, note, Choices(**choices), keep=True)


def _publish(
    context: Context,
    now: datetime,
    documents: dict[str, Any] | None,
    note: str | None,
    choices: Choices,
    *,
    keep: bool,
) -> Plan:
    documents = read_tree(context) if documents is None else documents
    # Refused here, before anything is written.
    bundle_from_documents(documents, context.settings.profile)
    with context.database.write() as connection:
        savepoint = connection.begin_nested()
        found = _Publishing(connection, context, documents, now, choices, keep).publish(note)
        if keep:
            savepoint.commit()
        else:
            savepoint.rollback()
    return found


class _Publishing:
    """One publication on its way into the database."""

    def __init__(
        self,
        connection: Connection,
        context: Context,
        documents: dict[str, Any],
        now: datetime,
        choices: Choices,
        keep: bool,
    ) -> None:
        self.connection = connection
        self.now = now
        self.choices = choices
        self.keep = keep
        self.documents = documents
        self.profile = context.settings.profile
        self.time_zone = context.settings.project.time_zone
        self.bundle: Bundle = bundle_from_documents(documents, self.profile)
        self.live = definitions.live(connection)
        self.found = _changes(documents, self.live, self.profile)

    def publish(self, note: str | None) -> Plan:
        """Store the versions, take everybody along, and queue whom the change concerns."""
        live, found = self.live, self.found
        if live is not None and not found.changes and live.profile == self.profile:
            return found
        new = definitions.publish(self.connection, self.documents, self.profile, self.now, note)
        plans = plans_of(new)
        old = bundle_from_documents(live.documents, live.profile) if live else None
        before = old.sequences if old else {}
        for name, sequence in self.bundle.sequences.items():
            self._take_along(name, sequence, new.versions[f"sequences/{name}"])
            if self.choices.mark_existing and (name not in before or before[name].entry != sequence.entry):
                self._look_at_existing(name, plans.entries[name])
        if not self.choices.pinned:
            for name in before.keys() - self.bundle.sequences.keys():
                left = entries.stop_all(self.connection, name, "sequence-removed", self.now, also_pinned=False)
                found.count(f"sequences/{name}: leave, the sequence is removed", left)
        for key in [each["definition"] for each in found.changes if each["definition"].startswith("emails/")]:
            waiting = messages.queued_with(self.connection, key.partition("/")[2])
            found.count(f"{key}: queued messages that take the new text", waiting)
        if old is not None and old.lifecycle.contact.caps != self.bundle.lifecycle.contact.caps:
            held = messages.look_again(self.connection, None, self.now)
            found.count("lifecycle: held by a cap, looked at again", held)
        if live is not None and _rules_changed(live, new):
            DerivePlan(self.bundle).forget_others(self.connection)
            found.count("scored and staged anew", self._look_at_everyone())
        elif old is not None:
            found.count("scores looked at again, for what they are compared with now", self._look_for_lines(old))
        return found

    def _take_along(self, name: str, sequence: Sequence, version: int) -> None:
        """Also those whom a run has enrolled in an older version while that was being replaced."""
        key = f"sequences/{name}"
        for old_version, body in follow.versions_in_flight(self.connection, name, version).items():
            if self.choices.pinned:
                self.found.count(f"{key}: stay on their version", follow.pin(self.connection, old_version))
                continue
            old = Sequence.model_validate(expand_patterns(body, self.bundle.catalogue))
            zones = (sequence.time_zone, self.time_zone)
            followers = follow.Followers(old_version, old, version, sequence, Scope(self.bundle.fields), zones)
            for what, leads in followers.take(self.connection, self.now).items():
                self.found.count(f"{key}: {what}", leads)
        woken = follow.spread(self.connection, name, version, self.now)
        self.found.count(f"{key}: go on because of this", woken["woken"])
        for each in self.found.changes:
            if each["definition"] == key and woken["woken"]:
                each["last_goes_on_at"] = woken["until"]

    def _look_at_existing(self, name: str, entry: EntryPlan) -> None:
        """Take the marks of a new entry condition, or let the next run enroll everybody for whom it holds."""
        entries.forget_marks(self.connection, name)
        eligible = entries.mark_without_entering(self.connection, entry, self.now)
        enter = self.choices.enroll_existing
        what = "eligible already, will enter" if enter else "eligible already, do not enter"
        self.found.count(f"sequences/{name}: {what}", eligible)
        if enter:
            entries.forget_marks(self.connection, name)
            work.mark(self.connection, "entry", entries.everybody(), self.now)

    def _look_for_lines(self, old: Bundle) -> int:
        """What fades was to be looked at when it comes to a line of the old definitions."""
        scoring, new_lines = self.bundle.scoring, lines_of(self.bundle) - lines_of(old)
        fading = [rule for rule in scoring.rules if scoring.decay_of(rule)]
        if not fading or not new_lines:
            return 0
        return scores.look_for(self.connection, new_lines, self.now, rises=any(rule.points < 0 for rule in fading))

    def _look_at_everyone(self) -> int:
        return scores.mark_everyone(self.connection, self.now) if self.keep else scores.count_everyone(self.connection)


def _changes(documents: Mapping[str, Any], live: Live | None, profile: str) -> Plan:
    hashes = {key: definitions.digest(body) for key, body in documents.items()}
    before = {key: definitions.digest(body) for key, body in live.documents.items()} if live else {}
    found = Plan(version=definitions.digest([profile, sorted(hashes.items())])[:12])
    for key in sorted({*hashes, *before}):
        if hashes.get(key) != before.get(key):
            kind = "added" if key not in before else "removed" if key not in hashes else "changed"
            found.changes.append({"definition": key, "change": kind})
    return found


def _rules_changed(live: Live, new: Live) -> bool:
    keys = ("scoring", "lifecycle", "events")
    return live.profile != new.profile or any(live.versions.get(key) != new.versions.get(key) for key in keys)
