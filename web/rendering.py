"""The pages: Jinja2 with autoescape, one inline style that the policy names by its hash, no script."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import Any

from fastapi import Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

_PAGES = Path(__file__).resolve().parent / "pages"
_environment = Environment(
    loader=FileSystemLoader(_PAGES), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_STYLE = (_PAGES / "style.css").read_text(encoding="utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
LANGUAGES = ("en", "da")
_WEIGHT = re.compile(r"\s*q=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*", re.IGNORECASE | re.ASCII)


def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page by its file name in `pages/`."""
    text = _environment.get_template(name).render(style=Markup(_STYLE), **values)  # noqa: S704 - our own file
    return HTMLResponse(text, status, headers={"Content-Security-Policy": _POLICY})


def language_of(request: Request) -> str:
    """The one of our languages that the reader likes best, the first of those liked alike; it tells of no lead."""
    liked: dict[str, float] = {}
    for part in request.headers.get("accept-language", "").split(",")[:20]:
        named, _, weight = part.partition(";")
        language = named.strip().partition("-")[0].lower()
        found = _WEIGHT.fullmatch(weight)
        if language in LANGUAGES and (found or not weight):
            liked[language] = max(liked.get(language, 0.0), float(found[1]) if found else 1.0)
    best = max(liked, key=liked.__getitem__, default=LANGUAGES[0])
    return best if liked.get(best) else LANGUAGES[0]
