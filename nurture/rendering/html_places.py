"""Where in HTML a value may stand: between tags and in quoted attributes; in addresses only our own links."""

from __future__ import annotations

import re

_ATTRIBUTE = re.compile(r"\s([a-z-]+)\s*=\s*(\"[^\"]*|'[^']*|[^\s\"'>]*)\Z", re.IGNORECASE)
_ADDRESSES = frozenset(
    {"href", "src", "srcset", "background", "background-url", "action", "formaction", "poster", "cite", "ping", "data"}
)
_ACTIVE = re.compile(
    r"<\s*(script|iframe|object|embed|form|base|link|meta\s+http-equiv=.?refresh)\b"
    r"|<[^<>]*\s(on[a-z]+)\s*=|javascript:",
    re.IGNORECASE,
)

Refusal = tuple[str, str, str]


def active_content(html: str) -> tuple[int, Refusal] | None:
    """Offset, code, message and remedy of what an e-mail must not carry: scripts, frames, forms, handlers."""
    found = _ACTIVE.search(html)
    if found is None:
        return None
    what = found.group(1) or found.group(2) or found.group()
    return found.start(), ("html-active", f"an e-mail cannot carry {what!r}", "remove it")


def misplaced(before: str, said: str, is_link: bool) -> Refusal | None:
    """Code, message and remedy when a value, written as `said`, may not follow the HTML `before`."""
    tag = before[before.rfind("<") :] if "<" in before else ""
    if not tag or ">" in tag:
        return None
    attribute = _ATTRIBUTE.search(tag)
    if attribute is None:
        return (
            "html-attribute",
            "a value stands inside a tag, outside of any attribute",
            'write `name="{{ value }}"`',
        )
    name, value = attribute.group(1).lower(), attribute.group(2)
    if value[:1] not in ('"', "'"):
        return (
            "html-attribute",
            f"the attribute {name} needs quotes round its value",
            f'write `{name}="{{{{ ... }}}}"`',
        )
    if name == "style" or name.startswith("on"):
        return ("html-attribute", f"a value cannot stand in {name}", "write it out")
    if name in _ADDRESSES and not is_link:
        return (
            "html-address",
            f"{name} takes one of our own links, not {said}",
            "use a field of `links`, `project.url` or `event.url`",
        )
    return None
