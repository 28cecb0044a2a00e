"""Messages written as the worker writes them, with counted links, and without asking the database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any

from tasks.context import Context
from tasks.mail import Composer, Mail


def letters(context: Context, rows: Iterable[Mapping[str, Any]], now: datetime) -> Iterator[Mail]:
    """The message of each row of the ledger with its reader, one run's; the first of each e-mail is read back."""
    composer = Composer(context.settings, context.compiled(), now)
    for row in rows:
        draft = composer.draft(row, row["key"])
        yield composer.finish(draft, {url: number for number, url in enumerate(draft.links, 1)})
