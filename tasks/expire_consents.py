"""Give up what nobody has confirmed: a pending consent is withdrawn after thirty days."""

from __future__ import annotations

from datetime import timedelta

from db import consents
from tasks.context import Run

GIVEN_UP_AFTER = timedelta(days=30)


def expire_consents(run: Run) -> dict[str, int]:
    """Withdraw consents that have been pending for too long, some thousand in a transaction."""
    total = 0
    while True:
        with run.context.database.write() as connection:
            given_up = consents.give_up_pending(connection, run.now, GIVEN_UP_AFTER, run.context.batch_size)
        total += given_up
        if not given_up:
            return {"consents_given_up": total} if total else {}
