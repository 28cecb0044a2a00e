"""Audiences: who should be a member, what each platform has been told, and the difference."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Connection, RowMapping, and_, case, delete, func, literal, not_, or_, select, update

from db import work
from db.batches import listed, looked_up
from db.conditions import NOW, Scope, compile_condition
from db.messages import BASIS_NOT_ALLOWED, NO_CONSENT, is_barred
from db.sales_tasks import has_open_task
from db.statistics import refresh
from db.subqueries import there_is
from db.tables import audience_choices, audience_members, consent_states, leads, suppressions
from nurture.definitions.audiences import Audience
from nurture.definitions.bundle import Bundle
from nurture.permissions import Permissions, permissions_of
from nurture.stops import scopes_of

PLATFORM: sa.BindParameter[str] = sa.bindparam("on_platform", type_=sa.String())


class AudiencePlan:
    """The statements that bring one audience's ledger to what the definitions ask for."""

    def __init__(self, name: str, audience: Audience, bundle: Bundle) -> None:
        self.name = name
        self.audience = audience
        # For whoever asks why somebody is, or is not, a member.
        self.allowed, self.suppressed = _allowed(audience, permissions_of(bundle)), _suppressed(audience)
        self.granted = _granted(audience)
        self.wanted = wanted = self._wanted(bundle)
        why = self._why()
        no_longer = not_(there_is(leads, leads.c.id == audience_members.c.lead_id, *wanted))
        mine = and_(audience_members.c.platform == PLATFORM, audience_members.c.audience == name)
        # Not a list of the known: one that is longer than its memory PostgreSQL walks for each lead.
        known = audience_members.c.lead_id == leads.c.id, audience_members.c.status.in_(("adding", "member"))
        self.add = select(PLATFORM, literal(name), leads.c.id, literal("adding"), NOW).where(
            not_(there_is(audience_members, mine, *known)), *wanted
        )
        self.never_told = (
            update(audience_members)
            .where(
                mine,
                audience_members.c.status == "adding",
                audience_members.c.batch.is_(None),
                no_longer,
            )
            .values(status="removed", reason=why, changed_at=NOW)
        )
        # Its worker died during the upload: perhaps the platform has been told, so it is told the contrary.
        self.perhaps_told = (
            update(audience_members)
            .where(
                mine,
                audience_members.c.status == "adding",
                audience_members.c.batch.is_not(None),
                no_longer,
            )
            .values(status="removing", reason=why, changed_at=NOW, batch=None)
        )
        self.remove = (
            update(audience_members)
            .where(mine, audience_members.c.status == "member", no_longer)
            .values(status="removing", reason=why, changed_at=NOW)
        )

    def _wanted(self, bundle: Bundle) -> list[Any]:
        """Who should be a member: by criteria or step, with consent for advertising, and never against suppression."""
        choice = and_(audience_choices.c.audience == self.name, audience_choices.c.lead_id == leads.c.id)
        added = there_is(audience_choices, choice, audience_choices.c.choice == "add")
        removed = there_is(audience_choices, choice, audience_choices.c.choice == "remove")
        ways: list[Any] = [added] if self.audience.by_steps else []
        if self.audience.when is not None:
            ways.append(compile_condition(self.audience.when, Scope(bundle.fields)))
        # The cheap questions first; the criteria are asked only of those who may be told to a platform at all.
        conditions: list[Any] = [leads.c.email.is_not(None), leads.c.merged_into_id.is_(None)]
        if self.audience.kind == "prospecting":
            conditions += [leads.c.stage != "customer", not_(has_open_task(leads.c.id))]
        # Also an exclusion is an upload of people, and needs their consent.
        conditions += [self.allowed, not_(self.suppressed), not_(removed), or_(*ways) if ways else sa.false()]
        return conditions

    def _why(self) -> Any:
        """Why a member leaves."""
        reasons: list[tuple[Any, str]] = [
            (self.suppressed, "suppressed"),
            (not_(self.granted), NO_CONSENT),
            (not_(self.allowed), BASIS_NOT_ALLOWED),
        ]
        if self.audience.kind == "prospecting":
            reasons += [(leads.c.stage == "customer", "customer"), (has_open_task(leads.c.id), "in-sales-hands")]
        return (
            select(case(*reasons, else_="criteria"))
            .where(leads.c.id == audience_members.c.lead_id)
            .correlate(audience_members)
            .scalar_subquery()
        )

    def plan(self, connection: Connection, platform: str, now: datetime) -> dict[str, int]:
        """Write the wanted changes into the ledger; nothing is told yet."""
        values = {"now": now, "on_platform": platform}
        cancelled = connection.execute(self.never_told, values).rowcount
        removing = connection.execute(self.remove, values).rowcount
        removing += connection.execute(self.perhaps_told, values).rowcount
        insert = work.insert_for(connection)(audience_members).from_select(
            ["platform", "audience", "lead_id", "status", "changed_at"], self.add
        )
        adding = connection.execute(
            insert.on_conflict_do_update(
                index_elements=["platform", "audience", "lead_id"],
                # Without its batch: an upload of the removal that is still in hand must not count for this.
                set_={"status": "adding", "reason": None, "changed_at": insert.excluded.changed_at, "batch": None},
                where=audience_members.c.status.in_(("removed", "removing")),
            ),
            values,
        ).rowcount
        refresh(connection, adding + removing, audience_members)
        return {"audience_adds": adding, "audience_removals": removing, "audience_cancelled": cancelled}


def _granted(audience: Audience, *conditions: Any) -> Any:
    return there_is(
        consent_states,
        consent_states.c.lead_id == leads.c.id,
        consent_states.c.topic == audience.topic,
        consent_states.c.status == "granted",
        consent_states.c.basis != "none",
        *conditions,
    )


def _allowed(audience: Audience, permissions: Permissions) -> Any:
    """Granted, on a basis that the topic takes."""
    return _granted(audience, not_(is_barred(consent_states.c.topic, consent_states.c.basis, permissions)))


def _suppressed(audience: Audience) -> Any:
    return there_is(
        suppressions,
        suppressions.c.email_hash == leads.c.email_hash,
        suppressions.c.lifted_at.is_(None),
        suppressions.c.scope.in_(scopes_of(audience.topic, "ads")),
    )


def retire(connection: Connection, live: Iterable[tuple[str, str]], now: datetime) -> list[tuple[str, str]]:
    """Let everybody leave the audiences that no definition names any more; returns those with somebody to be told of.

    `live` are the pairs of platform and audience that the definitions name.
    """
    table = audience_members
    rows = connection.execute(
        select(table.c.platform, table.c.audience)
        .where(table.c.status != "removed")
        .group_by(table.c.platform, table.c.audience)
    )
    gone = sorted({(str(row[0]), str(row[1])) for row in rows} - set(live))
    for platform, audience in gone:
        connection.execute(
            update(table)
            .where(table.c.platform == platform, table.c.audience == audience, table.c.status.in_(("adding", "member")))
            .values(status="removing", reason="audience-removed", changed_at=now, batch=None)
        )
    return gone


def claim_changes(
    connection: Connection, platform: str, audience: str, status: str, batch: str, limit: int
) -> list[RowMapping]:
    """Take changes of one kind into an upload; what a dead worker left in hand is taken again, uploads may repeat."""
    mine = [
        audience_members.c.platform == platform,
        audience_members.c.audience == audience,
        audience_members.c.status == status,
    ]
    first = select(audience_members.c.lead_id).where(*mine).order_by(audience_members.c.lead_id).limit(limit)
    free = work.is_free(connection, audience_members.c.lead_id, first)
    # By the whole key: not by the state as well, whose index PostgreSQL would walk and compare each with the list.
    taken = connection.execute(update(audience_members).where(*mine[:2], free).values(batch=batch))
    if not taken.rowcount:
        return []
    rows = (
        select(audience_members.c.lead_id, audience_members.c.member_hash, leads.c.email)
        .join(leads, leads.c.id == audience_members.c.lead_id)
        .where(*mine, audience_members.c.batch == batch)
        .order_by(audience_members.c.lead_id)
    )
    return list(connection.execute(rows).mappings())


def give_hashes(connection: Connection, batch: str, hashes: Mapping[int, str]) -> None:
    """Remember what the platform is about to be told, for a later removal needs the very same."""
    if hashes:
        columns = (audience_members.c.lead_id, audience_members.c.member_hash)
        given = looked_up(listed(connection, "given", list(hashes.items()), *columns))
        # The outer join has SQLite look up the hash of each member, not compare every hash with every member.
        each = audience_members.alias("of_upload")
        found = (
            select(each.c.platform, each.c.audience, each.c.lead_id, given.c.member_hash)
            .select_from(each.outerjoin(given, given.c.lead_id == each.c.lead_id))
            .where(each.c.batch == batch)
            .subquery("found")
        )
        mine = [audience_members.c[name] == found.c[name] for name in ("platform", "audience", "lead_id")]
        connection.execute(
            update(audience_members)
            .where(*mine, found.c.member_hash.is_not(None))
            .values(member_hash=found.c.member_hash)
        )


def told(connection: Connection, batch: str, now: datetime) -> int:
    """The platform has taken an upload; of whom it was told to forget an erased person, nothing stays here either."""
    in_hand = audience_members.c.batch == batch, audience_members.c.status == "removing"
    erased = there_is(leads, leads.c.id == audience_members.c.lead_id, leads.c.erased_at.is_not(None))
    gone = connection.execute(delete(audience_members).where(*in_hand, erased)).rowcount
    after = case(
        (audience_members.c.status == "adding", "member"),
        (audience_members.c.status == "removing", "removed"),
        else_=audience_members.c.status,
    )
    told_of = update(audience_members).where(audience_members.c.batch == batch)
    return gone + connection.execute(told_of.values(status=after, told_at=now, batch=None)).rowcount


def to_take_back(connection: Connection) -> list[tuple[str, str]]:
    """The pairs of platform and audience that still have to forget an erased person."""
    members = audience_members.join(leads, leads.c.id == audience_members.c.lead_id)
    rows = (
        select(audience_members.c.platform, audience_members.c.audience)
        .select_from(members)
        .where(audience_members.c.status == "removing", leads.c.erased_at.is_not(None))
        .distinct()
    )
    return sorted((str(platform), str(audience)) for platform, audience in connection.execute(rows))


def counts(connection: Connection) -> list[dict[str, Any]]:
    """Members by platform, audience and state."""
    rows = connection.execute(
        select(
            audience_members.c.platform,
            audience_members.c.audience,
            audience_members.c.status,
            func.count().label("members"),
        ).group_by(audience_members.c.platform, audience_members.c.audience, audience_members.c.status)
    )
    return [dict(row._mapping) for row in rows]
