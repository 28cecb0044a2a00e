"""Let imported history take effect at once: it moves scores and stages, enrolls nobody and opens no task."""

from __future__ import annotations

from datetime import datetime

from tasks.context import Context, Run
from tasks.enroll import enroll
from tasks.publish import publish_if_nothing_is
from tasks.rescore import rescore
from tasks.restage import restage


def absorb(context: Context, now: datetime) -> dict[str, int]:
    """Rescore, restage and take note of entry conditions, before anything that is not history can mix with it."""
    run = Run(context, now)
    publish_if_nothing_is(run)
    counts: dict[str, int] = {}
    for step in (rescore, restage, enroll):
        counts |= step(run)
    return counts
