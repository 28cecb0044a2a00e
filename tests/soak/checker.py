"""The Nu HTML Checker (the W3C's validator): what it says of pages."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tests.soak.tools import need_checker


class Finding(NamedTuple):
    """One error or warning, and where it stands."""

    kind: str
    page: str
    message: str
    extract: str


def findings(pages: Mapping[str, str]) -> list[Finding]:
    """Every error and warning of some pages by their names."""
    with tempfile.TemporaryDirectory() as folder:
        for name, html in pages.items():
            Path(folder, f"{name}.html").write_text(html, encoding="utf-8")
        command = [*need_checker(), "--format", "json", "--stdout", "--exit-zero-always", folder]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
    found: list[dict[str, Any]] = json.loads(said.stdout)["messages"]
    kinds = [each.get("subType", "hint") if each["type"] == "info" else "error" for each in found]
    return [
        Finding(kind, Path(each.get("url", "")).stem, each["message"], " ".join(each.get("extract", "").split()))
        for kind, each in zip(kinds, found, strict=True)
        if kind != "hint"
    ]
