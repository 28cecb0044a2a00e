"""Every statement that is made of definitions alone, built once a publication and process."""

from __future__ import annotations

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
from nurture.permissions import permissions_of
from nurture.rendering.fields import with_profile_fields
from nurture.rendering.render import Renderer

# Building the shipped definitions takes a third of a second; a process that lives long sees a few publications.
_KEPT = 8


class Plans:
    """The definitions of a publication as statements; nothing in it knows a database."""

    def __init__(self, live: Live) -> None:
        self.bundle: Bundle = bundle_from_documents(live.documents, live.profile)
        bundle = self.bundle
        self.verdicts = VerdictPlan(bundle.catalogue.machines)
        self.derived = DerivePlan(bundle)
        self.scores = ScorePlan(bundle)
        self.stages = StagePlan(bundle)
        self.tasks = TaskPlan(bundle)
        self.answers = AnswerPlan(bundle)
        self.permissions = permissions_of(bundle)
        self.caps = ContactCaps(bundle.lifecycle.contact.caps)
        pause = bundle.rules.colleague_pause
        self.colleague_pause = ColleaguePause(pause.seconds) if pause is not None else None
        self.pausing = [name for name, each in bundle.sequences.items() if each.in_sales_hands == "pause"]
        self.entries = {name: EntryPlan(name, sequence, bundle) for name, sequence in bundle.sequences.items()}
        self.audiences = {name: AudiencePlan(name, audience, bundle) for name, audience in bundle.audiences.items()}
        # Filled by the first audit.
        self.audit_statements: dict[str, tuple[Any, Any]] = {}
        self.renderer = Renderer(bundle.emails.values(), with_profile_fields(bundle.catalogue.fields))


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
