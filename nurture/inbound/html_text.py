"""The text of an HTML reply without what it quotes; for mails that have no text part, so plainness is enough."""

from __future__ import annotations

import re
from html import unescape

# One tag, or text up to the next; no quantifier meets another, so that any input is read once.
_TOKEN = re.compile(r"<(/?)([a-zA-Z][a-zA-Z0-9]{0,20})([^<>]{0,4000})>|<[^<>]{0,4000}>|[^<]+|<")
_HIDDEN = ("script", "style", "head", "title")
_BREAKS = ("br", "p", "div", "tr", "li", "h1", "h2", "h3", "table", "blockquote", "hr")
# Where mail programs begin what they quote: Gmail, Outlook, Apple, Thunderbird, Yahoo, Proton.
_HISTORY = re.compile(
    r"gmail_quote|gmail_attr|appendonsend|divRplyFwdMsg|OutlookMessageHeader|mail-editor-reference|moz-cite-prefix"
    r"|yahoo_quoted|protonmail_quote|border-top:\s*solid #(?:B5C4DF|E1E1E1)",
    re.IGNORECASE,
)
_SPACE = re.compile(r"[ \t\n\f]+")


def text_of_html(html: str) -> str:
    """The writer's own text, one line a block."""
    lines: list[str] = [""]
    hidden = ""
    quoted = 0
    for closing, name, more in _tokens(html):
        tag = name.lower()
        if hidden:
            hidden = "" if closing and tag == hidden else hidden
        elif tag in _HIDDEN:
            hidden = "" if closing else tag
        elif tag == "blockquote":
            quoted = max(0, quoted + (-1 if closing else 1))
            lines.append("")
        elif tag and not closing and _HISTORY.search(more):
            break
        elif tag:
            if tag in _BREAKS:
                lines.append("")
        elif not quoted:
            lines[-1] += _SPACE.sub(" ", unescape(more))
    return "\n".join(line.strip() for line in lines)


def _tokens(html: str) -> list[tuple[str, str, str]]:
    """Each tag as (slash, name, attributes), each text as (``, ``, text); comments are left out."""
    return [
        (match[1] or "", match[2], match[3]) if match[2] else ("", "", match[0])
        for match in _TOKEN.finditer(html)
        if match[2] or not match[0].startswith("<")
    ]
