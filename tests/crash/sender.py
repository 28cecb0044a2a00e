"""A sender that dies on purpose: run in a process of its own, which ends itself with SIGKILL at the n-th point."""

from __future__ import annotations

import os
import signal
from datetime import datetime
from pathlib import Path
from typing import Any

from connectors.email import EmailConnector, build_email_connector
from db import settling
from db.engine import Database
from nurture import failpoints
from tasks.context import Context
from tasks.day import run_flow
from tasks.delivery import worker as delivering
from tasks.delivery import workers
from tasks.settings import EmailSettings, Settings

SECRET = "a secret of the tests, long enough"


# The kind of a connector and its settings, so that another process can make it.
Way = tuple[str, dict[str, Any]]


def context_for(url: str, home: str, way: Way) -> Context:
    """A context that really sends; its claims are free again as soon as their process is gone."""
    return Context(
        settings=Settings(home=Path(home), database_url=url, secret=SECRET, email=EmailSettings(lease_seconds=0)),
        database=Database(url),
        email=connector(way),
    )


def over_smtp(port: int) -> Way:
    """The way to an SMTP sink on this machine."""
    return "smtp", {"host": "127.0.0.1", "port": port, "security": "none", "timeout_s": 10}


def connector(way: Way) -> EmailConnector:
    """The real connector."""
    kind, options = way
    return build_email_connector(kind, **options)


def send(url: str, home: str, way: Way, now: datetime, die_at: int, flow: str = "deliver", wrong: str = "") -> None:
    """Run a flow and die at the n-th failpoint; 0 means live."""
    passed = 0

    def listener(name: str) -> None:
        nonlocal passed
        passed += 1
        if passed == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    if wrong:
        WRONG[wrong]()
    failpoints.listen(listener)
    context = context_for(url, home, way)
    run_flow(context, flow, now)
    context.database.dispose()


def points(url: str, home: str, way: Way, now: datetime, flow: str = "deliver") -> list[str]:
    """The failpoints that an undisturbed run passes, in order."""
    names: list[str] = []
    failpoints.listen(names.append)
    try:
        context = context_for(url, home, way)
        run_flow(context, flow, now)
        context.database.dispose()
    finally:
        failpoints.listen(None)
    return names


def send_then_mark() -> None:
    """The classic mistake: nothing is written before the message is out of the house."""

    class Wrong(delivering.Worker):
        def _may_go(self, mails):
            return list(mails)

        def record(self, receipts):
            with self.database.write() as connection:
                for mail, _ in receipts:
                    self.check(connection, mail)
                failpoints.hit("deliver.before_verdict_commit")
            super().record(receipts)

    workers.Worker = Wrong


def mark_then_send() -> None:
    """The other mistake: the message is marked as sent before it is."""

    class Wrong(delivering.Worker):
        def _may_go(self, mails):
            allowed = super()._may_go(mails)
            with self.database.write() as connection:
                for mail in allowed:
                    settling.settle(
                        connection,
                        mail.message_id,
                        self.owner,
                        self.run.now,
                        status="accepted",
                        reason=None,
                        response=None,
                        provider_id=None,
                    )
            return allowed

        def record(self, receipts):
            failpoints.hit("deliver.settled")

    workers.Worker = Wrong


WRONG = {"send-then-mark": send_then_mark, "mark-then-send": mark_then_send}
