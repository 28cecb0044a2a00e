"""Audiences: the ledger says what the definitions ask for, and nobody is a member against their will."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Connection, Select, and_, false, func, literal, not_, or_, select, union_all, update

from db.audiences import PLATFORM, AudiencePlan
from db.audit.check import SYNCED_AT, Check, Done, Scene
from db.conditions import NOW
from db.subqueries import there_is
from db.tables import audience_members, consents, events, leads, work_queue

_IN = audience_members.c.status.in_(("adding", "member"))


def _told_without_hash(connection: Connection, scene: Scene) -> Select[Any]:
    return select(audience_members.c.lead_id).where(
        audience_members.c.status.in_(("member", "removing")), audience_members.c.member_hash.is_(None)
    )


def _tell_again(connection: Connection, scene: Scene) -> Done:
    """Told once more a member has its hash again; whoever is to leave without one was never told of."""
    nobody = audience_members.c.member_hash.is_(None)
    member = update(audience_members).where(nobody, audience_members.c.status == "member")
    leaving = update(audience_members).where(nobody, audience_members.c.status == "removing")
    return [
        ("told again by the next sync", _rows(connection, scene, member.values(status="adding", changed_at=NOW))),
        ("removed: the platform knows no hash of them", _rows(connection, scene, leaving.values(status="removed"))),
    ]


def _against_their_will(connection: Connection, scene: Scene) -> Select[Any] | None:
    """Members after a sync that knew already: of their withdrawal, their suppression, or that they are another lead."""
    if not scene.audiences:
        return None
    return union_all(*(_unwilling(name, plan) for name, plan in scene.audiences.items())).subquery().select()


def _unwilling(name: str, plan: AudiencePlan) -> Select[Any]:
    return (
        select(audience_members.c.lead_id)
        .join(leads, leads.c.id == audience_members.c.lead_id)
        .where(
            audience_members.c.audience == name,
            _IN,
            or_(not_(plan.allowed), plan.suppressed, leads.c.merged_into_id.is_not(None)),
            _untouched(),
        )
    )


def _untouched() -> Any:
    """Of whom nothing has been heard since the platforms were told, if ever; the next sync sees to the others."""
    since = SYNCED_AT
    return not_(
        or_(
            leads.c.updated_at > since,
            func.coalesce(leads.c.merged_at > since, false()),
            there_is(consents, consents.c.lead_id == leads.c.id, consents.c.recorded_at > since),
            there_is(events, events.c.lead_id == leads.c.id, events.c.received_at > since),
            there_is(work_queue, work_queue.c.lead_id == leads.c.id),
        )
    )


def _let_go(connection: Connection, scene: Scene) -> Done:
    gone = 0
    for name, plan in scene.audiences.items():
        mine = update(audience_members).where(
            audience_members.c.audience == name,
            _IN,
            audience_members.c.lead_id.in_(scene.these(_unwilling(name, plan))),
        )
        values = {"status": "removing", "reason": "no-consent", "changed_at": NOW, "batch": None}
        gone += _rows(connection, scene, mine.values(values))
    return [("to be removed; the next sync tells the platforms", gone)]


def _told(scene: Scene) -> Iterator[tuple[str, AudiencePlan, str]]:
    for name, plan in scene.audiences.items():
        for platform in plan.audience.platforms:
            if scene.platforms is None or platform in scene.platforms:
                yield name, plan, platform


def _disagrees(connection: Connection, scene: Scene) -> list[int] | None:
    """Whoever should be a member and is not, or is one and should not be; only while nothing has happened since.

    Not at the end of a sync, which has just asked the same of everybody in the same words.
    """
    if not (scene.just_synced and scene.whole) or scene.platforms is None:
        return None
    found: set[int] = set()
    for name, plan, platform in _told(scene):
        mine = and_(audience_members.c.platform == literal(platform), audience_members.c.audience == name, _IN)
        is_one = there_is(audience_members, mine, audience_members.c.lead_id == leads.c.id)
        wanted = and_(*plan.wanted)
        missing = select(leads.c.id).where(wanted, not_(is_one), _untouched())
        too_many = (
            select(audience_members.c.lead_id)
            .join(leads, leads.c.id == audience_members.c.lead_id)
            .where(mine, not_(wanted), _untouched())
        )
        for query in (missing, too_many):
            found.update(connection.execute(query, {**scene.values, PLATFORM.key: platform}).scalars())
    return sorted(found)


def _plan_again(connection: Connection, scene: Scene) -> Done:
    changed = 0
    for _, plan, platform in _told(scene):
        changed += sum(plan.plan(connection, platform, scene.now).values())
    return [("planned again; the next sync tells the platforms", changed)]


def _rows(connection: Connection, scene: Scene, statement: Any) -> int:
    return max(connection.execute(statement, {"now": scene.now}).rowcount, 0)


CHECKS: tuple[Check, ...] = (
    Check(
        "audience-hash",
        "what a platform was told can be taken back",
        "remove the lead from the audience at the platform by hand",
        _told_without_hash,
        _tell_again,
    ),
    Check(
        "audience-consent",
        "nobody is told to a platform, or left there, without consent to advertising",
        "run `ripen run sync-audiences`",
        _against_their_will,
        _let_go,
    ),
    Check(
        "audience-members",
        "the members of an audience are those whom its definition and its steps name",
        "run `ripen run sync-audiences`",
        _disagrees,
        _plan_again,
    ),
)
