"""A web door on a real socket, before a small business on each database."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from connectors.email.webhooks import build_webhook_reader
from db import tables
from nurture.tokens import UNSUBSCRIBE, sign
from nurture.webhook_signatures import secrets_of, signature
from tasks.live_catalogue import LiveCatalogue
from tests.databases import SqliteDatabases
from tests.twins import Beginning, NewWorld
from tests.world import SECRET, World
from web.app import create_app
from web.door import Door

POSTMARK_SECRET = "ripen:a-password-of-the-tests"
WEBHOOK_SECRET = "a webhook secret of the tests".replace(" ", "-")


@dataclass
class Site:
    """The door as a visitor sees it, and the business behind it."""

    world: World
    door: Door
    app: FastAPI
    browser: httpx.Client

    def link(self, name: str) -> str:
        """The unsubscribe link in the first mail to a lead, as a path."""
        key = self.world.rows("messages", lead_id=self.world.lead_id(name))[0]["key"]
        return f"/u/{sign(SECRET.encode(), UNSUBSCRIBE, key)}"

    def headers(self, body: bytes, message_id: str = "msg-1") -> dict[str, str]:
        """What a sender with the secret signs a body with."""
        stamp = str(int(self.world.now.timestamp()))
        signed = signature(WEBHOOK_SECRET.encode(), message_id, stamp, body)
        return {"webhook-id": message_id, "webhook-timestamp": stamp, "webhook-signature": signed}


@contextmanager
def served(world: World) -> Iterator[Site]:
    """A site whose clock is the world's, which ends with it."""
    settings = world.context.settings
    door = Door(
        settings,
        world.database,
        SECRET.encode(),
        LiveCatalogue(world.database, settings),
        secrets_of(WEBHOOK_SECRET),
        {"postmark": build_webhook_reader("postmark", [POSTMARK_SECRET])},
        "http://127.0.0.1:4200",
        lambda: world.now,
    )
    app = create_app(door)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))
    # It listens already: whoever asks before the server has begun waits for its answer.
    door_socket = socket.create_server(("127.0.0.1", 0))
    door_socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    port = door_socket.getsockname()[1]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door_socket]})
    thread.start()
    try:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as browser:
            yield Site(world, door, app, browser)
    finally:
        server.should_exit = True
        thread.join()
        door_socket.close()
        world.close()


def send_first_mail(world: World) -> World:
    """Ada downloads a white paper and gets her first mail."""
    world.lead("ada", ads=True)
    world.happens("ada", "content.white_paper_downloaded")
    world.run()
    assert world.received("ada") == ["thanks"]
    return world


def _nothing_has_happened(new_world: NewWorld) -> World:
    return new_world()


def _first_mail_is_sent(new_world: NewWorld) -> World:
    return send_first_mail(new_world())


@pytest.fixture
def site(twin: Callable[[Beginning], World]) -> Iterator[Site]:
    """A site of its own on each database, before which nothing has happened yet."""
    with served(twin(_nothing_has_happened)) as made:
        yield made


@pytest.fixture
def mailed(twin: Callable[[Beginning], World]) -> Iterator[Site]:
    """The same, whose business has sent Ada her first mail."""
    with served(twin(_first_mail_is_sent)) as made:
        yield made


@pytest.fixture(scope="module")
def shared_site(sqlite_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """One site for all tests that must change nothing; Ada has got her first mail."""
    world = World(SqliteDatabases(sqlite_folder).migrated(), tmp_path_factory.mktemp("home"))
    with served(send_first_mail(world)) as made:
        yield made


@pytest.fixture
def untouched(shared_site: Site) -> Iterator[Site]:
    """The shared site, and afterwards the proof that the test has changed nothing in its database."""
    before = everything(shared_site)
    yield shared_site
    assert everything(shared_site) == before


def everything(site: Site) -> dict[str, list[dict[str, Any]]]:
    """Every row of every table."""
    return {table: site.world.rows(table) for table in tables.metadata.tables}
