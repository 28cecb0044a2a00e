"""What every request may use, and who is asking."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from fastapi import Request

from connectors.email.webhooks import WebhookReader, build_webhook_reader
from db.engine import Database
from nurture.webhook_signatures import secrets_of
from tasks.live_catalogue import LiveCatalogue
from tasks.settings import Settings
from tasks.workspace import default_home, open_database, settings_of

_THIS_MACHINE = frozenset({"127.0.0.1", "::1"})
_ITS_NAMES = frozenset({*_THIS_MACHINE, "localhost"})
# What a proxy adds to a request that somebody else made.
_PASSED_ON = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "via")


def _clock() -> datetime:
    return datetime.now(UTC)


@dataclass
class Door:
    """The web door of one workspace."""

    settings: Settings
    database: Database
    secret: bytes
    catalogue: LiveCatalogue
    webhook_secrets: tuple[bytes, ...] = ()
    webhook_readers: Mapping[str, WebhookReader] = field(default_factory=dict)
    prefect_url: str | None = None
    clock: Callable[[], datetime] = field(default=_clock)

    @property
    def report(self) -> Path:
        """Where `ripen report --html` and the demo leave the report."""
        return self.settings.home / "report.html"


def open_door(home: Path | None = None) -> Door:
    """The door of the workspace in `home`, else in `RIPEN_HOME`; secrets come from the environment alone."""
    settings = settings_of(home or default_home())
    database = open_database(settings)
    return Door(
        settings,
        database,
        settings.secret_bytes(),
        LiveCatalogue(database, settings),
        secrets_of(os.environ.get("RIPEN_WEBHOOK_SECRET", "")),
        {name: build_webhook_reader(name, secrets) for name, secrets in settings.hooks.secrets().items()},
        os.environ.get("RIPEN_PREFECT_URL"),
    )


def door_of(request: Request) -> Door:
    """The door through which a request came."""
    door: Door = request.app.state.door
    return door


def is_from_this_machine(request: Request) -> bool:
    """Whether an operator sits in front of it: asked from this machine, by its own name, through no proxy."""
    client = request.client.host if request.client else ""
    passed_on = any(name in request.headers for name in _PASSED_ON)
    return client in _THIS_MACHINE and not passed_on and (request.url.hostname or "") in _ITS_NAMES
