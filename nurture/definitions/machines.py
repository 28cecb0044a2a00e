"""How machine opens and clicks are told from those of people: section `machines` of events.yaml."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from nurture.conditions import OperatorsOrValue, Part
from nurture.durations import Duration, ShortDurationText, parse_short_duration

# What a mail scanner or a link preview says of itself, as any part of its user agent. Image proxies that fetch when the
# reader opens the mail (GoogleImageProxy, YahooMailProxy) are no machines in this sense: somebody opened.
AGENTS = (
    "barracuda",
    "mimecast",
    "proofpoint",
    "messagelabs",
    "forcepoint",
    "trendmicro",
    "bingpreview",
    "skypeuripreview",
    "slackbot",
    "linkedinbot",
    "twitterbot",
    "facebookexternalhit",
    "telegrambot",
    "discordbot",
    "googlebot",
    "headlesschrome",
    "phantomjs",
    "python-requests",
    "python-urllib",
    "go-http-client",
    "apache-httpclient",
    "libwww-perl",
    "curl/",
    "wget/",
)
# Apple's proxies fetch every mail's images, opened or not, and give this as the whole of their user agent.
APPLE = "Mozilla/5.0"


def _off(value: object) -> object:
    return None if value is False else value


def _short(value: object) -> Duration | None:
    return None if value is None else parse_short_duration(value)


# `false` turns a rule off.
Pace = Annotated[Duration | None, BeforeValidator(_short), BeforeValidator(_off)]


class EveryLink(Part):
    """So many different links of one mail followed within so long: a scanner that looks at each of them."""

    links: int = Field(3, ge=2)
    within: ShortDurationText = Duration(odd_seconds=10, text="10 s")


class Honeypot(Part):
    """A link that no reader sees was followed: what else happened to that mail about then was the same machine."""

    same_agent: ShortDurationText = Duration(minutes=10, text="10 min")
    any_agent: ShortDurationText = Duration(odd_seconds=60, text="60 s")


class Prefetch(Part):
    """A link was asked for without being followed: by HEAD, or by a request that calls itself a prefetch.

    Browsers prefetch, too, and their readers click afterwards. HEAD is a checker's, and so is what it fetches next.
    """

    same_agent: ShortDurationText = Duration(odd_seconds=10, text="10 s")


class Gateway(Part):
    """Links of so many different mails to one person followed within so long from one network, or by one agent."""

    messages: int = Field(3, ge=2)
    within: ShortDurationText = Duration(odd_seconds=5, text="5 s")


class PrivacyOpens(Part):
    """Opens that a mail program makes for everybody, so that nobody can tell who opened."""

    user_agents: list[str] = Field(default_factory=lambda: [APPLE])
    properties: dict[str, OperatorsOrValue] = Field(default_factory=dict)


class Machines(Part):
    """What makes an open or a click that of a machine; it is kept, and worth nothing.

    `settle` is how long after its receipt an answer to a mail is judged: a scanner gives itself away within moments.
    """

    settle: Pace = Duration(minutes=1, text="1 min")
    honeypot: Annotated[Honeypot | None, BeforeValidator(_off)] = Honeypot()
    prefetch: Annotated[Prefetch | None, BeforeValidator(_off)] = Prefetch()
    too_fast: Pace = Duration(odd_seconds=2, text="2 s")
    every_link: Annotated[EveryLink | None, BeforeValidator(_off)] = EveryLink()
    gateway: Annotated[Gateway | None, BeforeValidator(_off)] = Gateway()
    user_agents: list[str] = Field(default_factory=lambda: list(AGENTS))
    privacy_opens: Annotated[PrivacyOpens | None, BeforeValidator(_off)] = PrivacyOpens()
