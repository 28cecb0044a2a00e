"""Look at a workspace from outside: each check says whether it is well, and the remedy when it is not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from connectors.email.base import EmailConnector
from db.engine import Database
from db.migrate import require_head
from nurture.check import check_documents
from nurture.errors import RipenError
from nurture.local_time import zone
from tasks.definition_files import load_tree
from tasks.settings import Settings
from tasks.workspace import email_connector, refuse_other_secret, settings_of

Finding = dict[str, Any]
# The transports whose messages stay on this machine.
_STAY_HERE = ("eml", "console", "memory")


def examine(home: Path) -> list[Finding]:
    """Every check in order; the later ones need settings that can be read."""
    try:
        settings = settings_of(home)
    except RipenError as error:
        return [_finding("settings", False, str(error))]
    checks: tuple[tuple[str, Callable[[Settings], str]], ...] = (
        ("settings", _settings),
        ("time zone", _time_zone),
        ("folder", _folder),
        ("secret", _secret),
        ("database", _database),
        ("definitions", _definitions),
        ("e-mail transport", _transport),
        ("web door", _web),
    )
    found = []
    for name, check in checks:
        try:
            found.append(_finding(name, True, check(settings)))
        except RipenError as error:
            found.append(_finding(name, False, str(error)))
    return found


def _finding(name: str, ok: bool, remedy: str) -> Finding:
    return {"name": name, "ok": ok, "remedy": remedy}


def _settings(settings: Settings) -> str:
    return f"profile {settings.profile}, {len(settings.sources)} sources"


def _time_zone(settings: Settings) -> str:
    if zone(settings.project.time_zone) is None:
        raise RipenError(f"there is no time zone `{settings.project.time_zone}`; write one like Europe/Copenhagen")
    return settings.project.time_zone


def _folder(settings: Settings) -> str:
    if not os.access(settings.home, os.W_OK):
        raise RipenError(f"{settings.home} cannot be written; mails, audiences and briefs need it")
    return "writable"


def _secret(settings: Settings) -> str:
    if len(settings.secret_bytes()) < 16:
        raise RipenError("RIPEN_SECRET is shorter than 16 characters; choose a long random one")
    return "set by RIPEN_SECRET" if settings.secret else "in .ripen-secret; keep it with your backups"


def _database(settings: Settings) -> str:
    database = Database(settings.database_url)
    try:
        require_head(database)
        refuse_other_secret(database, settings)
    finally:
        database.dispose()
    return f"{database.dialect}, at this code's revision"


def _definitions(settings: Settings) -> str:
    errors = [
        problem for problem in check_documents(load_tree(settings.templates)).problems if problem.severity == "error"
    ]
    if errors:
        raise RipenError(f"{len(errors)} errors; run `ripen check`")
    return "no errors"


def _transport(settings: Settings) -> str:
    connector: EmailConnector = email_connector(settings)
    if connector.name == "smtp":
        return f"smtp to {settings.email.host}"
    return connector.name + ("; nothing is really sent" if connector.name in _STAY_HERE else "")


def _web(settings: Settings) -> str:
    if settings.web.host not in ("127.0.0.1", "localhost", "::1") and not settings.web.base_url.startswith("https://"):
        raise RipenError("the web door is not on loopback and web.base_url is not https; put a TLS proxy before it")
    return settings.web.base_url
