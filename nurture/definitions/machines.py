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


class PrivacyOpens(Part):
    """Opens that a mail program makes for everybody, so that nobody can tell who opened."""

    user_agents: list[str] = Field(default_factory=lambda: [APPLE])
    properties: dict[str, OperatorsOrValue] = Field(default_factory=dict)


class Machines(Part):
    """What makes an open or a click that of a machine; it is kept, and worth nothing."""

    too_fast: Pace = Duration(odd_seconds=2, text="2 s")
    every_link: Annotated[EveryLink | None, BeforeValidator(_off)] = EveryLink()
    user_agents: list[str] = Field(default_factory=lambda: list(AGENTS))
    privacy_opens: Annotated[PrivacyOpens | None, BeforeValidator(_off)] = PrivacyOpens()
