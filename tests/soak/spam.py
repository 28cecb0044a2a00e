"""What SpamAssassin says of every shipped e-mail; `python -m tests.soak.spam` prints the table of `docs/soak.md`."""

from __future__ import annotations

import re
import subprocess
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from email import message_from_bytes, policy

from tests.soak.letters import Letter, letters
from tests.soak.tools import SPAMASSASSIN, need
from tests.world import START

# What a receiver writes on top: where the mail came from. Without it half of the rules have nothing to look at.
_ARRIVED = (
    "Return-Path: <bounces@example.com>\r\n"
    "Received: from out.mail.example.com (out.mail.example.com [192.0.2.10])\r\n"
    " by mx.example.net (Postfix) with ESMTPS id 4TabcD2fGhz\r\n"
    f" for <soren@example.net>; {START:%a, %d %b %Y %H:%M:%S} +0000\r\n"
).encode()
_STATUS = re.compile(r"score=(-?[\d.]+) .*?tests=([A-Z0-9_, ]*)")
# Nothing learned and nothing remembered: the same mail has the same score on every machine. And no points for the
# sender's address above, which is one of those that are reserved for examples. What is spam keeps its own headers.
_ALONE = ("use_bayes 0", "use_auto_welcomelist 0", "score RCVD_ILLEGAL_IP 0", "report_safe 0")


@dataclass(frozen=True)
class Verdict:
    """One mail's score and the rules that it hit."""

    letter: Letter
    score: float
    rules: tuple[str, ...]


def version() -> str:
    """Which SpamAssassin judges."""
    said = subprocess.run([need(SPAMASSASSIN), "--version"], capture_output=True, text=True, check=True)
    return said.stdout.split("\n")[0].removeprefix("SpamAssassin version ")


def judged(given: Iterable[Letter]) -> list[Verdict]:
    """Every letter as it arrives, by the rules that need no network."""
    many = list(given)
    box = b"".join(b"From soak Mon Mar  2 09:00:00 2026\n" + _as_arrived(each) + b"\n" for each in many)
    command = [need(SPAMASSASSIN), "-L", "-t", "--mbox", *(f"--cf={line}" for line in _ALONE)]
    with tempfile.TemporaryDirectory() as home:
        said = subprocess.run(
            command, input=box, capture_output=True, check=True, cwd=home, env={"HOME": home, "PATH": "/usr/bin:/bin"}
        )
    answers = [_verdict(answer) for answer in re.split(rb"^From soak .*\n", said.stdout, flags=re.MULTILINE)[1:]]
    found = {key: (score, rules) for key, score, rules in answers}
    assert len(found) == len(many), said.stderr.decode()
    # They come back in no order.
    return [Verdict(each, *found[each.key]) for each in many]


def _as_arrived(letter: Letter) -> bytes:
    text = (_ARRIVED + letter.raw).replace(b"\r\n", b"\n")
    assert b"\nFrom " not in text
    return text


def _verdict(answer: bytes) -> tuple[str, float, tuple[str, ...]]:
    headers = message_from_bytes(answer, policy=policy.compat32)
    status = " ".join(str(headers["X-Spam-Status"]).split())
    found = _STATUS.search(status)
    assert found, status
    rules = (name for name in re.split(r"[, ]+", found[2]) if name not in ("", "none"))
    return str(headers["X-Ripen-Message"]), float(found[1]), tuple(rules)


def table(verdicts: Iterable[Verdict]) -> str:
    """One line for each e-mail and language: its worst score, and every rule that it hit."""
    rows: dict[tuple[str, str], list[Verdict]] = {}
    for each in verdicts:
        rows.setdefault((each.letter.email, each.letter.locale), []).append(each)
    head = "| e-mail | language | score | rules |\n| --- | --- | --- | --- |"
    lines = [f"SpamAssassin {version()}, the rules that are packaged with it:\n", head]
    for (email, locale), found in rows.items():
        rules = sorted({rule for each in found for rule in each.rules})
        shown = ", ".join(f"`{rule}`" for rule in rules)
        lines.append(f"| `{email}` | {locale} | {max(each.score for each in found):.1f} | {shown} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(table(judged(letters())), end="")
