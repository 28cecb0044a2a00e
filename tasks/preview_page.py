"""The preview as one HTML file that needs nothing else: the mail in closed frames, no script, nothing loaded."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from math import ceil
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from nurture.rendering.schemes import Scheme, has_dark_rules, in_scheme
from tasks.preview import Preview
from tasks.report_page import code
from tasks.settings import ProjectSettings

_HERE = Path(__file__).parent
# Frames without an address of their own take this over, so that a mail in them loads and runs nothing either.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action {forms}"
_ADDRESS = re.compile(r"https?://\S+")
_SCHEMES: tuple[Scheme, ...] = ("light", "dark")


@dataclass(frozen=True)
class Screen:
    """One width at which the mail is shown, in pixels; `columns` are about the letters in a line."""

    name: str
    width: int
    columns: int


SCREENS = (Screen("Desktop", 700, 72), Screen("Phone", 360, 45))


def preview_page(
    previews: Sequence[Preview], project: ProjectSettings, now: datetime, *, lead: str = "", on_door: bool = False
) -> str:
    """The page of one e-mail in all its languages, the first one on top; on the door with a way to choose a lead."""
    return _render(
        "preview_page.html.j2",
        project,
        now,
        on_door,
        facts=previews[0].facts,
        panels=[{"facts": each.facts, "frames": _frames(each), **_of(each)} for each in previews],
        lead=lead,
    )


def list_page(previews: Sequence[Preview], project: ProjectSettings, now: datetime) -> str:
    """The page of all e-mails, for the web door."""
    rows = [{"facts": each.facts, **_of(each)} for each in previews]
    return _render("preview_list.html.j2", project, now, True, rows=rows)


def policy(*, on_door: bool) -> str:
    """What the page allows itself, as a Content-Security-Policy."""
    return POLICY.format(forms="'self'" if on_door else "'none'")


def _render(name: str, project: ProjectSettings, now: datetime, on_door: bool, **values: Any) -> str:
    local = now.astimezone(ZoneInfo(project.time_zone))
    return (
        _environment()
        .get_template(name)
        .render(
            project=project, local=local, on_door=on_door, policy=policy(on_door=on_door), screens=SCREENS, **values
        )
    )


def _of(preview: Preview) -> dict[str, Any]:
    problems: Sequence[Mapping[str, Any]] = preview.facts["problems"]
    return {
        "errors": [each for each in problems if each["severity"] == "error"],
        "warnings": (warnings := [each for each in problems if each["severity"] != "error"]),
        # Without what is the same for every e-mail.
        "remarks": sum(each["code"] != "web-base-url" for each in warnings),
        "darkens": has_dark_rules(preview.design),
        "pictures": "<img" in preview.design.lower(),
    }


def _frames(preview: Preview) -> list[dict[str, Any]]:
    """The mail in light and dark, at each width."""
    if not preview.design:
        return []
    return [
        {
            "scheme": scheme,
            "screen": screen,
            "html": in_scheme(preview.design, scheme),
            "height": _height(preview.facts["text"], screen),
        }
        for scheme in _SCHEMES
        for screen in SCREENS
    ]


def _height(text: str, screen: Screen) -> int:
    """About as many pixels as the mail is high: no script measures it, and what is longer can be scrolled."""
    # Addresses are written out in the text part alone.
    plain = _ADDRESS.sub("", text)
    lines = sum(max(1, ceil(len(line) / screen.columns)) for line in plain.splitlines())
    return min(1500, max(420, 140 + 22 * lines))


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"kb": _kb, "code": code, "initials": _initials, "host": _host, "sentence": _sentence}
    return environment


def _kb(size: int) -> str:
    return f"{size / 1024:.1f}\N{NO-BREAK SPACE}KB"


def _sentence(said: str) -> str:
    return said[:1].upper() + said[1:]


def _initials(mailbox: str) -> str:
    """One or two letters, as mail programs draw them."""
    words = [word for word in mailbox.partition("<")[0].split() if word[0].isalnum()]
    return "".join(word[0] for word in words[:2]).upper() or "@"


def _host(url: str) -> str:
    """A link as a person recognises it: without its scheme."""
    return url.partition("://")[2] or url
