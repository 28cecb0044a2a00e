"""Composing whole messages, HTML of 15 KB and text: subject, links of each recipient, MIME; the database is not asked.

The links are counted, each by a sealed token of its own, and the unsubscribe link is signed.
The floor is Jinja2 alone, filling the compiled HTML template with the same data.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jinja2

from bench.business import LONG_EMAIL, NOW, Business, documents
from bench.cost import Meter, cost_of
from bench.letters import letters
from bench.stores import Store
from bench.table import Row
from db.hand_over import reader
from nurture.keys import message_key
from tasks.context import Context
from tasks.mail import mail_context


def measure(store: Store, business: Business, files: Path) -> Iterator[Row]:
    """A fifth of the leads, at most ten thousand."""
    messages = min(business.leads // 5, 10_000)
    ripen = cost_of(_compose, store, messages)
    floor = cost_of(_fill_in, store, messages)
    html, whole = floor.result / messages / 1024, ripen.result / messages / 1024
    note = f"{messages / ripen.cpu:,.0f} messages a CPU second; {html:.1f} KB of HTML, the message {whole:.1f} KB"
    yield Row("render HTML and text, with MIME", f"{messages:,}", ripen, floor, "Jinja2, HTML alone", 4.0, note)


def _compose(meter: Meter, store: Store, messages: int) -> int:
    context = store.context()
    rows = _rows(context, messages)
    written = letters(context, [rows[0], *rows], NOW)
    next(written)
    with meter:
        return sum(len(mail.raw) for mail in written)


def _fill_in(meter: Meter, store: Store, messages: int) -> int:
    context = store.context()
    bundle, settings = context.compiled().bundle, context.settings
    email = documents()[f"emails/{LONG_EMAIL}"]
    sources = {"body.html": email["locales"]["en"]["html"], **email["layouts"], **email["partials"]}
    environment = jinja2.Environment(loader=jinja2.DictLoader(sources), autoescape=True, auto_reload=False)
    template = environment.get_template("body.html")
    about = {"subject": "Where to start reading", "locale": "en", "preheader": "Three places to begin"}
    given = [{**mail_context(row, bundle, row["key"], settings), "email": about} for row in _rows(context, messages)]
    template.render(given[0])
    with meter:
        return sum(len(template.render(each)) for each in given)


def _rows(context: Context, messages: int) -> list[dict[str, Any]]:
    """As the ledger gives them out: the message, and what it may know of its reader."""
    message = {
        "email": LONG_EMAIL,
        "topic": "nurture",
        "lead_id": 1,
        "marketing": True,
        "sequence": "bench",
        "step_id": "long",
        "attempts": 0,
    }
    with context.database.read() as connection:
        return [
            {
                **reader(connection, number),
                **message,
                "id": number,
                "enrollment_id": number,
                "key": message_key(b"bench", number, "long"),
            }
            for number in range(1, messages + 1)
        ]
