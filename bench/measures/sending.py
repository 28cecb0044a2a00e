"""Sending by the whole crash-safe path to a server on loopback: claim, render, hold the dot, commit, record.

The floor sends the same bytes over one connection and writes nothing down. A second one also writes down by the bare
driver that a message is handed over and that it was taken, each committed: without these two nobody knows after a crash
what was sent. None of them counts the server's CPU.
"""

from __future__ import annotations

import smtplib
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from bench.business import TOMORROW, Business
from bench.cost import Meter, cost_of
from bench.letters import letters
from bench.people import cursor_of
from bench.sink import sink
from bench.stores import Store
from bench.table import Row
from connectors.email import SmtpConnector, SmtpSettings
from connectors.email.base import EmailConnector
from db.hand_over import reader
from tasks.context import Context, Run
from tasks.deliver import deliver
from tasks.mail import Mail

# The afternoon, when it is day on both sides of the Atlantic.
AFTERNOON = TOMORROW + timedelta(hours=6, minutes=30)
_WARM_UP = 100


def measure(store: Store, business: Business, files: Path) -> Iterator[Row]:
    """What waits in the ledger, at most ten thousand messages."""
    messages = min(business.leads // 10, 10_000)
    with sink() as port:
        ripen = cost_of(_deliver, store, port, messages, server=store.server)
        floor = cost_of(_send, store, port, messages)
        written = cost_of(_send_and_write, store, port, messages, server=store.server)
    assert ripen.result == floor.result == written.result == messages, (ripen.result, floor.result, written.result)
    note = f"{messages / ripen.cpu:,.0f} messages a CPU second, {ripen.cpu / messages * 1000:.2f} ms each"
    yield Row("send, crash-safe, over SMTP", f"{messages:,}", ripen, floor, "same bytes, no ledger", 2.0, note)
    note = f"{written.cpu / messages * 1000:.2f} ms each; Ripen renders, checks and knows its lease as well"
    yield Row(
        "send, against the least that is safe", f"{messages:,}", ripen, written, "same bytes, 2 commits", None, note
    )


def _deliver(meter: Meter, store: Store, port: int, limit: int) -> int:
    context = store.context(email=_smtp(port))
    _deliver_some(context, _WARM_UP)
    with meter:
        return _deliver_some(context, limit)


def _deliver_some(context: Context, limit: int) -> int:
    context.settings.email.limit_per_run = limit
    return deliver(Run(context, AFTERNOON)).get("messages_accepted", 0)


def _smtp(port: int) -> EmailConnector:
    return SmtpConnector(SmtpSettings("127.0.0.1", port, security="none"))


def _send(meter: Meter, store: Store, port: int, limit: int) -> int:
    mails = _mails(store, limit)
    with smtplib.SMTP("127.0.0.1", port) as connection, meter:
        for mail in mails:
            connection.mail(mail.sender)
            connection.rcpt(mail.recipient)
            connection.data(mail.raw)
    return len(mails)


def _send_and_write(meter: Meter, store: Store, port: int, limit: int) -> int:
    mails = _mails(store, limit)
    driver = store.raw()
    cursor = driver.cursor()
    mark = "%s" if store.kind == "postgresql" else "?"
    cursor.execute("CREATE TABLE least_ledger (id BIGINT PRIMARY KEY, status TEXT, response TEXT)")
    cursor.executemany(
        f"INSERT INTO least_ledger VALUES ({mark}, 'claimed', NULL)",  # noqa: S608
        [(mail.message_id,) for mail in mails],
    )
    driver.commit()
    write = f"UPDATE least_ledger SET status = {mark}, response = {mark} WHERE id = {mark}"  # noqa: S608
    with smtplib.SMTP("127.0.0.1", port) as connection, meter:
        for mail in mails:
            connection.mail(mail.sender)
            connection.rcpt(mail.recipient)
            cursor.execute(write, ("handing_over", None, mail.message_id))
            driver.commit()
            _, reply = connection.data(mail.raw)
            cursor.execute(write, ("accepted", reply.decode(), mail.message_id))
            driver.commit()
    cursor.execute("DROP TABLE least_ledger")
    driver.commit()
    return len(mails)


def _mails(store: Store, limit: int) -> list[Mail]:
    """What the path has sent, built once more."""
    names = ("id", "lead_id", "enrollment_id", "step_id", "email", "topic", "sequence", "marketing", "key")
    with cursor_of(store) as cursor:
        cursor.execute(f"SELECT {', '.join(names)} FROM messages WHERE transport = 'smtp' LIMIT {limit}")  # noqa: S608
        rows: list[dict[str, Any]] = [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]
    context = store.context()
    with context.database.read() as connection:
        for row in rows:
            row |= {**reader(connection, row["lead_id"]), "attempts": 0}
    return list(letters(context, rows, AFTERNOON))
