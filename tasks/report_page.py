"""The report as one HTML file that needs nothing else: drawings inline, no script, no personal data."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup

from db.engine import Database
from nurture.errors import BadInput
from nurture.score_lines import BIN
from tasks import report_charts
from tasks.report_data import gather
from tasks.report_remarks import remarks
from tasks.settings import ProjectSettings

_HERE = Path(__file__).parent
# How the parts of a task's fate are drawn.
FATES = (
    ("won", "fill-customer"),
    ("accepted", "fill-sql"),
    ("open", "fill-soft"),
    ("lost", "fill-lost"),
    ("rejected", "fill-bad"),
)


def write_report(database: Database, path: Path, now: datetime, project: ProjectSettings) -> Path:
    """Write the report of a database to a file, whole or not at all; raises BadInput when it cannot be written."""
    page = render(gather(database, now), project)
    half = path.with_name(f".{path.name}.part")
    try:
        half.write_text(page, encoding="utf-8")
        os.replace(half, path)
    except OSError as error:
        half.unlink(missing_ok=True) if half.parent.is_dir() else None
        raise BadInput(f"the report cannot be written to {path}: {error.strerror}; choose another file") from None
    return path


def render(facts: Mapping[str, Any], project: ProjectSettings) -> str:
    """The page of gathered figures; times are in the project's time zone."""
    return _template().render(
        facts=facts,
        project=project,
        local=facts["now"].astimezone(ZoneInfo(project.time_zone)),
        remarks=remarks(facts),
        reached=reached(facts),
        charts=report_charts,
        fates=FATES,
        bin=BIN,
    )


def reached(facts: Mapping[str, Any]) -> dict[str, int]:
    """How many leads ever came as far as each stage."""
    sources = facts["attribution"]["by_source"]
    return {
        "lead": sum(row["leads"] for row in sources),
        **{stage: sum(row[stage] for row in sources) for stage in ("mql", "sql", "customer")},
    }


@cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(_HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"n": _number, "percent": _percent, "hours": _hours, "words": _words, "code": code}
    return environment.get_template("report_page.html.j2")


def _number(value: float) -> str:
    return f"{value:,.0f}"


def _percent(part: float, whole: float) -> str:
    if not whole:
        return "–"
    share = 100 * part / whole
    return f"{share:.1f}\N{NO-BREAK SPACE}%" if 0 < share < 9.95 else f"{share:.0f}\N{NO-BREAK SPACE}%"


def _hours(value: float | None) -> str:
    """A length of time as a person says it."""
    if value is None:
        return "–"
    if value < 1:
        return f"{value * 60:.0f} min"
    return f"{value:.1f} h" if value < 48 else f"{value / 24:.1f} days"


def code(said: str) -> Markup:
    """A sentence in which `commands` are set as such."""
    parts = said.split("`")
    return Markup("").join(
        Markup("<code>{}</code>").format(part) if place % 2 else part for place, part in enumerate(parts)
    )


def _words(name: str) -> str:
    return name.replace("-", " ").replace("_", " ")
