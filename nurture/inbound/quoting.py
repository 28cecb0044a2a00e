"""The new part of a reply: what the writer added, without the history below or between it and without the signature."""

from __future__ import annotations

import re

from nurture.inbound.html_text import text_of_html
from nurture.inbound.parts import MailPart

MAX_REPLY = 2_000
_MAX_LINES = 2_000
# `On Tue, 3 Mar 2026 at 10:12, Ada wrote:` by language; the line may be broken in two or three.
_ATTRIBUTION = re.compile(
    r"^[>\s]*(?:On\b.{4,300}\bwrote|(?:Den|D\.)\b.{4,300}\bskrev\b.{0,200}|Am\b.{4,300}\bschrieb\b.{0,200}"
    r"|Le\b.{4,300}\ba\s+écrit|Op\b.{4,300}\bschreef\b.{0,200}|El\b.{4,300}\bescribió|Il\b.{4,300}\bha\s+scritto"
    r"|\d{1,4}[./-].{4,300}<[^<>\s]{3,200}>|[^<>]{1,100}<[^<>\s]{3,200}>\s+(?:wrote|schrieb|skrev)\b.{0,100})\s*:\s*$",
    re.IGNORECASE | re.DOTALL,
)
_STARTS = re.compile(r"^[>\s]*(?:On|Den|D\.|Am|Le|Op|El|Il|\d{1,4}[./-])", re.IGNORECASE)
# Outlook's and other lines between an answer and what it answers.
_DIVIDER = re.compile(
    r"^\s*-{2,}\s*(?:original message|forwarded message|ursprüngliche nachricht|weitergeleitete nachricht"
    r"|oprindelig meddelelse|videresendt (?:meddelelse|besked)|opprinnelig melding|ursprungligt meddelande"
    r"|vidarebefordrat meddelande|message d'origine|message transféré|oorspronkelijk bericht|doorgestuurd bericht)"
    r"\s*-{0,}\s*$",
    re.IGNORECASE,
)
_FROM = re.compile(r"^[>\s*]*(?:From|Von|Fra|Från|De|Van)\s*:\**\s+\S", re.IGNORECASE)
_SENT = re.compile(
    r"^[>\s*]*(?:Sent|Date|Gesendet|Datum|Sendt|Dato|Skickat|Envoyé|Verzonden)\s*:\**\s+\S", re.IGNORECASE
)
_SIGNATURE = re.compile(r"^-- ?$")
_DEVICE = re.compile(
    r"^\s*(?:sent from (?:my|mail|outlook|yahoo|samsung)|get outlook for|von meinem .{1,40} gesendet|gesendet von"
    r"|sendt fra min|hent outlook|skickat från min|envoyé de mon|verstuurd vanaf mijn"
    r"|outlook für (?:ios|android))\b.{0,80}$",
    re.IGNORECASE,
)
_BLANK_LINES = re.compile(r"\n{3,}")


def new_text(parts: list[MailPart]) -> str:
    """The new text of a reply, at most MAX_REPLY characters; empty when it only quotes."""
    plain = next((each.text for each in parts if each.content_type == "text/plain" and each.text.strip()), None)
    if plain is None:
        html = next((each.text for each in parts if each.content_type == "text/html" and each.text), "")
        plain = text_of_html(html)
    return without_history(plain)


def without_history(text: str) -> str:
    """The lines that are the writer's own."""
    lines = [line.rstrip() for line in text.replace("\u00a0", " ").split("\n")[:_MAX_LINES]]
    kept: list[str] = []
    number = 0
    while number < len(lines):
        line = lines[number]
        length = _attribution(lines, number)
        if length:
            if not _quoted_next(lines, number + length):
                break
            number += length
            continue
        if _begins_history(lines, number):
            break
        if _SIGNATURE.match(line):
            number = _after_signature(lines, number)
            continue
        if not line.lstrip().startswith(">") and not _DEVICE.match(line):
            kept.append(line)
        number += 1
    return _BLANK_LINES.sub("\n\n", "\n".join(kept)).strip()[:MAX_REPLY].rstrip()


def _attribution(lines: list[str], number: int) -> int:
    """How many lines an attribution takes from here; 0 when none begins here."""
    if not _STARTS.match(lines[number]) and "<" not in lines[number]:
        return 0
    for length in (1, 2, 3):
        if _ATTRIBUTION.match(" ".join(lines[number : number + length])[:800]):
            return length
    return 0


def _quoted_next(lines: list[str], number: int) -> bool:
    """Whether the next line with something on it is marked as quoted, so that answers may stand between."""
    return next((line.lstrip().startswith(">") for line in lines[number:] if line.strip()), False)


def _begins_history(lines: list[str], number: int) -> bool:
    line = lines[number]
    if _DIVIDER.match(line):
        return True
    if set(line.strip()) == {"_"} and len(line.strip()) >= 10:
        return any(_FROM.match(each) for each in lines[number + 1 : number + 4])
    return bool(_FROM.match(line)) and any(_SENT.match(each) for each in lines[number + 1 : number + 4])


def _after_signature(lines: list[str], number: int) -> int:
    """The place after a signature: the next quoted line, else the end."""
    return next((place for place in range(number, len(lines)) if lines[place].lstrip().startswith(">")), len(lines))
