"""Positions: where people stand exists, and what they have executed is a gap-free prefix of the path of its versions.

The path is checked edge by edge: one statement adds up who went from which step to which, and Python judges the few
different edges by the programs.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy import Connection, Subquery, and_, func, literal, not_, or_, select, union_all, update

from db.audit.check import Check, Done, Program, Scene
from db.awaited import awaited
from db.batches import listed
from db.conditions import NOW
from db.entries import ended
from db.subqueries import there_is
from db.tables import definition_versions, enrollments, executed_steps, publications
from nurture.definitions.program import Node

_ACTIVE = enrollments.c.status == "active"


class Edge(NamedTuple):
    """From one executed step to the next, or (`final`) to where somebody stands or has completed; None is the start."""

    from_version: int | None
    from_step: str | None
    detail: str | None
    version: int
    step: str | None
    final: bool
    # Definitions were published on the way, so that another program may have led there.
    crossed: bool


def _walked(connection: Connection, scene: Scene) -> Subquery:
    """One row for each executed step, and one for where its enrollment stands, each with the step before it."""
    rows: list[list[str | int]] = [
        [version, node.id, node.position]
        for version, program in scene.programs(connection).items()
        for node in program.values()
    ]
    places = listed(
        connection,
        "places",
        rows or [[0, "", 0]],
        executed_steps.c.version_id,
        executed_steps.c.step_id,
        sa.Column("position", sa.Integer),
    )
    looked_at = and_(
        enrollments.c.holdout.is_(False), or_(enrollments.c.ended_at.is_(None), enrollments.c.ended_at >= scene.since)
    )
    place = and_(places.c.version_id == executed_steps.c.version_id, places.c.step_id == executed_steps.c.step_id)
    done = (
        select(
            executed_steps.c.enrollment_id,
            literal(0).label("final"),
            executed_steps.c.executed_at.label("at"),
            func.coalesce(places.c.position, -1).label("position"),
            executed_steps.c.version_id,
            executed_steps.c.step_id,
            executed_steps.c.detail,
            enrollments.c.entered_at,
        )
        .join(enrollments, enrollments.c.id == executed_steps.c.enrollment_id)
        .outerjoin(places, place)
        # A mail that the other lead of a merge was sent stands here ahead of its turn, so that it is not sent again.
        .where(looked_at, not_(and_(executed_steps.c.kind == "email", executed_steps.c.outcome == "passed")))
    )
    stands = select(
        enrollments.c.id,
        literal(1),
        enrollments.c.moved_at,
        literal(0),
        enrollments.c.version_id,
        sa.case((_ACTIVE, enrollments.c.step_id), else_=None),
        sa.cast(sa.null(), sa.Text),
        enrollments.c.entered_at,
    ).where(looked_at, or_(_ACTIVE, enrollments.c.reason == "completed"))
    both = union_all(done, stands).subquery()

    def before(name: str) -> Any:
        order = (both.c.final, both.c.at, both.c.position)
        return func.lag(both.c[name]).over(partition_by=both.c.enrollment_id, order_by=order)

    names = {"from_version": "version_id", "from_step": "step_id", "from_detail": "detail", "from_at": "at"}
    return select(both, *(before(name).label(label) for label, name in names.items())).subquery()


def _columns(walked: Subquery) -> dict[str, Any]:
    since = walked.c.from_at
    on_the_way = or_(
        and_(since.is_(None), publications.c.published_at >= walked.c.entered_at),
        publications.c.published_at > since,
    )
    # Where somebody stands may also be the work of an edit that came after the last step.
    until = or_(walked.c.final == 1, publications.c.published_at <= walked.c.at)
    return {
        "from_version": walked.c.from_version,
        "from_step": walked.c.from_step,
        "detail": walked.c.from_detail,
        "version": walked.c.version_id,
        "step": walked.c.step_id,
        "final": walked.c.final,
        "crossed": sa.case((there_is(publications, on_the_way, until), 1), else_=0),
    }


def _edges(connection: Connection, walked: Subquery) -> Iterator[Edge]:
    each = select(*(column.label(name) for name, column in _columns(walked).items())).distinct()
    for row in connection.execute(each):
        yield Edge(
            row.from_version,
            row.from_step,
            row.detail,
            int(row.version),
            row.step,
            bool(row.final),
            bool(row.crossed),
        )


def _off_the_path(connection: Connection, scene: Scene) -> list[int]:
    walked = _walked(connection, scene)
    programs = scene.programs(connection)
    found: set[int] = set()
    for edge in _edges(connection, walked):
        skipped = _skipped(edge, programs)
        if skipped is None:
            found.update(_enrollments_on(connection, walked, edge, ()))
        elif skipped:
            found.update(_enrollments_on(connection, walked, edge, skipped))
    return sorted(found)


def _skipped(edge: Edge, programs: dict[int, Program]) -> tuple[str, ...] | None:
    """The steps that the edge passes by, which must have run before; None when no path leads there."""
    program = programs.get(edge.version)
    if program is None:
        return ()
    if not edge.final and edge.step not in program:
        return None
    # Whoever waits for the message of a step stands on it; where nobody can stand is a check of its own.
    if edge.crossed or (edge.final and (edge.step == edge.from_step or (edge.step and edge.step not in program))):
        return ()
    if edge.from_step is None:
        return () if edge.step == min(program.values(), key=lambda node: node.position).id else None
    if edge.from_version != edge.version:
        return ()
    if edge.from_step not in program:
        return None
    ways = [_path(program, way, edge.step) for way in _onward(program[edge.from_step], edge.detail)]
    return min((way for way in ways if way is not None), key=len, default=None)


def _onward(node: Node, detail: str | None) -> list[str | None]:
    if node.kind == "exit":
        return []
    if not node.arms:
        return [node.next]
    return [arm.target for arm in node.arms if arm.name == detail]


def _path(program: Program, start: str | None, target: str | None) -> tuple[str, ...] | None:
    """What lies between, when one step after the other leads from `start` to `target`."""
    between: list[str] = []
    here = start
    while here != target:
        if here is None:
            return None
        between.append(here)
        here = program[here].next
    return tuple(between)


def _enrollments_on(connection: Connection, walked: Subquery, edge: Edge, skipped: tuple[str, ...]) -> list[int]:
    """Who took the edge; with `skipped`, only those who have not executed all of these."""
    wanted = [
        column.is_(None) if value is None else column == (int(value) if isinstance(value, bool) else value)
        for column, value in zip(_columns(walked).values(), edge, strict=True)
    ]
    ran = [
        there_is(
            executed_steps,
            executed_steps.c.enrollment_id == walked.c.enrollment_id,
            executed_steps.c.step_id == step,
            executed_steps.c.executed_at <= walked.c.at,
        )
        for step in skipped
    ]
    if ran:
        wanted.append(not_(and_(*ran)))
    return list(connection.execute(select(walked.c.enrollment_id).where(*wanted)).scalars())


class _Place(NamedTuple):
    version: int
    sequence: str
    step: str
    waiting_for: str | None


def _places(connection: Connection) -> list[_Place]:
    rows = connection.execute(
        select(enrollments.c.version_id, enrollments.c.sequence, enrollments.c.step_id, enrollments.c.waiting_for)
        .where(_ACTIVE, enrollments.c.step_id.is_not(None))
        .distinct()
    )
    return [_Place(int(row[0]), str(row[1]), str(row[2]), row[3]) for row in rows]


def _standing_on(place: _Place) -> Any:
    return and_(
        _ACTIVE,
        enrollments.c.version_id == place.version,
        enrollments.c.step_id == place.step,
        enrollments.c.waiting_for == place.waiting_for,
    )


def _nowhere(connection: Connection, scene: Scene) -> list[_Place]:
    programs = scene.programs(connection)
    return [
        place
        for place in _places(connection)
        if place.version in programs and place.step not in programs[place.version]
    ]


def _not_waiting_for_events(connection: Connection, scene: Scene) -> list[_Place]:
    programs = scene.programs(connection)
    return [
        place
        for place in _places(connection)
        if place.waiting_for == "event"
        and place.step in programs.get(place.version, {})
        and awaited(programs[place.version][place.step]) is None
    ]


def _ids(connection: Connection, places: list[_Place]) -> list[int]:
    if not places:
        return []
    standing = or_(*(_standing_on(place) for place in places))
    return list(connection.execute(select(enrollments.c.id).where(standing)).scalars())


def _to_the_next_surviving(connection: Connection, scene: Scene) -> Done:
    """Where an earlier version says what followed the step, there; else to the end, and nothing is sent twice."""
    moved = completed = 0
    for place in _nowhere(connection, scene):
        target = _surviving(connection, scene, place)
        mine = update(enrollments).where(_standing_on(place))
        if target is None:
            statement = mine.values(ended("completed", "steps-removed"))
            completed += connection.execute(statement, {"now": scene.now}).rowcount
            continue
        # A mail under way, and a hold, stay what they wait for.
        values: dict[str, Any] = {"step_id": target, "moved_at": NOW}
        if place.waiting_for in ("wake", "event"):
            values |= {"waiting_for": "wake", "wake_at": NOW, "waiting_since": None, "happened_at": NOW}
        moved += connection.execute(mine.values(values), {"now": scene.now}).rowcount
    return [("go on at the next step that is left", moved), ("completed: no step was left", completed)]


def _surviving(connection: Connection, scene: Scene, place: _Place) -> str | None:
    programs = scene.programs(connection)
    versions = connection.execute(
        select(definition_versions.c.id)
        .where(definition_versions.c.key == f"sequences/{place.sequence}")
        .order_by(definition_versions.c.id.desc())
    ).scalars()
    for version in versions:
        program = programs.get(int(version), {})
        if place.step in program:
            following = program[place.step].next
            while following is not None and following not in programs[place.version]:
                following = program[following].next
            return following
    return None


def _wake(connection: Connection, scene: Scene) -> Done:
    places = _not_waiting_for_events(connection, scene)
    mine = update(enrollments).where(or_(*(_standing_on(place) for place in places)))
    values = {"waiting_for": "wake", "wake_at": NOW, "waiting_since": None, "happened_at": NOW, "moved_at": NOW}
    return [("awake now", connection.execute(mine.values(values), {"now": scene.now}).rowcount)]


CHECKS: tuple[Check, ...] = (
    Check(
        "step-exists",
        "everybody stands on a step of the version under which they run",
        "publish the sequence again; those in flight then follow",
        lambda connection, scene: _ids(connection, _nowhere(connection, scene)),
        _to_the_next_surviving,
    ),
    Check(
        "awaited-event",
        "an event is awaited on steps that wait for one",
        "run `ripen run advance`",
        lambda connection, scene: _ids(connection, _not_waiting_for_events(connection, scene)),
        _wake,
    ),
    Check(
        "path",
        "what somebody executed is a gap-free beginning of the path of its versions",
        "`ripen explain` the leads and tell each what it missed by hand; a skipped mail is not sent late by itself",
        _off_the_path,
    ),
)
