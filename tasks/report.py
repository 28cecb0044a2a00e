"""Note where the pipeline stands at the end of a run, for the operator who reads the run's summary."""

from __future__ import annotations

from db import messages, reports, sales_tasks
from tasks.context import Run


def report(run: Run) -> dict[str, int]:
    """Note the pipeline, what moved in it at this instant, the ledger and the sales tasks with the run.

    These are totals, and counts say what a run did: so it returns none.
    """
    with run.context.database.read() as connection:
        run.notes["pipeline"] = reports.pipeline(connection)
        run.notes["moves"] = reports.moves(connection, run.now)
        run.notes["messages"] = messages.counts(connection)
        run.notes["sales_tasks"] = sales_tasks.counts(connection)
    return {}
