"""`ripen doctor`: settings, connections and versions, a mail file, or a sending domain, each with its remedy."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from cli.output import print_json, print_table
from cli.workspace import Home, Json, home_of
from nurture.deliverability.rules import Check
from nurture.errors import BadInput
from tasks.doctor import examine
from tasks.doctor_mail import ask_dns, examine_domain, examine_message, selectors_in

Message = Annotated[Path | None, Parameter(name="--message", help="A mail file (.eml) to look at.")]
Dns = Annotated[str | None, Parameter(name="--dns", help="A sending domain to look at; asks DNS.")]
Selector = Annotated[
    list[str] | None, Parameter(name="--selector", negative="", help="A DKIM selector; may be given several times.")
]
Nameserver = Annotated[
    str | None, Parameter(name="--nameserver", help="The DNS server, ADDRESS or ADDRESS:PORT; default: the system's.")
]
Transactional = Annotated[
    bool, Parameter(name="--transactional", negative="", help="The mail is a receipt or the like, no marketing.")
]
AllowPixel = Annotated[bool, Parameter(name="--allow-pixel", negative="", help="An unseen image is meant.")]
Strict = Annotated[bool, Parameter(name="--strict", negative="", help="What should be counts as what must be.")]


def doctor(
    *,
    message: Message = None,
    dns: Dns = None,
    selector: Selector = None,
    nameserver: Nameserver = None,
    transactional: Transactional = False,
    allow_pixel: AllowPixel = False,
    strict: Strict = False,
    home: Home = None,
    json: Json = False,
) -> int:
    """Look at the workspace from outside, at a mail, or at a domain; exit code 1 when something needs mending.

    Example: `ripen doctor`, `ripen doctor --message outbox/mail.eml`, `ripen doctor --dns example.com --selector s1`
    """
    if message is None and dns is None:
        _refuse_lonely(selector, nameserver, transactional or allow_pixel or strict)
        return _workspace(home_of(home), json)
    now = datetime.now(UTC)
    lookup = ask_dns(nameserver) if dns is not None else None
    checks: list[Check] = []
    if message is not None:
        checks += examine_message(
            message,
            home_of(home),
            now=now,
            transactional=transactional,
            pixel_allowed=allow_pixel,
            lookup=lookup,
        )
    if dns is not None and lookup is not None:
        named = selector or (selectors_in(message, dns, now) if message is not None else [])
        checks += examine_domain(dns, named, lookup)
    _print_checks(checks, json)
    counted = ("must", "should") if strict else ("must",)
    return 1 if any(not each.ok and each.severity in counted for each in checks) else 0


def _refuse_lonely(selector: list[str] | None, nameserver: str | None, of_a_mail: bool) -> None:
    if selector or nameserver:
        raise BadInput("--selector and --nameserver go with --dns DOMAIN")
    if of_a_mail:
        raise BadInput("--transactional, --allow-pixel and --strict go with --message FILE or --dns DOMAIN")


def _workspace(home: Path, json: bool) -> int:
    checks = examine(home)
    if json:
        print_json({"checks": checks})
    else:
        print_table(
            "Doctor",
            ["check", "", "remedy or detail"],
            [(each["name"], "ok" if each["ok"] else "MEND", each["remedy"]) for each in checks],
        )
    return 0 if all(each["ok"] for each in checks) else 1


def _print_checks(checks: list[Check], json: bool) -> None:
    if json:
        names = ("name", "ok", "severity", "found", "remedy")
        print_json({"checks": [{name: getattr(each, name) for name in names} for each in checks]})
        return
    rows = [(each.name, _word(each), each.found, each.remedy) for each in checks]
    print_table("Doctor", ["rule", "", "found", "remedy"], rows)


def _word(check: Check) -> str:
    if check.ok:
        return "ok"
    return {"must": "MEND", "should": "should", "info": "note"}[check.severity]
