"""An e-mail of the working tree as it would be sent, with all that can be said of it; nothing is sent or stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from email import message_from_bytes, policy
from typing import Any

from db import hand_over
from nurture.check import CheckResult, check_documents
from nurture.definitions.bundle import Bundle, bundle_from_documents
from nurture.definitions.emails import EmailSource
from nurture.definitions.program import all_steps
from nurture.definitions.sequences import EmailStep
from nurture.errors import BadInput, SkipThis
from nurture.keys import message_key
from nurture.problems import Problem, did_you_mean
from nurture.rendering.fields import Fields, with_profile_fields
from nurture.rendering.lint import email_problems
from nurture.rendering.page_lint import CLIPPED_BYTES
from nurture.rendering.render import Renderer
from nurture.rendering.tracking import anchors_of
from tasks.context import Context
from tasks.definition_files import load_tree
from tasks.explain import find
from tasks.mail import Composer, Draft, Mail, ours_of
from tasks.preview_problems import has_errors, in_file, is_local, local_door, of_message, refused, with_open_door
from tasks.preview_reach import Facts, reach
from tasks.publish import refuse_errors
from tasks.settings import Settings

_SAMPLE: dict[str, Any] = {
    "address": "ada@example.com",
    "first_name": "Ada",
    "last_name": "Example",
    "name": "Ada Example",
    "company": "Example Ltd",
    "country": "DK",
    "city": "Aarhus",
    "job_title": "Head of Operations",
    "language": None,
    "time_zone": None,
    "attributes": {},
    "account_name": "Example Ltd",
    "not_measured": False,
}
# The message needs a recipient to be built; why it would not be sent is said beside it.
_NO_ADDRESS = "no-address@example.com"


@dataclass(frozen=True)
class Preview:
    """One language of an e-mail: the facts as JSON has them, and the page with its links leading straight on."""

    facts: Facts
    design: str = ""

    @property
    def has_errors(self) -> bool:
        """Whether it cannot, or must not, be sent as it is."""
        return has_errors(self.facts["problems"])


@dataclass(frozen=True)
class Tree:
    """The working tree, and what writes its e-mails."""

    checked: CheckResult
    bundle: Bundle
    fields: Fields
    renderer: Renderer

    def problems_of(self, email: str) -> list[Problem]:
        """What the lint says of one e-mail, its frame included."""
        mine = [each for each in self.checked.problems if each.file.startswith(f"emails/{email}/")]
        source = self.bundle.emails.get(email)
        frame = email_problems(source, self.fields) if source is not None else []
        return list(dict.fromkeys([*mine, *frame]))

    def steps_with(self, email: str) -> dict[str, str]:
        """The sequences that send an e-mail, each with its first step that does."""
        found: dict[str, str] = {}
        for name, sequence in self.bundle.sequences.items():
            for step in all_steps(sequence.steps):
                if isinstance(step, EmailStep) and email in step.emails:
                    found.setdefault(name, step.id)
        return found


def preview_email(
    context: Context, email: str, *, now: datetime, lead: str | None = None, locale: str | None = None
) -> Preview:
    """One e-mail for a lead, or for a made-up reader; raises BadInput, and UnknownLead for the lead."""
    return _Bench(context, email, lead, now).shown(locale)


def preview_locales(
    context: Context, email: str, *, now: datetime, lead: str | None = None, locale: str | None = None
) -> list[Preview]:
    """The same in every language of the e-mail, the one that is asked for first; raises BadInput and UnknownLead."""
    bench = _Bench(context, email, lead, now)
    first = bench.shown(locale)
    return [first, *(bench.shown(each) for each in first.facts["locales"] if each != first.facts["locale"])]


def preview_all(context: Context, now: datetime) -> list[Preview]:
    """Every e-mail of the working tree in its own language, for a made-up reader."""
    tree = read_tree(context)
    broken = {each.file.split("/")[1] for each in tree.checked.errors if each.file.startswith("emails/")}
    names = {*tree.bundle.emails, *(name for name in broken if not name.startswith("_"))}
    return [_Bench(context, name, None, now, tree).shown(None) for name in sorted(names)]


def read_tree(context: Context) -> Tree:
    """The working tree; errors of e-mails are told beside each e-mail, any other raises DefinitionError."""
    checked = check_documents(load_tree(context.settings.templates))
    refuse_errors(each for each in checked.errors if not each.file.startswith("emails/"))
    bundle = bundle_from_documents(checked.documents, context.settings.profile)
    fields = with_profile_fields(bundle.catalogue.fields)
    return Tree(checked, bundle, fields, Renderer(bundle.emails.values(), fields))


class _Bench:
    """One e-mail of the tree and one reader, read once for all languages."""

    def __init__(self, context: Context, email: str, lead: str | None, now: datetime, tree: Tree | None = None) -> None:
        self.context = context
        self.name = email
        self.now = now
        self.tree = tree or read_tree(context)
        self.lint = self.tree.problems_of(email)
        self.source = self.tree.bundle.emails.get(email)
        if self.source is None and not self.lint:
            known = self.tree.bundle.emails
            raise BadInput(f"there is no e-mail `{email}`; {did_you_mean(email, known)}".rstrip("; "))
        self.steps = self.tree.steps_with(email)
        self.lead_id: int | None = None
        self.reader = dict(_SAMPLE)
        if lead is not None:
            topics = self.tree.bundle.catalogue.topics
            measuring = [name for name, topic in topics.items() if topic.channel == "tracking"]
            with context.database.read() as connection:
                self.lead_id = find(connection, lead, context.settings)
                self.reader = hand_over.reader(connection, self.lead_id, measuring)

    def shown(self, locale: str | None) -> Preview:
        """The e-mail in the language that is asked for, or else the one that this reader would get."""
        source = self.source
        facts = self._about(source)
        facts["problems"] = [in_file(each) for each in self.lint]
        if source is None:
            return Preview(facts)
        row = self._row(source, locale)
        facts["locale"] = source.locale_for(row["language"] or self.context.settings.project.language)
        if has_errors(facts["problems"]):
            return Preview(facts)
        if self.lead_id is not None:
            facts["reach"] = reach(self.context, self.tree.bundle, source, self.steps, self.lead_id, self.now)
        try:
            draft, mail = self._composed(row, self.context.settings)
        except SkipThis as error:
            facts["problems"].append(refused(error, source, facts["locale"]))
            return Preview(facts)
        facts |= _told(draft, mail, bool(self.reader["address"]))
        local = is_local(self.context.settings)
        judged = with_open_door(self.context.settings) if local else self.context.settings
        # Filters see the links that lead by our door; what is behind them is to be as good.
        built = [self._composed(row, judged, counted=counted)[1] for counted in (True, False)]
        facts["problems"] += of_message(draft, built, self.context.settings, facts["problems"])
        if local:
            facts["problems"].append(local_door(self.context.settings))
        return Preview(facts, draft.rendered.html)

    def _composed(self, row: Mapping[str, Any], settings: Settings, *, counted: bool = True) -> tuple[Draft, Mail]:
        takes_raw = self.context.email.abilities.takes_raw
        composer = Composer(settings, self.tree, self.now, takes_raw=takes_raw)
        # No enrollment has the number 0: the links are whole, and nobody stands behind them.
        draft = composer.draft(row, message_key(settings.secret_bytes(), 0, "preview"))
        # Links get their numbers when they are stored; these are stored nowhere.
        numbered = draft if counted else replace(draft, links=())
        return draft, composer.finish(numbered, dict.fromkeys(numbered.links, 0))

    def _row(self, source: EmailSource, locale: str | None) -> dict[str, Any]:
        """The row that the ledger would have."""
        sequence, step = next(iter(self.steps.items()), ("preview", "preview"))
        reader = {**self.reader, "address": self.reader["address"] or _NO_ADDRESS}
        return {
            **reader,
            "language": locale or reader["language"],
            "id": 0,
            "lead_id": self.lead_id or 0,
            "email": source.name,
            "topic": source.topic,
            "marketing": source.kind == "marketing",
            "sequence": sequence,
            "step_id": step,
            "attempts": 0,
        }

    def _about(self, source: EmailSource | None) -> Facts:
        return {
            "email": self.name,
            "description": source.description if source else "",
            "topic": source.topic if source else "",
            "kind": source.kind if source else "",
            "sequences": self.steps,
            "lead": self.lead_id,
            "locale": source.default_locale if source else None,
            "locales": list(source.locales) if source else [],
            "subject": "",
            "preheader": "",
            "from": "",
            "to": "",
            "headers": [],
            "text": "",
            "html": "",
            "size": 0,
            "size_limit": CLIPPED_BYTES,
            "message_size": 0,
            "links": [],
            "pixel": False,
            "problems": [],
            "reach": None,
        }


def _told(draft: Draft, mail: Mail, has_address: bool) -> Facts:
    """What the built message says."""
    plan, ours, counted = mail.plan, ours_of(draft.context), set(draft.links)
    message = message_from_bytes(mail.raw, policy=policy.default)
    return {
        "locale": mail.locale,
        "subject": mail.subject,
        "preheader": draft.rendered.preheader,
        "from": _mailbox(plan.from_name, plan.from_address),
        "to": _mailbox(plan.to_name, plan.to_address) if has_address else "",
        "headers": [{"name": name, "value": str(value)} for name, value in message.items()],
        "text": plan.text,
        "html": plan.html,
        "size": len(plan.html.encode()),
        "message_size": len(mail.raw),
        "links": [
            {
                "text": each.words,
                "goal": each.url,
                "counted": each.countable and each.url in counted,
                "ours": each.ours,
            }
            for each in anchors_of(draft.rendered.html, ours)
        ],
        "pixel": draft.pixel,
    }


def _mailbox(name: str, address: str) -> str:
    return f"{name} <{address}>" if name else address
