"""Erase a person: everywhere in one transaction, then the files, the CRM and the platforms; with a certificate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from db import account_scores, erasure, erasures, merges
from db.engine import Connection, DatabaseBusy
from db.erasure import Subject
from nurture import normalise
from nurture.errors import RefusedRow, UnknownLead
from nurture.failpoints import hit
from nurture.keys import email_hash
from nurture.mentions import Mentions
from nurture.redaction import redact
from tasks.context import Compiled, Context, Run
from tasks.escalate import forget_tasks
from tasks.explain import find
from tasks.privacy import files, places
from tasks.privacy.live import compiled_if_live
from tasks.sync_audiences import take_back

Certificate = dict[str, Any]
MOST_TRIES = 5
_HIDDEN = "[a file whose name names the person]"


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What an erasure would do: to whom, how many rows, and the files that a person has to see to."""

    lead: int
    leads: tuple[int, ...]
    name: str | None
    erased_at: datetime | None
    done: Mapping[str, int]
    files: tuple[str, ...]


def foresee(context: Context, name: str, now: datetime) -> Foreseen:
    """Say what would go, by doing it and taking it back; raises UnknownLead."""
    compiled = compiled_if_live(context)
    with context.database.write() as connection:
        merges.alone(connection)
        subject = erasure.subject_of(connection, find(connection, name, context.settings))
        called = merges.names(connection, merges.Pair(subject.lead_id, subject.lead_id)).get(subject.lead_id)
        savepoint = connection.begin_nested()
        done = _erase(connection, context, compiled, subject, now)
        savepoint.rollback()
    found, _ = files.files_with(context.settings, subject.mentions)
    return Foreseen(subject.lead_id, subject.ids, called, subject.erased_at, done, tuple(found))


def erase_lead(context: Context, name: str, now: datetime, *, reason: str | None = None) -> Certificate:
    """Erase the person whom a lead's id, address or other identifier means, and return the certificate.

    It may be killed anywhere and be repeated: what was not finished is finished first, also under an address that is no
    longer known. Raises UnknownLead when nobody was ever known, or erased, by that name.
    """
    run = Run(context, now)
    try:
        erasure_id = _in_one_transaction(context, name, now, reason)
    except UnknownLead:
        finish_all(run)
        known = _erased_before(context, name)
        if known is None:
            raise
        return known
    hit("erase.committed")
    with context.database.read() as connection:
        row = erasures.of(connection, erasure_id)
    others = [each for each in _unfinished(context) if each["id"] != erasure_id]
    return _finish(run, [row, *others], anew=True)[0]


def erase_by_rule(run: Run, lead_id: int, reason: str) -> None:
    """Erase one lead because a rule of retention says so; its files and the outside are seen to by `finish_all`."""
    _in_one_transaction(run.context, str(lead_id), run.now, reason)
    hit("erase.committed")


def _in_one_transaction(context: Context, name: str, now: datetime, reason: str | None) -> int:
    for _ in range(MOST_TRIES - 1):
        try:
            return _transaction(context, name, now, reason)
        except DatabaseBusy:
            continue
    return _transaction(context, name, now, reason)


def _transaction(context: Context, name: str, now: datetime, reason: str | None) -> int:
    compiled = compiled_if_live(context)
    with context.database.read() as connection:
        mentions = erasure.subject_of(connection, find(connection, name, context.settings)).mentions
    # Afterwards nobody knows any more what to look for.
    left, closed = files.files_with(context.settings, mentions)
    with context.database.write() as connection:
        merges.alone(connection)
        subject = erasure.subject_of(connection, find(connection, name, context.settings))
        done = _erase(connection, context, compiled, subject, now)
        earlier = erasures.latest(connection, subject.lead_id)
        if earlier is not None:
            erasure_id = int(earlier["id"])
        else:
            certificate = {
                "lead": subject.lead_id,
                "leads": list(subject.ids),
                "requested_at": now.isoformat(),
                "reason": _without_name(reason, subject.mentions),
                "done": {what: number for what, number in done.items() if number},
                "files_deleted": {},
                "files_left": [_HIDDEN if subject.mentions.in_text(each) else each for each in left],
                "files_not_looked_into": [_HIDDEN if subject.mentions.in_text(each) else each for each in closed],
                "waits_for": {},
                "overwritten": False,
                "completed_at": None,
            }
            erasure_id = erasures.note(connection, subject.lead_id, certificate, now)
        hit("erase.before_commit")
    return erasure_id


def _erase(
    connection: Connection, context: Context, compiled: Compiled | None, subject: Subject, now: datetime
) -> dict[str, int]:
    """The rows of a person, and what follows for the companies they were of."""
    of_accounts = erasure.accounts_of(connection, subject.ids)
    done = erasure.erase(connection, subject, context.settings.secret_bytes(), now)
    if compiled is not None and compiled.bundle.rules.account_scores:
        account_scores.look_at_colleagues(
            connection, of_accounts, now, compiled.where_colleagues_wait(connection), but_for=subject.lead_id
        )
    return done


def _without_name(reason: str | None, mentions: Mentions) -> str | None:
    if reason is None:
        return None
    told = redact(reason)
    return "[named the person]" if mentions.in_text(told) else told[:500]


def _erased_before(context: Context, name: str) -> Certificate | None:
    """That an address was erased is known by its suppression alone; which lead it was, nobody knows."""
    try:
        address = normalise.email(name).identity
    except RefusedRow:
        return None
    with context.database.read() as connection:
        since = erasures.erased_since(connection, email_hash(context.settings.secret_bytes(), address))
    return None if since is None else {"lead": None, "requested_at": since.isoformat(), "erased_before": True}


def finish_all(run: Run) -> int:
    """Go on with every erasure of which something is left to do; returns how many were completed by it."""
    return sum(each["completed_at"] is not None for each in _finish(run, _unfinished(run.context)))


def _unfinished(context: Context) -> list[dict[str, Any]]:
    with context.database.read() as connection:
        return erasures.unfinished(connection)


def _finish(run: Run, rows: Sequence[dict[str, Any]], *, anew: bool = False) -> list[Certificate]:
    """Delete files, tell the outside, overwrite what is gone, and say in each certificate how far that came.

    The database is written anew once for all of them, and only where there is something to overwrite, or `anew` asks.
    """
    if not rows:
        return []
    context, settings = run.context, run.context.settings
    gone = {}
    for row in rows:
        who, keys = _of(context, row)
        mails = files.delete_mails(settings, keys)
        gone[row["id"]] = {"mails": mails, "exports": files.delete_exports(settings, who)}
    hit("erase.files_deleted")
    forget_tasks(run)
    take_back(run)
    hit("erase.told")
    with context.database.write() as connection:
        late = [erasures.sweep(connection, erasures.ids_of(connection, int(row["lead_id"]))) for row in rows]
    needed = anew or any(late) or any(_has_changed(context, row) for row in rows)
    overwritten = erasures.overwrite(context.database) if needed else True
    hit("erase.overwritten")
    return [_complete(run, row, gone[row["id"]], overwritten=overwritten) for row in rows]


def _has_changed(context: Context, row: Mapping[str, Any]) -> bool:
    """Whether anything was deleted since the certificate was last written, such as a hash that a platform was told."""
    with context.database.read() as connection:
        who = erasures.ids_of(connection, int(row["lead_id"]))
        waits = erasures.waits_for(connection, who, with_crm=context.crm is not None)
    return not row["certificate"]["overwritten"] or waits != row["certificate"]["waits_for"]


def _of(context: Context, row: Mapping[str, Any]) -> tuple[list[int], dict[str, bool]]:
    """The rows that were the person, and the keys of their messages."""
    with context.database.read() as connection:
        who = erasures.ids_of(connection, int(row["lead_id"]))
        return who, erasures.message_keys(connection, who)


def _complete(run: Run, row: Mapping[str, Any], gone: Mapping[str, int], *, overwritten: bool) -> Certificate:
    context, erasure_id = run.context, int(row["id"])
    with context.database.write() as connection:
        who = erasures.ids_of(connection, int(row["lead_id"]))
        certificate = _amended(row["certificate"], gone)
        certificate["overwritten"] = overwritten
        certificate["waits_for"] = erasures.waits_for(connection, who, with_crm=context.crm is not None)
        if not certificate["waits_for"] and overwritten and certificate["completed_at"] is None:
            certificate["completed_at"] = run.now.isoformat()
        erasures.amend(connection, erasure_id, certificate, run.now if certificate["completed_at"] else None)
        certificate = {"erasure": erasure_id, **certificate}
        # Before the commit: whoever repeats a command that died here writes the same file again.
        path = places.certificate_of(context.settings, erasure_id)
        places.make_folder(path.parent)
        places.write(path, orjson.dumps(certificate, option=orjson.OPT_INDENT_2) + b"\n")
        hit("erase.before_completed")
    hit("erase.completed")
    return certificate


def _amended(certificate: Certificate, gone: Mapping[str, int]) -> Certificate:
    before = certificate["files_deleted"]
    return {**certificate, "files_deleted": {name: before.get(name, 0) + number for name, number in gone.items()}}
