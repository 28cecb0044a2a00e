"""How machines are told from people: a rule that takes people for machines is an error."""

from __future__ import annotations

from collections.abc import Iterator

from nurture.definitions.machines import Machines
from nurture.durations import Duration
from nurture.lint.conditions import lint_where
from nurture.lint.findings import Finding

# What people's browsers and mail programs say of themselves.
_PEOPLE = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
    "Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Edg/126.0 Thunderbird/115.0",
    "Mozilla/4.0 (compatible; MSIE 7.0; Windows NT 10.0; Microsoft Outlook 16.0)",
    "Mozilla/5.0 (Windows NT 5.1; rv:11.0) Gecko Firefox/11.0 (via ggpht.com GoogleImageProxy)",
)
_A_WHILE = 600
# What a hidden link gives away is the same agent's, also a while later.
_MOST = {"same_agent": 3600}
_LIKE = {"settle": "1 min", "honeypot": "60 s"}


def lint_machines(machines: Machines, document: str) -> Iterator[Finding]:
    """Agents that people have too, and stretches of time that are none or far too long."""
    yield from _time(machines, document)
    for index, agent in enumerate(machines.user_agents):
        if any(agent.lower() in person.lower() for person in _PEOPLE):
            message = f"`{agent}` stands in the user agents of people, too"
            remedy = "write a name that only the machine gives itself"
            yield Finding(document, ("machines", "user_agents", index), "agent-of-people", message, remedy)
    if machines.privacy_opens is not None:
        where = ("machines", "privacy_opens", "properties")
        yield from lint_where(machines.privacy_opens.properties, document, where)


def _time(machines: Machines, document: str) -> Iterator[Finding]:
    if machines.settle is not None and machines.settle.seconds > _A_WHILE:
        message = f"nothing comes of an open or click for `{machines.settle.text}`"
        remedy = "a scanner is through with a mail within a minute"
        yield Finding(document, ("machines", "settle"), "settles-long", message, remedy, "warning")
    for path, length in _lengths(machines):
        if length is None:
            continue
        if length.seconds == 0:
            remedy = f"write a duration like `{_LIKE.get(path[1], '2 s')}`, or `{path[1]}: false` to do without it"
            yield Finding(document, path, "zero-duration", f"`{length.text}` is no time", remedy)
        elif path[1] != "settle" and length.seconds > _MOST.get(path[-1], _A_WHILE):
            message = f"people click within `{length.text}`, too; they would be taken for machines"
            yield Finding(document, path, "takes-people", message, "seconds are enough", "warning")


def _lengths(machines: Machines) -> Iterator[tuple[tuple[str, ...], Duration | None]]:
    """Every stretch of time of the section, with the place where it stands."""
    yield ("machines", "settle"), machines.settle
    yield ("machines", "too_fast"), machines.too_fast
    for name in ("honeypot", "prefetch", "every_link", "gateway"):
        part = getattr(machines, name)
        for option, value in part if part is not None else ():
            if isinstance(value, Duration):
                yield ("machines", name, option), value
