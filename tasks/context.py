"""What a run works with: settings, database, live definitions with their compiled statements, and connectors."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from connectors.audiences.base import AudiencePlatform
from connectors.crm.base import Crm
from connectors.email.base import EmailConnector
from connectors.events.base import EventSource, FileSource
from db import definitions
from db.advance import SequenceProgram, versions_in_use
from db.audiences import AudiencePlan
from db.contact_caps import ContactCaps
from db.definitions import Live
from db.derived import DerivePlan
from db.engine import Connection, Database
from db.entries import EntryPlan
from db.holds import ColleaguePause
from db.sales_answers import AnswerPlan
from db.sales_openings import TaskPlan
from db.scores import ScorePlan
from db.stages import StagePlan
from db.verdicts import VerdictPlan
from nurture.definitions.bundle import Bundle, bundle_from_documents
from nurture.definitions.patterns import expand_patterns
from nurture.definitions.sequences import Sequence
from nurture.errors import DefinitionError
from nurture.rendering.fields import with_profile_fields
from nurture.rendering.render import Renderer
from tasks.settings import Settings


class Compiled:
    """The live definitions and every statement made of them; built once per publication."""

    def __init__(self, live: Live, settings: Settings) -> None:
        self.live = live
        self.bundle: Bundle = bundle_from_documents(live.documents, live.profile)
        self.verdicts = VerdictPlan(self.bundle.catalogue.machines)
        self.derived = DerivePlan(self.bundle)
        self.scores = ScorePlan(self.bundle)
        self.stages = StagePlan(self.bundle)
        self.tasks = TaskPlan(self.bundle)
        self.answers = AnswerPlan(self.bundle)
        self.caps = ContactCaps(self.bundle.lifecycle.contact.caps)
        pause = self.bundle.rules.colleague_pause
        self.colleague_pause = ColleaguePause(pause.seconds) if pause is not None else None
        self.pausing = [name for name, each in self.bundle.sequences.items() if each.in_sales_hands == "pause"]
        self.entries = {
            name: EntryPlan(name, sequence, self.bundle) for name, sequence in self.bundle.sequences.items()
        }
        self.audiences = {
            name: AudiencePlan(name, audience, self.bundle) for name, audience in self.bundle.audiences.items()
        }
        self.renderer = Renderer(self.bundle.emails.values(), with_profile_fields(self.bundle.catalogue.fields))
        self._programs: dict[int, SequenceProgram] = {}
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
