"""A business with a door on this machine, for a real browser: its mails lead to that door, and on to another site."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email import message_from_bytes, policy
from html import unescape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from nurture.tokens import CONFIRM, PREFERENCES, sign
from tests.engine.subscriptions import business
from tests.web.conftest import Site, send_first_mail, served
from tests.world import SECRET, World

_BODY = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Hello</title></head><body>'
    '<h1>Hello {{ lead.first_name | default("you") }}</h1><p><a id="guide" href="GOAL">The guide</a> '
    '<a href="{{ links.view }}">In a browser</a></p>'
    '<p>{{ project.postal_address }} <a href="{{ links.unsubscribe }}">Stop</a></p></body></html>'
)


@dataclass
class Elsewhere:
    """Another site: what it shows, and who asked for what with which headers."""

    url: str = ""
    pages: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, str]]] = field(default_factory=list)


@contextmanager
def elsewhere() -> Iterator[Elsewhere]:
    """A site on a port of its own."""
    site = Elsewhere()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            site.asked.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
            self.send_response(200)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.end_headers()
            plain = '<!doctype html><link rel="icon" href="data:,"><p>You have arrived.</p>'
            self.wfile.write(site.pages.get(self.path, plain).encode())

        def log_message(self, *_: Any) -> None:
            """Nothing of it is told."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    site.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def opened(url: str, home: Path, goal: str) -> Iterator[Site]:
    """Ada has got her first mail, which leads to the goal; Bo has asked for the letter and been asked to confirm."""
    documents = business()
    for name in ("thanks", "more", "letter"):
        documents[f"emails/{name}"]["locales"]["en"]["html"] = _BODY.replace("GOAL", goal)
    with served(World(url, home, documents)) as site:
        site.world.context.settings.web.base_url = str(site.browser.base_url).rstrip("/")
        send_first_mail(site.world)
        site.world.lead("bo", consent=False)
        site.world.store_consent("bo", "letter", "pending")
        site.world.run("follow-up")
        site.world.now += timedelta(minutes=3)
        yield site


def links(site: Site, name: str) -> list[str]:
    """The links of the last mail to somebody."""
    to = [mail.raw for mail in site.world.outbox.messages if f"{name}@example.com".encode() in mail.raw]
    body = message_from_bytes(to[-1], policy=policy.SMTP).get_body(("html",))
    assert body is not None
    return [unescape(url) for url in re.findall(r'href="([^"]+)"', body.get_content())]


def link(site: Site, way: str, name: str = "ada") -> str:
    """The link of that kind (`u`, `v`, `c`, `confirm`) in the last mail to somebody; the trap is none."""
    return [url for url in links(site, name) if f"/{way}/" in url][-1]


def preferences(site: Site, name: str = "ada") -> str:
    """The link to the preference page, which the mails of this business do not show."""
    key = site.world.rows("messages", lead_id=site.world.lead_id(name))[0]["key"]
    return f"{site.world.context.settings.web.base_url}/p/{sign(SECRET.encode(), PREFERENCES, key)}"


def old_confirmation(site: Site) -> str:
    """A link to confirm that nobody has got."""
    return f"{site.world.context.settings.web.base_url}/confirm/{sign(SECRET.encode(), CONFIRM, 'a' * 40 + ' letter')}"


def states(site: Site, name: str = "ada") -> dict[str, str]:
    """What somebody has agreed to, by topic."""
    return {row["topic"]: row["status"] for row in site.world.rows("consent_states", lead_id=site.world.lead_id(name))}
