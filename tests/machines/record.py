"""Writes `recordings/generated.jsonl`: visits to mails as scanners, previews, proxies and people make them.

Run `python -m tests.machines.record` after a change; a test holds the file to this script. What cannot be said by a
pattern stands in `recordings/by_hand.jsonl`. Every address, network and person is made up; the patterns are those that
vendors and mail administrators describe.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

RECORDINGS = Path(__file__).parent / "recordings"
GENERATED = RECORDINGS / "generated.jsonl"
Line = dict[str, Any]

_WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko)"
CHROME = f"{_WINDOWS} Chrome/126.0.0.0 Safari/537.36"
EDGE = f"{_WINDOWS} Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0"
OLD_CHROME = "Mozilla/5.0 (Windows NT 6.1; WOW64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/41.0.2272.118"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148"
ANDROID = (
    "Mozilla/5.0 (Linux; Android 14; Pixel 8) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0 Mobile Safari/537"
)
GMAIL = "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)"
YAHOO = "YahooMailProxy; https://help.yahoo.com/kb/yahoo-mail-proxy-SLN28749.html"
APPLE = "Mozilla/5.0"
SLACK = "Slackbot-LinkExpanding 1.0 (+https://api.slack.com/robots)"
TEAMS = "Mozilla/5.0 (Windows NT 6.1; WOW64) SkypeUriPreview Preview/0.5 skype-url-preview@example.com"
PEOPLE = (CHROME, EDGE, FIREFOX, IPHONE, ANDROID)
OFFICE, CLOUD, HOME, MOBILE = "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8:7::/48"


def scenario(name: str, **more: Any) -> Line:
    """The first line of a scenario; `hard` says that the rules get something of it wrong."""
    return {"scenario": name, **more}


def visit(who: str, at: float, agent: str | None = CHROME, url: str | None = "/a", **more: Any) -> Line:
    """One click (`open` makes it an open), so many seconds after the mail was handed over."""
    line = {"who": who, "at": round(at, 1), "agent": agent, "url": url, **more}
    return {key: value for key, value in line.items() if value is not None}


def opened(who: str, at: float, agent: str, **more: Any) -> Line:
    """One open."""
    return visit(who, at, agent, None, open=True, **more)


def trap(at: float, agent: str | None = CHROME, **more: Any) -> Line:
    """The link that no reader sees, followed."""
    return visit("machine", at, agent, None, honeypot=True, **more)


def safelinks(number: int, dice: Random) -> Iterator[Line]:
    """Every link and the hidden one within moments, each from another agent in the cloud."""
    yield scenario(f"safelinks burst {number}", delivered=2)
    begin = dice.uniform(15, 90)
    for place in range(5):
        agent = dice.choice((CHROME, EDGE, OLD_CHROME))
        yield visit("machine", begin + dice.uniform(0, 4), agent, f"/{place}", network=CLOUD)
    yield trap(begin + dice.uniform(0, 4), dice.choice((CHROME, EDGE)), network=CLOUD)


def proofpoint(number: int, dice: Random) -> Iterator[Line]:
    """A pass before the mail is let in, and one by another agent when it has been."""
    yield scenario(f"proofpoint two passes {number}", delivered=3)
    begin = dice.uniform(5, 8)
    yield trap(begin, OLD_CHROME, network=CLOUD)
    for place in range(3):
        yield visit("machine", begin + 1 + place * dice.uniform(5, 12), OLD_CHROME, f"/{place}", network=CLOUD)
    begin = dice.uniform(900, 1500)
    for place in range(4):
        yield visit("machine", begin + place * dice.uniform(0.3, 2.0), CHROME, f"/{place}", network=CLOUD)


def barracuda(number: int, dice: Random) -> Iterator[Line]:
    """First by name, then as a browser."""
    yield scenario(f"barracuda two passes {number}", delivered=2)
    for place in range(3):
        yield visit("machine", 6 + place * 20, "BarracudaCentral/1.0", f"/{place}", method="HEAD", network=CLOUD)
    begin = dice.uniform(300, 500)
    for place in range(3):
        yield visit("machine", begin + place * dice.uniform(15, 40), EDGE, f"/{place}", method="GET", network=CLOUD)
    yield trap(begin + dice.uniform(20, 60), EDGE, method="GET", network=CLOUD)


def apple(number: int, dice: Random) -> Iterator[Line]:
    """Apple's proxy loads the images whenever it likes; the reader clicks when she reads."""
    yield scenario(f"apple mail privacy {number}", delivered=1)
    for _ in range(3):
        yield opened("machine", dice.uniform(30, 20_000), APPLE, network=CLOUD)
    yield visit("human", dice.uniform(25_000, 40_000), IPHONE, network=MOBILE)


def head_then_get(number: int, dice: Random) -> Iterator[Line]:
    """A checker asks by HEAD and fetches what answers; link by link, with pauses."""
    yield scenario(f"head and get pairs {number}", delivered=1)
    for place in range(3):
        at = 60 + place * dice.uniform(40, 60)
        yield visit("machine", at, CHROME, f"/{place}", method="HEAD", network=CLOUD)
        yield visit("machine", at + dice.uniform(0.2, 3), CHROME, f"/{place}", method="GET", network=CLOUD)


def awareness(number: int, dice: Random) -> Iterator[Line]:
    """A trainer against phishing plays a person in a browser: slowly, one link after the other, the hidden one, too."""
    yield scenario(f"security awareness bot {number}", delivered=2)
    yield opened("machine", 120 + dice.uniform(0, 5), CHROME)
    hidden = dice.randrange(5)
    for place in range(5):
        at = 130 + place * dice.uniform(15, 30)
        yield trap(at) if place == hidden else visit("machine", at, CHROME, f"/{place}")


def inline(number: int, dice: Random) -> Iterator[Line]:
    """A gateway that looks at a link before it says yes to the mail."""
    yield scenario(f"gateway before it accepts {number}", delivered=8)
    yield visit("machine", 8 - dice.uniform(0.2, 1.9), CHROME, network=CLOUD)
    yield visit("machine", 8 + dice.uniform(0.1, 1.9), EDGE, "/b", network=CLOUD)


def sweep(number: int, dice: Random) -> Iterator[Line]:
    """A mailbox is looked through again: a link of each mail, within seconds, each by another agent."""
    yield scenario(f"mailbox looked through {number}", delivered=1)
    begin = dice.uniform(7000, 9000)
    for mail, agent in enumerate((CHROME, EDGE, OLD_CHROME), 1):
        yield visit("machine", begin + mail * dice.uniform(0.2, 1.2), agent, mail=mail, network=CLOUD)


def previews(number: int, dice: Random) -> Iterator[Line]:
    """Somebody passes the link on in a chat, and colleagues follow it."""
    yield scenario(f"shared in a chat {number}", delivered=2)
    begin = dice.uniform(2000, 4000)
    yield visit("human", begin, EDGE, network=OFFICE)
    yield visit("machine", begin + 45, dice.choice((SLACK, TEAMS)), network=CLOUD)
    yield visit("human", begin + dice.uniform(60, 300), CHROME, network=OFFICE)


def behind_gateway(number: int, dice: Random) -> Iterator[Line]:
    """The company's gateway goes first, and the reader clicks minutes later, from the same network."""
    yield scenario(f"human behind a gateway {number}", delivered=2, named=True)
    begin = dice.uniform(10, 40)
    for place in range(3):
        yield visit("machine", begin + place, OLD_CHROME, f"/{place}", network=OFFICE)
    yield trap(begin + 3, OLD_CHROME, network=OFFICE)
    yield visit("human", begin + 303, dice.choice(PEOPLE), "/1", network=OFFICE)
    yield visit("human", begin + dice.uniform(400, 900), CHROME, "/0", network=OFFICE)


def slow(number: int, dice: Random) -> Iterator[Line]:
    """Opens in Gmail, clicks hours later, and comes back the next day."""
    yield scenario(f"slow human {number}", delivered=4, named=True)
    at = dice.uniform(4000, 9000)
    agent = dice.choice(PEOPLE)
    yield opened("human", at, GMAIL)
    yield visit("human", at + dice.uniform(20, 200), agent, "/a", network=HOME)
    yield visit("human", at + dice.uniform(70_000, 90_000), agent, "/b", network=HOME)


def reader(number: int, dice: Random) -> Iterator[Line]:
    """Anybody: an open, one to three clicks with the pauses of somebody who reads."""
    yield scenario(f"reader {number}", delivered=dice.randrange(1, 30))
    at = dice.expovariate(1 / 3000) + 40
    agent = dice.choice(PEOPLE)
    yield opened("human", at, dice.choice((GMAIL, YAHOO, EDGE)))
    for place in range(dice.randrange(1, 4)):
        at += dice.uniform(6, 200)
        yield visit("human", at, agent, f"/{place}", network=dice.choice((OFFICE, HOME, MOBILE)))


PATTERNS = (
    (safelinks, 4),
    (proofpoint, 3),
    (barracuda, 3),
    (apple, 4),
    (head_then_get, 3),
    (awareness, 3),
    (inline, 3),
    (sweep, 3),
    (previews, 4),
    (behind_gateway, 4),
    (slow, 4),
    (reader, 24),
)


def lines() -> list[str]:
    """The file's lines; the same each time."""
    return [
        json.dumps(line)
        for pattern, times in PATTERNS
        for number in range(1, times + 1)
        for line in pattern(number, Random(f"{pattern.__name__} {number}"))
    ]


if __name__ == "__main__":
    GENERATED.write_text("\n".join(lines()) + "\n", encoding="utf-8")
