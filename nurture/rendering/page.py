"""The page of an e-mail, compiled once: MJML becomes HTML, styles move into elements, braces stay what they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from jinja2 import Environment, nodes

from nurture.problems import Problem, Severity, errors_in
from nurture.rendering.inlining import BrokenCss, inline_css, style_remarks
from nurture.rendering.markup import CONDITIONAL, MAX_DEPTH, too_deep
from nurture.rendering.mjml import BrokenMjml, Remark, compile_mjml, structure_remarks
from nurture.rendering.page_lint import page_remarks
from nurture.rendering.pieces import STATEMENTS, Piece, Torn, assemble
from nurture.rendering.placeholders import Holes, Spot

_WHOLE = "let it hold whole elements, or stand inside the quotes of one attribute"


@dataclass(slots=True)
class Page:
    """A compiled page: its tree when it can be used, and the same page in a form that is surely well formed."""

    place: str
    holes: Holes
    problems: list[Problem] = field(default_factory=list)
    tree: nodes.Template | None = None
    well_formed: str = ""


def compile_page(pieces: Sequence[Piece], place: str, environment: Environment, *, mjml: bool) -> Page:
    """Compile the pieces of one `body.html` or `body.mjml`; what is wrong stands in `problems`."""
    page = Page(place, Holes(pieces))
    holes = page.holes
    deep = too_deep(holes.markup)
    if deep is not None:
        file, line = holes.place(deep)
        message = f"elements stand in more than {MAX_DEPTH} others"
        page.problems = [_problem(file, line, "html-structure", message, "close every tag, and simplify the page")]
        return page
    remarks = [*page_remarks(holes, holes.markup), *style_remarks(holes.markup)]
    if mjml:
        remarks += structure_remarks(holes.markup)
    page.problems = [*_at_offsets(remarks, holes), *_misplaced(holes), *_torn(holes, holes.markup)]
    if errors_in(page.problems):
        return page
    compiled = _mjml(page) if mjml else _styled(page)
    if compiled is None:
        return page
    page.problems += _torn(holes, compiled)
    # What a compiler has made of it obeys the same rules; only what nobody has said of the source is new.
    acting = [each for each in [*page_remarks(holes, compiled), *style_remarks(compiled)] if each.severity == "error"]
    page.problems += [_problem(place, 1, each.code, each.message, each.remedy) for each in acting]
    try:
        page.tree = assemble(holes.restore(compiled), environment)
    except Torn as torn:
        page.problems.append(_cut(torn.piece, "it would no longer stand where it was written"))
    return page


def _mjml(page: Page) -> str | None:
    holes = page.holes
    try:
        compiled = compile_mjml(holes.markup)
    except BrokenMjml as broken:
        file, line = holes.place(broken.offset)
        page.problems.append(
            _problem(file, line, "mjml-syntax", "the MJML cannot be read from here on", "close every tag, quote values")
        )
        return None
    for piece in holes.lost(compiled):
        page.problems.append(
            _problem(piece.file, piece.line, "mjml-lost", "MJML shows nothing of what is here", "put it in <mj-text>")
        )
    moved = holes.moved(compiled)
    if moved is not None and not errors_in(page.problems):
        page.problems.append(_cut(moved, "MJML moves it to another place"))
    elif not errors_in(page.problems) and not holes.said(compiled).endswith(holes.said(holes.markup)):
        message = "MJML would not show all that the page says, or not in its order"
        page.problems.append(_problem(page.place, 1, "mjml-lost", message, "put every word in <mj-text>"))
    page.well_formed = compiled
    return None if errors_in(page.problems) else compiled


def _styled(page: Page) -> str | None:
    holes = page.holes
    try:
        styled = inline_css(holes.markup)
    except BrokenCss:
        page.problems.append(_problem(page.place, 1, "css-syntax", "the styles cannot be read", "mend the <style>"))
        return None
    page.well_formed = styled
    if "<style" not in holes.markup.lower():
        return holes.markup
    if holes.said(styled) == holes.said(holes.markup) and not holes.lost(styled):
        return styled
    page.problems.append(
        _problem(
            page.place,
            1,
            "html-structure",
            "mail programs would show parts of the page in another order",
            "close every tag, and let a table hold nothing but rows and cells",
        )
    )
    return None


def _at_offsets(remarks: Iterable[Remark], holes: Holes) -> Iterator[Problem]:
    for each in remarks:
        file, line = holes.place(each.offset)
        yield _problem(file, line, each.code, each.message, each.remedy, cast(Severity, each.severity))


def _misplaced(holes: Holes) -> Iterator[Problem]:
    styled = "<style" in holes.markup.lower()
    homes: dict[int, Spot] = {}
    for index, piece in enumerate(holes.pieces):
        spot = holes.spots.get(index)
        if spot is None:
            continue
        if spot.where == "raw" and spot.name not in ("title", "mj-title", "mj-preview", "textarea"):
            yield _problem(
                piece.file,
                piece.line,
                "html-attribute",
                f"nothing in braces can stand in <{spot.name}>",
                "write the style out, and choose by a class",
            )
        elif spot.where == "attribute" and spot.name == "class" and styled:
            message = "the styles of a class in braces cannot be written into the element"
            remedy = "choose between two whole elements, or write the class out"
            yield _problem(piece.file, piece.line, "css-class", message, remedy, "warning")
        if piece.kind in STATEMENTS:
            home = homes.setdefault(piece.group, spot)
            if spot.where == "tag":
                yield _cut(piece, "it stands inside a tag, outside of any attribute")
            elif spot.where == "comment" and spot.name != CONDITIONAL:
                yield _cut(piece, "it stands in a comment, which nobody reads")
            elif home != spot:
                yield _cut(piece, "it begins in one place and ends in another")


def _torn(holes: Holes, markup: str) -> Iterator[Problem]:
    for tear in holes.tears(markup):
        yield _cut(tear.piece, tear.why)


def _cut(piece: Piece, why: str) -> Problem:
    word = "for" if piece.kind == "for" else "if"
    return _problem(piece.file, piece.line, "html-condition", f"an `{word}` cuts the page: {why}", _WHOLE)


def _problem(file: str, line: int, code: str, message: str, remedy: str, severity: Severity = "error") -> Problem:
    return Problem(file, line, 1, code, severity, message, remedy)
