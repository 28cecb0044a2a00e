"""From the files of an e-mail to templates that only need a recipient: judged, joined, compiled once a language."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import cast

from jinja2 import Template, TemplateError, nodes

from nurture.definitions.emails import PART_FILES, EmailSource
from nurture.errors import UnsafeTemplate
from nurture.problems import Problem, Severity, errors_in
from nurture.rendering.environment import TemplateEnvironment, build_environment
from nurture.rendering.fields import MESSAGE_FIELDS, Fields
from nurture.rendering.page import Page, compile_page
from nurture.rendering.pieces import Piece, Source, Torn, assemble, flatten
from nurture.rendering.plain_text import plain_text
from nurture.rendering.policy import Report, inspect_page, inspect_template, join_layout

# What the law and the mailbox providers ask of every marketing mail, in both parts, whatever the lead's data.
OBLIGATIONS = {
    "links.unsubscribe": "a marketing e-mail needs its unsubscribe link in both parts",
    "project.postal_address": "a marketing e-mail needs the sender's postal address in both parts",
}
_BODIES = ("text", "html", "mjml")
# By the ending of a template: the endings of the partials that it may include.
_PARTIALS = {".html": (".html",), ".mjml": (".mjml", ".html"), ".txt": (".txt",)}


@dataclass(frozen=True, slots=True)
class CompiledParts:
    """One language of an e-mail, ready for recipients; `derived` when nobody wrote its text."""

    subject: Template
    text: Template
    html: Template
    preheader: Template | None
    derived: bool


@dataclass(frozen=True, slots=True)
class CompiledEmail:
    """An e-mail with everything that is wrong with it; a language with errors is not among `locales`."""

    problems: tuple[Problem, ...]
    locales: Mapping[str, CompiledParts]


def compile_email(email: EmailSource, fields: Fields) -> CompiledEmail:
    """Judge and compile every language of an e-mail; the last few are kept, because what is rendered was checked."""
    return _compiled(_Key(email, fields))


class _Key:
    """An e-mail with the fields that it may name, equal to another one that says the same."""

    def __init__(self, email: EmailSource, fields: Fields) -> None:
        self.email = email
        self.fields = fields
        self.said = f"{email.model_dump_json()}{fields!r}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other.said == self.said

    def __hash__(self) -> int:
        return hash(self.said)


@lru_cache(maxsize=256)
def _compiled(key: _Key) -> CompiledEmail:
    return _Compiling(key.email, key.fields).email()


def _ending(name: str) -> str:
    return name[name.rfind(".") :]


class _Compiling:
    def __init__(self, email: EmailSource, fields: Fields) -> None:
        self.source = email
        self.fields = fields
        self.body_fields = {**fields, **MESSAGE_FIELDS}
        self.environment: TemplateEnvironment = build_environment({})
        self.problems: list[Problem] = []
        self.locales: dict[str, CompiledParts] = {}
        self.shared = {
            name: Source(f"emails/{name}", text) for name, text in {**email.layouts, **email.partials}.items()
        }
        self.partials = {name: self.partial(name) for name in email.partials}
        self.layouts = {name: self.layout(name) for name in email.layouts}

    # --- each file alone -------------------------------------------------------------------------------------------

    def layout(self, name: str) -> Report:
        """The shared frame, judged alone."""
        return inspect_template(
            self.source.layouts[name],
            file=f"emails/{name}",
            fields=self.body_fields,
            html=_ending(name) != ".txt",
            is_layout=True,
            partials=self.partials_for(name),
            needs=self.source.needs,
        )

    def partial(self, name: str) -> Report:
        """A shared piece, judged alone; it includes no other, so none can include itself."""
        report = inspect_template(
            self.source.partials[name],
            file=f"emails/{name}",
            fields=self.body_fields,
            html=_ending(name) != ".txt",
            needs=self.source.needs,
        )
        report.problems = [
            replace(each, message="a partial cannot include another one", remedy="include both where they are needed")
            if each.code == "template-include"
            else each
            for each in report.problems
        ]
        return report

    def partials_for(self, name: str) -> list[str]:
        """The partials that a file of this ending may include."""
        return [each for each in self.source.partials if _ending(each) in _PARTIALS[_ending(name)]]

    def part(self, part: str, text: str, place: str) -> Report:
        """One file of the e-mail's folder, judged alone and against its layout."""
        ending = _ending(place)
        report = inspect_template(
            text,
            file=place,
            fields=self.body_fields if part in _BODIES else self.fields,
            html=ending != ".txt",
            layouts=[name for name in self.layouts if part in _BODIES and _ending(name) == ending],
            partials=self.partials_for(place),
            needs=self.source.needs,
        )
        return join_layout(report, self.layouts)

    def used_by(self, report: Report) -> Iterator[Report]:
        """A file with all that it is made of."""
        yield report
        layout = self.layouts.get(report.layout or "")
        if layout is not None:
            yield layout
        for name in sorted(report.partials | (layout.partials if layout else set())):
            yield self.partials[name]

    # --- a language ------------------------------------------------------------------------------------------------

    def email(self) -> CompiledEmail:
        """Every language."""
        for locale in self.source.locales:
            self.locale(locale)
        return CompiledEmail(tuple(dict.fromkeys(self.problems)), self.locales)

    def locale(self, locale: str) -> None:
        """The parts of one language; each is judged, also when another one cannot be used."""
        parts = self.source.locales[locale]
        wanted = {"subject", "text", "html"}
        done: dict[str, Template] = {}
        for part, file in PART_FILES.items():
            text = cast(str, getattr(parts, part))
            if not text.strip() and part != "subject":
                continue
            place = f"emails/{self.source.name}/{file if locale == self.source.default_locale else f'{locale}/{file}'}"
            wanted.add("html" if part == "mjml" else part)
            pieces = self.judged(part, text, place)
            if pieces is None:
                continue
            if part in ("html", "mjml"):
                page = compile_page(pieces, place, self.environment, mjml=part == "mjml")
                done |= self.body(page, locale, derive=not parts.text.strip())
            elif template := self.plain(part, pieces, place, f"{locale}/{file}"):
                done[part] = template
        if wanted == done.keys():
            self.locales[locale] = CompiledParts(
                done["subject"], done["text"], done["html"], done.get("preheader"), not parts.text.strip()
            )

    def judged(self, part: str, text: str, place: str) -> list[Piece] | None:
        """The pieces of one part with its layout and partials; None when one of them may not be used."""
        used = list(self.used_by(self.part(part, text, place)))
        self.say(problem for each in used for problem in each.problems)
        return None if any(each.refused for each in used) else self.flat(place, text)

    def body(self, page: Page, locale: str, derive: bool) -> dict[str, Template]:
        """The HTML, and the text where nobody wrote one."""
        self.say(page.problems)
        if errors_in(page.problems):
            return {}
        html = self.page(page, page.place, f"{locale}/body.html")
        text = self.derived(page, f"{locale}/text.txt") if html and derive else None
        return ({"html": html} if html else {}) | ({"text": text} if text else {})

    def say(self, problems: Iterable[Problem]) -> None:
        """Note problems."""
        self.problems.extend(problems)

    def flat(self, place: str, text: str) -> list[Piece] | None:
        """A part with its layout and partials; None when the whole is too large."""
        try:
            return flatten(place, {**self.shared, place: Source(place, text)}, self.environment)
        except UnsafeTemplate as error:
            self.say([_error(place, 1, "template-size", str(error), "shorten it")])
        return None

    def plain(self, part: str, pieces: list[Piece], place: str, name: str) -> Template | None:
        """A part without tags."""
        fields = self.body_fields if part == "text" else self.fields
        tree = assemble(pieces, self.environment)
        report = inspect_page(tree, file=place, fields=fields, html=False)
        problems = _placed(report, pieces)
        if part == "text" and not problems:
            problems = self.owed(report.always_shown, place)
        return self.compiled(tree, place, name, problems)

    def page(self, page: Page, place: str, name: str) -> Template | None:
        """The HTML as it will be sent, judged once more as a whole, and by what its readers see of it."""
        tree = page.tree
        if tree is None:
            return None
        problems = _placed(inspect_page(tree, file=place, fields=self.body_fields, html=True), page.holes.pieces)
        if not problems:
            reading = self.reading(page)
            if reading is None:
                return None
            seen = inspect_page(reading, file=place, fields=self.body_fields, html=False)
            problems = self.owed(seen.always_shown, place)
        return self.compiled(tree, place, name, problems)

    def reading(self, page: Page) -> nodes.Template | None:
        """What a reader sees of the page, as plain text."""
        pieces = [_unescaped(piece) for piece in page.holes.restore(plain_text(page.well_formed, page.holes))]
        try:
            return assemble(pieces, self.environment)
        except Torn as torn:
            piece = torn.piece
            message = "no text can be made of the page round this condition"
            self.say([_error(piece.file, piece.line, "text-derived", message, "let it hold whole elements")])
        return None

    def derived(self, page: Page, name: str) -> Template | None:
        """The text part that nobody wrote."""
        reading = self.reading(page)
        return None if reading is None else self.compiled(reading, page.place, name, [])

    def owed(self, shown: set[str], place: str) -> list[Problem]:
        """What a marketing mail lacks."""
        if self.source.kind != "marketing":
            return []
        return [
            _error(
                place,
                1,
                "marketing-obligation",
                message,
                f"write `{{{{ {path} }}}}` outside of any `if`, or use the shared layout",
            )
            for path, message in OBLIGATIONS.items()
            if path not in shown
        ]

    def compiled(self, tree: nodes.Template, place: str, name: str, problems: Sequence[Problem]) -> Template | None:
        """The template, unless something is wrong with it."""
        self.say(problems)
        if errors_in(problems):
            return None
        try:
            code = self.environment.compile(tree, name, name)
        except (TemplateError, SyntaxError, RecursionError) as error:
            message = f"a template cannot be compiled: {type(error).__name__}"
            self.say([_error(place, 1, "template-syntax", message, "simplify it")])
            return None
        return Template.from_code(self.environment, code, self.environment.globals)


def _unescaped(piece: Piece) -> Piece:
    """The piece without the escaping that only HTML needs."""
    node = piece.node
    while isinstance(node, nodes.Filter) and node.name in ("e", "escape") and node.node is not None:
        node = node.node
    return piece if node is piece.node else replace(piece, node=node)


def _placed(report: Report, pieces: Sequence[Piece]) -> list[Problem]:
    """Problems of a page at the places where their pieces were written."""
    placed = []
    for problem in report.problems:
        piece = pieces[problem.line - 1] if 0 < problem.line <= len(pieces) else None
        file, line = (piece.file, piece.line) if piece is not None else (report.file, 1)
        placed.append(replace(problem, file=file, line=line))
    return placed


def _error(file: str, line: int, code: str, message: str, remedy: str, severity: Severity = "error") -> Problem:
    return Problem(file, line, 1, code, severity, message, remedy)
