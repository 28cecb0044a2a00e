"""Every statement that is made of definitions alone, built once a publication and process."""

from __future__ import annotations

from functools import cached_property
from threading import Lock
from typing import Any

from db.audiences import AudiencePlan
from db.contact_caps import ContactCaps
from db.definitions import Live
from db.derived import DerivePlan
from db.entries import EntryPlan
from db.holds import ColleaguePause
from db.sales_answers import AnswerPlan
from db.sales_openings import TaskPlan
from db.scores import ScorePlan
from db.stages import StagePlan
from db.verdicts import VerdictPlan
from nurture.definitions.bundle import Bundle, bundle_from_documents
from nurture.permissions import Permissions, permissions_of
from nurture.rendering.fields import with_profile_fields
from nurture.rendering.render import Renderer

# Building the shipped definitions takes a third of a second; a process that lives long sees a few publications.
_KEPT = 8


class Plans:
    """The definitions of a publication as statements, each made when it is first asked for; none knows a database."""

    def __init__(self, live: Live) -> None:
        self.bundle: Bundle = bundle_from_documents(live.documents, live.profile)
        # Filled by the first audit.
        self.audit_statements: dict[str, tuple[Any, Any]] = {}
        pause = self.bundle.rules.colleague_pause
        self.colleague_pause = ColleaguePause(pause.seconds) if pause is not None else None
        self.pausing = [name for name, each in self.bundle.sequences.items() if each.in_sales_hands == "pause"]

    @cached_property
    def verdicts(self) -> VerdictPlan:
        """Which visits were machines."""
        return VerdictPlan(self.bundle.catalogue.machines)

    @cached_property
    def derived(self) -> DerivePlan:
        """Events that follow from others."""
        return DerivePlan(self.bundle)

    @cached_property
    def scores(self) -> ScorePlan:
        """Points and scores."""
        return ScorePlan(self.bundle)

    @cached_property
    def stages(self) -> StagePlan:
        """Conversions and thresholds."""
        return StagePlan(self.bundle)

    @cached_property
    def tasks(self) -> TaskPlan:
        """What opens a sales task."""
        return TaskPlan(self.bundle)

    @cached_property
    def answers(self) -> AnswerPlan:
        """What sales' answers do."""
        return AnswerPlan(self.bundle)

    @cached_property
    def permissions(self) -> Permissions:
        """Who may be written to about what."""
        return permissions_of(self.bundle)

    @cached_property
    def caps(self) -> ContactCaps:
        """How often somebody may be written to."""
        return ContactCaps(self.bundle.lifecycle.contact.caps)

    @cached_property
    def entries(self) -> dict[str, EntryPlan]:
        """Who enters each sequence."""
        return {name: EntryPlan(name, each, self.bundle) for name, each in self.bundle.sequences.items()}

    @cached_property
    def audiences(self) -> dict[str, AudiencePlan]:
        """Who belongs to each audience."""
        return {name: AudiencePlan(name, each, self.bundle) for name, each in self.bundle.audiences.items()}

    @cached_property
    def renderer(self) -> Renderer:
        """The e-mails."""
        return Renderer(self.bundle.emails.values(), with_profile_fields(self.bundle.catalogue.fields))


_lock = Lock()
_plans: dict[str, Plans] = {}


def plans_of(live: Live) -> Plans:
    """The plans of a publication; the hash says what is in it, so two databases with the same hash share them."""
    with _lock:
        found = _plans.pop(live.hash, None) or Plans(live)
        _plans[live.hash] = found
        while len(_plans) > _KEPT:
            del _plans[next(iter(_plans))]
        return found
