"""`ripen check`: everything that is wrong with the definitions and e-mails of a workspace, at once."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from nurture.check import CheckResult, check_documents
from nurture.problems import as_github, as_json, as_text
from tasks.definition_files import load_tree

Output = Literal["text", "json", "github"]
FOLDER = "templates/"


def check(home: Path, output: Output = "text", json: bool = False) -> int:
    """Print the problems of `home/templates`; returns 0 when it can be used and 1 when there are errors.

    Raises BadInput when the folder cannot be read.
    """
    result = check_documents(load_tree(home / FOLDER))
    if json or output == "json":
        print(as_json(result.problems, FOLDER))
    elif output == "github":
        _print_lines(as_github(result.problems, FOLDER))
    else:
        _print_lines(as_text(result.problems, FOLDER))
        print(summary(result))
    return 0 if result.ok else 1


def summary(result: CheckResult) -> str:
    """One line: how many errors and warnings, in how many definitions."""
    definitions = f"{len(result.documents)} definition{_s(len(result.documents))} checked"
    errors, warnings = len(result.errors), len(result.warnings)
    return f"{definitions}: {errors or 'no'} error{_s(errors)}, {warnings or 'no'} warning{_s(warnings)}"


def _s(count: int) -> str:
    return "" if count == 1 else "s"


def _print_lines(text: str) -> None:
    if text:
        sys.stdout.write(text + "\n")
