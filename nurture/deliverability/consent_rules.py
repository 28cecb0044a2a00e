"""Rules that law and mailbox providers make for marketing: a way out in one click, and who sends."""

from __future__ import annotations

import re

from nurture.deliverability.letter import Letter
from nurture.deliverability.rules import Rule, Seen

_WAY = re.compile(r"<([^<>]*)>")
_WORDS = re.compile(
    r"unsubscri|opt[ -]?out|afmeld|frameld|abmeld|abbestell|austragen|avregistrera|avsluta|avmeld|meld (?:meg|deg) av"
    r"|désabonn|désinscri|uitschrijv|afmelden|darse de baja|preferences|/u/",
    re.IGNORECASE,
)
_SPACE = re.compile(r"\s+")


def ways_of(letter: Letter) -> list[str]:
    """The addresses of the List-Unsubscribe header, in their order."""
    return [_SPACE.sub("", way) for value in letter.all("list-unsubscribe") for way in _WAY.findall(value)]


def _list_unsubscribe(letter: Letter) -> Seen | None:
    headers = len(letter.all("list-unsubscribe"))
    if not letter.marketing and not headers:
        return None
    ways = ways_of(letter)
    if headers != 1:
        return Seen(False, f"{headers} List-Unsubscribe headers")
    if not ways or not ways[0].lower().startswith("https://"):
        return Seen(False, "its first way is not https")
    return Seen(True, f"https first, {len(ways)} ways")


def _one_click(letter: Letter) -> Seen | None:
    values = letter.all("list-unsubscribe-post")
    if not letter.marketing and not values and not letter.all("list-unsubscribe"):
        return None
    right = [_SPACE.sub("", value).lower() == "list-unsubscribe=one-click" for value in values]
    return Seen(
        right == [True], f"{len(values)} List-Unsubscribe-Post headers" if len(values) != 1 else values[0].strip()[:60]
    )


def _unsubscribe_link(letter: Letter) -> Seen | None:
    if not letter.marketing:
        return None
    known = {way for way in ways_of(letter) if way.lower().startswith("http")}
    in_html = any(link.url in known or _WORDS.search(f"{link.url} {link.words}") for link in letter.view.links)
    in_text = any(url in known or _WORDS.search(url) for url in letter.text_links) or (
        bool(letter.text_links) and bool(_WORDS.search(letter.text or ""))
    )
    missing = [
        name
        for name, part, found in (("text", letter.text, in_text), ("HTML", letter.html, in_html))
        if part and not found
    ]
    return Seen(not missing, f"none in the {' and the '.join(missing)} part" if missing else "in every part")


def _postal_address(letter: Letter) -> Seen | None:
    address = letter.given.postal_address
    if not letter.marketing or not address:
        return None
    wanted = _plain(address)
    shown = (("text", letter.text), ("HTML", letter.view.words if letter.html else None))
    missing = [name for name, part in shown if part is not None and wanted not in _plain(part)]
    return Seen(not missing, f"not in the {' and the '.join(missing)} part" if missing else "in every part")


def _plain(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())


RULES: tuple[Rule[Letter], ...] = (
    Rule(
        "list-unsubscribe",
        "must",
        "exactly one List-Unsubscribe on marketing, its first way https (RFC 8058, Gmail, Yahoo)",
        "write `List-Unsubscribe: <https://...>`, and a mailto after it if you like; for a receipt say --transactional",
        _list_unsubscribe,
    ),
    Rule(
        "one-click",
        "must",
        "exactly one `List-Unsubscribe-Post: List-Unsubscribe=One-Click` beside it (RFC 8058)",
        "write `List-Unsubscribe-Post: List-Unsubscribe=One-Click` once",
        _one_click,
    ),
    Rule(
        "unsubscribe-link",
        "must",
        "a link to unsubscribe in both parts of marketing mail (CAN-SPAM, GDPR)",
        "put `{{ links.unsubscribe }}` into the text and the HTML part",
        _unsubscribe_link,
    ),
    Rule(
        "postal-address",
        "must",
        "the postal address of the settings in both parts of marketing mail (CAN-SPAM)",
        "put `{{ project.postal_address }}` into the text and the HTML part",
        _postal_address,
    ),
)
