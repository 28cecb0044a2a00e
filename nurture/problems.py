"""What is wrong with a definition, where, and what to do; shown to a person, a program or a code host."""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem; `line` and `column` count from 1, `code` is a short word that never changes its meaning."""

    file: str
    line: int
    column: int
    code: str
    severity: Severity
    message: str
    remedy: str = ""


def errors_in(problems: Iterable[Problem]) -> list[Problem]:
    """Those that keep the definitions from being used."""
    return [problem for problem in problems if problem.severity == "error"]


def warnings_in(problems: Iterable[Problem]) -> list[Problem]:
    """Those that are only remarked."""
    return [problem for problem in problems if problem.severity == "warning"]


def in_reading_order(problems: Iterable[Problem]) -> list[Problem]:
    """By file and place, each said once."""
    return sorted(set(problems), key=lambda each: (each.file, each.line, each.column, each.code, each.message))


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """The remedy for a name that nobody knows: the nearest one, or the few that there are."""
    names = sorted(set(known))
    near = nearest(word, names)
    if near is not None:
        return f"did you mean `{near}`?"
    if not names:
        return ""
    if len(names) <= 8:
        return "use one of: " + ", ".join(names)
    return ""


def nearest(word: object, known: Iterable[str]) -> str | None:
    """The known name that looks most like the word, when one looks like it at all."""
    names = {name.lower(): name for name in known}
    found = difflib.get_close_matches(str(word).lower()[:80], list(names), n=1, cutoff=0.6)
    return names[found[0]] if found else None


def _one_line(text: str) -> str:
    return " ".join(text.split())


def as_text(problems: Sequence[Problem], folder: str = "") -> str:
    """One line each: `file:line:column: error code: message (remedy)`; `folder` goes before each file name."""
    return "\n".join(
        f"{folder}{each.file}:{each.line}:{each.column}: {each.severity} {each.code}: {_one_line(each.message)}"
        + (f" ({_one_line(each.remedy)})" if each.remedy else "")
        for each in problems
    )


def as_json(problems: Sequence[Problem], folder: str = "") -> str:
    """One object: `errors` and `warnings`, each a list of `{file, line, column, code, message, remedy}`."""

    def rows(chosen: list[Problem]) -> list[dict[str, object]]:
        return [
            {**{key: value for key, value in asdict(each).items() if key != "severity"}, "file": folder + each.file}
            for each in chosen
        ]

    return json.dumps(
        {"errors": rows(errors_in(problems)), "warnings": rows(warnings_in(problems))}, ensure_ascii=False, indent=2
    )


def as_github(problems: Sequence[Problem], folder: str = "") -> str:
    """One workflow command each, which a code host shows beside the line that it is about."""
    return "\n".join(
        f"::{each.severity} file={_property(folder + each.file)},line={each.line},col={each.column},"
        f"title={_property(each.code)}::"
        + _data(_one_line(each.message) + (f" ({_one_line(each.remedy)})" if each.remedy else ""))
        for each in problems
    )


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
