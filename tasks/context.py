"""What a run works with: settings, database, live definitions with their compiled statements, and connectors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from time import sleep
from typing import Any

from connectors.audiences.base import AudiencePlatform
from connectors.crm.base import Crm
from connectors.email.base import EmailConnector
from connectors.events.base import EventSource, FileSource
from db import account_scores, definitions
from db.advance import SequenceProgram, versions_in_use
from db.definitions import Live
from db.engine import Connection, Database
from nurture.definitions.patterns import expand_patterns
from nurture.definitions.sequences import Sequence
from nurture.errors import DefinitionError
from nurture.score_lines import Lines, lines_of
from tasks.plans import plans_of
from tasks.settings import Settings


class Compiled:
    """The live definitions and every statement made of them; built once per publication."""

    def __init__(self, live: Live, settings: Settings) -> None:
        self.live = live
        plans = plans_of(live)
        self.bundle = plans.bundle
        self.verdicts = plans.verdicts
        self.derived = plans.derived
        self.scores = plans.scores
        self.stages = plans.stages
        self.tasks = plans.tasks
        self.answers = plans.answers
        self.permissions = plans.permissions
        self.caps = plans.caps
        self.colleague_pause = plans.colleague_pause
        self.pausing = plans.pausing
        self.entries = plans.entries
        self.audiences = plans.audiences
        self.renderer = plans.renderer
        self.audit_statements = plans.audit_statements
        self._programs: dict[int, SequenceProgram] = {}
        self._lines: tuple[int, Lines] | None = None
        self._at_home = (settings.project.time_zone, settings.project.country)

    def version(self, key: str) -> int:
        """The id of the live version of a definition."""
        return self.live.versions[key]

    def programs(self, connection: Connection) -> dict[int, SequenceProgram]:
        """A program for every sequence version that is live or that somebody is still in."""
        for name, sequence in self.bundle.sequences.items():
            version = self.version(f"sequences/{name}")
            if version not in self._programs:
                self._programs[version] = SequenceProgram(version, sequence, self.bundle, *self._at_home)
        for version, (_key, body) in versions_in_use(connection).items():
            if version not in self._programs:
                sequence = Sequence.model_validate(expand_patterns(body, self.bundle.catalogue))
                self._programs[version] = SequenceProgram(version, sequence, self.bundle, *self._at_home)
        return self._programs

    def score_lines(self, connection: Connection) -> Lines:
        """What scores are compared with, also by older versions of sequences that somebody is still in."""
        programs = self.programs(connection)
        if self._lines is None or self._lines[0] != len(programs):
            self._lines = len(programs), lines_of(self.bundle, [each.sequence for each in programs.values()])
        return self._lines[1]

    def where_colleagues_wait(self, connection: Connection) -> str | None:
        """The queue for the people of an account whose score changes, if anything asks for it that somebody is in."""
        if not self.bundle.rules.account_scores:
            return None
        in_flight = [program.sequence for program in self.programs(connection).values()]
        return account_scores.asked_by(self.bundle, in_flight)


@dataclass
class Context:
    """Everything outside a run's `now`."""

    settings: Settings
    database: Database
    email: EmailConnector
    sources: list[EventSource | FileSource] = field(default_factory=list)
    audiences: dict[str, AudiencePlatform] = field(default_factory=dict)
    crm: Crm | None = None
    batch_size: int = 20_000
    # How a worker waits for its rate, in seconds, and whom it asks before it sends so many messages.
    wait: Callable[[float], None] = sleep
    pace: Callable[[int], None] | None = None
    # The numbers of links that are no single lead's own, as far as this process has met them.
    link_numbers: dict[str, int] = field(default_factory=dict)
    _compiled: Compiled | None = None

    def compiled(self) -> Compiled:
        """The live definitions; raises DefinitionError when nothing was ever published."""
        with self.database.read() as connection:
            if self._compiled is not None and definitions.live_hash(connection) == self._compiled.live.hash:
                return self._compiled
            live = definitions.live(connection)
        if live is None:
            raise DefinitionError("nothing is published yet; run `ripen publish`")
        self._compiled = Compiled(live, self.settings)
        return self._compiled


@dataclass(frozen=True)
class Run:
    """One run: its context and its one instant."""

    context: Context
    now: datetime
    notes: dict[str, Any] = field(default_factory=dict)
