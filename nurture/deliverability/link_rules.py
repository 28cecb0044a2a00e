"""Rules about links: readable ones, to hosts with a name, that tell nobody the reader's address."""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import ipaddress
import re
from urllib.parse import unquote_plus

from nurture.deliverability.domains import SHORTENERS, organisation_of
from nurture.deliverability.letter import Letter, host_of
from nurture.deliverability.rules import Rule, Seen, several

_ADDRESS = re.compile(r"[A-Za-z0-9._+%-]{1,64}(?:@|%40)[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+", re.IGNORECASE)
_TOKEN = re.compile(r"[A-Za-z0-9+/_-]{8,}={0,2}")
_LOOKS_LIKE_HOST = re.compile(r"^(?:https?://)?((?:[a-z0-9-]+\.)+[a-z]{2,})(?:[/?#:]\S*)?$", re.IGNORECASE)


def _web(letter: Letter) -> list[str]:
    return [
        *[url for url in letter.links if not url.lower().startswith(("mailto:", "tel:", "sms:", "#"))],
        *letter.loaded,
    ]


def _https(letter: Letter) -> Seen | None:
    urls = _web(letter)
    wrong = [host_of(url) or "an address without a host" for url in urls if not url.lower().startswith("https://")]
    return (
        Seen(
            not wrong,
            f"{len(wrong)} of {len(urls)} not: {several(list(dict.fromkeys(wrong)))}"
            if wrong
            else f"{len(urls)} addresses",
        )
        if urls
        else None
    )


def _shorteners(letter: Letter) -> Seen | None:
    hosts = [host_of(url) for url in _web(letter)]
    wrong = sorted({host for host in hosts if organisation_of(host) in SHORTENERS})
    return Seen(not wrong, several(wrong) if wrong else "none") if hosts else None


def _named_hosts(letter: Letter) -> Seen | None:
    hosts = [host_of(url) for url in _web(letter)]
    wrong = [host for host in hosts if _is_ip(host)]
    return Seen(not wrong, several(list(dict.fromkeys(wrong))) if wrong else "all have names") if hosts else None


def _is_ip(host: str) -> bool:
    if host.isdigit() or host.startswith("0x"):
        return True
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _no_address(letter: Letter) -> Seen | None:
    urls = _web(letter)
    readers = letter.addresses("to")
    hashes = {
        made(form.encode()).hexdigest()
        for address in readers
        for form in (address, address.upper())
        for made in (hashlib.md5, hashlib.sha1, hashlib.sha256)
    }
    found = {how for url in urls if (how := _tells(url, readers, hashes))}
    return Seen(not found, several(sorted(found)) if found else f"{len(urls)} addresses tell nothing") if urls else None


def _tells(url: str, readers: list[str], hashes: set[str]) -> str:
    """How a web address tells who reads, empty when it does not."""
    plain = unquote_plus(unquote_plus(url)).lower()
    if any(address in plain for address in readers):
        return "the reader's address in a link"
    if _ADDRESS.search(url):
        return "an e-mail address in a link"
    # A slash is a sign of base64 and the border of a path: both readings are tried.
    whole = _TOKEN.findall(unquote_plus(url))
    for token in [*whole, *(piece for each in whole for piece in each.split("/"))][:400]:
        if token.lower() in hashes:
            return "a hash of the reader's address in a link"
        if any(address.encode() in form.lower() for form in _readings(token) for address in readers):
            return "the reader's address, encoded, in a link"
    return ""


def _readings(token: str) -> list[bytes]:
    """What a token says as base64 or hex; both are no secret."""
    found = []
    bare = token.rstrip("=")
    for altchars in (b"+/", b"-_"):
        try:
            found.append(base64.b64decode(bare + "=" * (-len(bare) % 4), altchars, validate=True))
        except (ValueError, binascii.Error):
            continue
    with contextlib.suppress(ValueError):
        found.append(bytes.fromhex(bare))
    return found


def _honest(letter: Letter) -> Seen | None:
    shown = [
        (link, match[1].lower()) for link in letter.view.links if (match := _LOOKS_LIKE_HOST.match(link.words.strip()))
    ]
    wrong = [
        host
        for link, host in shown
        if host_of(link.url) and organisation_of(host) != organisation_of(host_of(link.url))
    ]
    return (
        Seen(not wrong, f"{several(wrong)} leads elsewhere" if wrong else "each leads where it says") if shown else None
    )


RULES: tuple[Rule[Letter], ...] = (
    Rule(
        "links-https",
        "must",
        "every link and image by https",
        "write https:// and nothing relative; in production web.base_url is https",
        _https,
    ),
    Rule(
        "links-no-shortener",
        "must",
        "no link through a public shortener",
        "link to the page itself; shorteners stand on block lists",
        _shorteners,
    ),
    Rule("links-no-ip", "must", "no link to a bare IP address", "give the host a name", _named_hosts),
    Rule(
        "links-no-address",
        "must",
        "no address in any link, neither plain nor encoded nor hashed",
        "name the reader by a signed token, as `{{ links.unsubscribe }}` does",
        _no_address,
    ),
    Rule(
        "links-honest",
        "should",
        "a link whose words are a host leads there",
        "write words on the link, or the host that it leads to",
        _honest,
    ),
)
