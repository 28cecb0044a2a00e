"""The pages: Jinja2 with autoescape, one inline style that the policy names by its hash, no script."""

from __future__ import annotations

import base64
import hashlib
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


def page(name: str, status: int = 200, **values: Any) -> HTMLResponse:
    """A page by its file name in `pages/`."""
    text = _environment.get_template(name).render(style=Markup(_STYLE), **values)  # noqa: S704 - our own file
    return HTMLResponse(text, status, headers={"Content-Security-Policy": _POLICY})


def language_of(request: Request) -> str:
    """The first of the reader's languages that we have; it says nothing about any lead."""
    for part in request.headers.get("accept-language", "").split(","):
        language = part.split(";")[0].strip().partition("-")[0].lower()
        if language in LANGUAGES:
            return language
    return LANGUAGES[0]
