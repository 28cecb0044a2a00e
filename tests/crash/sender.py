"""A sender that dies on purpose: run in a process of its own, which ends itself with SIGKILL at the n-th point."""

from __future__ import annotations

import os
import signal
from datetime import datetime
from pathlib import Path

from connectors.email import EmailConnector, build_email_connector
from db import hand_over
from db.engine import Database
from nurture import failpoints
from tasks import deliver as delivering
from tasks.context import Context
from tasks.day import run_flow
from tasks.settings import EmailSettings, Settings

SECRET = "a secret of the tests, long enough"


def context_for(url: str, home: str, port: int) -> Context:
    """A context that sends over real SMTP; its claims are free again as soon as their process is gone."""
    return Context(
        settings=Settings(home=Path(home), database_url=url, secret=SECRET, email=EmailSettings(lease_seconds=0)),
        database=Database(url),
        email=smtp(port),
    )


def smtp(port: int) -> EmailConnector:
    """The real SMTP connector to a sink on this machine."""
    return build_email_connector("smtp", host="127.0.0.1", port=port, security="none", timeout_s=10)


def send(url: str, home: str, port: int, now: datetime, die_at: int, flow: str = "deliver", wrong: str = "") -> None:
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
    context = context_for(url, home, port)
    run_flow(context, flow, now)
    context.database.dispose()


def points(url: str, home: str, port: int, now: datetime, flow: str = "deliver") -> list[str]:
    """The failpoints that an undisturbed run passes, in order."""
    names: list[str] = []
    failpoints.listen(names.append)
    try:
        context = context_for(url, home, port)
        run_flow(context, flow, now)
        context.database.dispose()
    finally:
        failpoints.listen(None)
    return names


def send_then_mark() -> None:
    """The classic mistake: nothing is written before the message is out of the house."""

    class Wrong(delivering._Worker):
        def _may_go(self, mail):
            return True

        def _record(self, mail, receipt):
            with self.database.write() as connection:
                hand_over.hand_over(
                    connection,
                    mail.message_id,
                    self.owner,
                    self.run.now,
                    self.lease,
                    transport="x",
                    subject="",
                    locale="",
                    caps=self.compiled.caps,
                    permissions=self.compiled.permissions,
                )
                failpoints.hit("deliver.before_verdict_commit")
            super()._record(mail, receipt)

    delivering._Worker = Wrong


def mark_then_send() -> None:
    """The other mistake: the message is marked as sent before it is."""

    class Wrong(delivering._Worker):
        def _may_go(self, mail):
            allowed = super()._may_go(mail)
            if allowed:
                with self.database.write() as connection:
                    hand_over.settle(
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

        def _record(self, mail, receipt):
            failpoints.hit("deliver.settled")

    delivering._Worker = Wrong


WRONG = {"send-then-mark": send_then_mark, "mark-then-send": mark_then_send}
