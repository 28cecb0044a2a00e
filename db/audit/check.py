"""What a check is, and what all of them look at: one instant, the live definitions, and what the last runs reached."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import orjson
import sqlalchemy as sa
from pydantic import ValidationError
from sqlalchemy import Connection, Select, select

from db import definitions
from db.audiences import AudiencePlan
from db.tables import definition_versions, runs, sequence_states
from db.types import UTCDateTime
from nurture.definitions.bundle import Bundle, bundle_from_documents
from nurture.definitions.program import Node, flatten
from nurture.definitions.sequences import Sequence

# Two runs may overlap, and the slower one has the earlier instant: what is due for no longer is not forgotten.
_OVERLAP = timedelta(hours=1)
# Where no run has ever finished.
_NEVER_RAN = timedelta(days=2)
_ADVANCING = ("daily-sync", "follow-up")
_SYNCING = ("daily-sync", "sync-audiences")
# The daily look leaves out what ended longer ago: nothing touches it any more.
_LATELY = timedelta(days=7)

# What a statement asks of the scene, so that it can be built once for all of them.
DUE_BY: sa.BindParameter[datetime] = sa.bindparam("scene_due_by", type_=UTCDateTime())
SYNCED_AT: sa.BindParameter[datetime] = sa.bindparam("scene_synced_at", type_=UTCDateTime())

Program = dict[str, Node]
# What a repair did, in words, and to how many rows.
Done = list[tuple[str, int]]


@dataclass(frozen=True)
class Scene:
    """One database at one instant, as the checks see it."""

    now: datetime
    bundle: Bundle | None
    audiences: Mapping[str, AudiencePlan]
    # The platforms that this installation tells; None when that is not known here.
    platforms: frozenset[str] | None
    # The `now` of the last run that finished, and of the last that told the platforms.
    finished_at: datetime | None
    synced_at: datetime | None
    # Whether nothing has happened since the platforms were compared with the definitions.
    just_synced: bool
    whole: bool
    # The checks' statements, by name: they are made of the definitions alone, whose owner keeps them.
    statements: dict[str, tuple[Any, Any]] = field(default_factory=dict)
    _programs: dict[int, Program] = field(default_factory=dict)

    @property
    def due_by(self) -> datetime:
        """What was due by then, a finished run must have taken."""
        return self.now - _NEVER_RAN if self.finished_at is None else min(self.finished_at, self.now) - _OVERLAP

    @property
    def since(self) -> datetime:
        """Enrollments that ended before are not walked again, unless everything is asked for."""
        return datetime.min.replace(tzinfo=self.now.tzinfo) if self.whole else self.now - _LATELY

    @property
    def values(self) -> dict[str, datetime | None]:
        """What the checks' statements ask for."""
        return {"now": self.now, DUE_BY.key: self.due_by, SYNCED_AT.key: self.synced_at}

    def these(self, breaches: Select[Any]) -> Select[Any]:
        """A check's rows for a repair, which knows nothing of what its statement asks for."""
        return breaches.params(self.values)

    def programs(self, connection: Connection) -> dict[int, Program]:
        """The steps of every version of every sequence, by version and step."""
        if not self._programs:
            rows = connection.execute(
                select(definition_versions.c.id, definition_versions.c.body).where(
                    definition_versions.c.key.startswith("sequences/")
                )
            )
            for row in rows:
                steps = _steps(orjson.dumps(row.body))
                if steps is not None:
                    self._programs[int(row.id)] = steps
        return self._programs


@lru_cache(maxsize=512)
def _steps(body: bytes) -> Program | None:
    """The steps of one version; None for one that today's rules cannot read any more."""
    try:
        return {node.id: node for node in flatten(Sequence.model_validate(orjson.loads(body)))}
    except ValidationError:
        return None


def look(
    connection: Connection,
    now: datetime,
    *,
    bundle: Bundle | None = None,
    audiences: Mapping[str, AudiencePlan] | None = None,
    platforms: Iterable[str] | None = None,
    in_sync: bool = False,
    whole: bool = True,
    statements: dict[str, tuple[Any, Any]] | None = None,
) -> Scene:
    """Read what the checks need to know beside the rows; `in_sync` says that a daily sync asks, at its end.

    `statements` are those of an earlier look at the same definitions.
    """
    if bundle is None:
        live = definitions.live(connection)
        bundle = bundle_from_documents(live.documents, live.profile) if live is not None else None
    if audiences is None:
        audiences = (
            {name: AudiencePlan(name, each, bundle) for name, each in bundle.audiences.items()} if bundle else {}
        )
    synced_at = _last(connection, _SYNCING)
    newest = connection.execute(select(runs.c.flow, runs.c.now).order_by(runs.c.id.desc()).limit(1)).one_or_none()
    return Scene(
        now=now,
        bundle=bundle,
        audiences=audiences,
        platforms=None if platforms is None else frozenset(platforms),
        finished_at=_last(connection, _ADVANCING),
        synced_at=now if in_sync else synced_at,
        just_synced=in_sync or (newest is not None and newest.flow in _SYNCING and newest.now == synced_at == now),
        whole=whole,
        statements={} if statements is None else statements,
    )


def _last(connection: Connection, flows: Iterable[str]) -> datetime | None:
    """The `now` of the last run of these flows that reached its end."""
    finished = select(runs.c.now).where(runs.c.status == "done", runs.c.flow.in_(list(flows)))
    return connection.execute(finished.order_by(runs.c.id.desc()).limit(1)).scalar()


# The sequences whose clocks stand still, or did until after the last run: nobody there is due.
RESTING = select(sequence_states.c.sequence).where(
    (sequence_states.c.state == "hold") | (sequence_states.c.since > DUE_BY)
)


@dataclass(frozen=True)
class Check:
    """One invariant: what breaks it (a SELECT whose first column is an id, or the ids), and what mends it.

    A SELECT, or that there is none, depends on the scene's definitions alone; the rest it asks for as parameters.
    """

    name: str
    says: str
    # What a person does where nothing mends it by itself.
    remedy: str
    breaches: Callable[[Connection, Scene], Select[Any] | list[int] | None]
    repair: Callable[[Connection, Scene], Done] | None = None
