"""Tell each advertising platform the difference between who should be a member and what it was told."""

from __future__ import annotations

from typing import Literal
from uuid import uuid4

from connectors.audiences.base import AudiencePlatform, Upload
from db import audiences
from nurture.errors import BadInput, OutsideFailed, RetryLater
from nurture.failpoints import hit
from nurture.keys import platform_hash
from nurture.normalise import email
from tasks.context import Compiled, Run

_CHANGES: tuple[tuple[Literal["remove", "add"], str], ...] = (("remove", "removing"), ("add", "adding"))


def sync_audiences(run: Run) -> dict[str, int]:
    """Plan the changes of every audience, then upload removals first; what fails is tried again by the next run."""
    context = run.context
    compiled = context.compiled()
    counts: dict[str, int] = {}
    for name, plan in compiled.audiences.items():
        for platform_name in plan.audience.platforms:
            platform = context.audiences.get(platform_name)
            if platform is None:
                counts["audiences_without_platform"] = counts.get("audiences_without_platform", 0) + 1
                continue
            with context.database.write() as connection:
                for key, value in plan.plan(connection, platform_name, run.now).items():
                    counts[key] = counts.get(key, 0) + value
            hit("audiences.planned")
            try:
                for change, status in _CHANGES:
                    told = _tell(run, platform, name, change, status)
                    counts[f"audience_{change}s_told"] = counts.get(f"audience_{change}s_told", 0) + told
            except (RetryLater, OutsideFailed) as error:
                counts["audiences_failed"] = counts.get("audiences_failed", 0) + 1
                run.notes.setdefault("audiences", []).append(f"{name}: {error}")
    _retire(run, compiled, counts)
    return {key: value for key, value in counts.items() if value}


def _retire(run: Run, compiled: Compiled, counts: dict[str, int]) -> None:
    """Take everybody out of audiences that have been deleted: nobody would ever see to their consent again."""
    live = [(platform, name) for name, plan in compiled.audiences.items() for platform in plan.audience.platforms]
    with run.context.database.write() as connection:
        gone = audiences.retire(connection, live, run.now)
    for platform_name, name in gone:
        platform = run.context.audiences.get(platform_name)
        if platform is None:
            counts["audiences_without_platform"] = counts.get("audiences_without_platform", 0) + 1
            continue
        try:
            told = _tell(run, platform, name, "remove", "removing")
            counts["audience_removes_told"] = counts.get("audience_removes_told", 0) + told
        except (RetryLater, OutsideFailed) as error:
            counts["audiences_failed"] = counts.get("audiences_failed", 0) + 1
            run.notes.setdefault("audiences", []).append(f"{name}: {error}")


def take_back(run: Run) -> int:
    """Tell the platforms at once whom to forget; what fails is left to the next sync. Returns how many were told."""
    told = 0
    with run.context.database.read() as connection:
        places = audiences.to_take_back(connection)
    for platform_name, name in places:
        platform = run.context.audiences.get(platform_name)
        if platform is None:
            continue
        try:
            told += _tell(run, platform, name, "remove", "removing")
        except (RetryLater, OutsideFailed) as error:
            run.notes.setdefault("audiences", []).append(f"{name}: {error}")
    return told


def _tell(run: Run, platform: AudiencePlatform, audience: str, change: Literal["add", "remove"], status: str) -> int:
    database, told = run.context.database, 0
    while True:
        batch = uuid4().hex
        with database.write() as connection:
            rows = audiences.claim_changes(connection, platform.name, audience, status, batch, platform.batch_size)
            if not rows:
                return told
            hashes = {row["lead_id"]: row["member_hash"] if change == "remove" else _hash(row["email"]) for row in rows}
            if change == "add":
                known = {lead: value for lead, value in hashes.items() if value}
                audiences.give_hashes(connection, batch, known)
        members = sorted({value for value in hashes.values() if value})
        if members:
            platform.upload(Upload(batch, audience, change, members))
            hit("audiences.uploaded")
        with database.write() as connection:
            told += audiences.told(connection, batch, run.now)
        hit("audiences.recorded")
        if len(rows) < platform.batch_size:
            return told


def _hash(address: str | None) -> str | None:
    try:
        return platform_hash(email(address).identity) if address else None
    except BadInput:
        return None
