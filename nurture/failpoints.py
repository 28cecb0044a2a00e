"""Named points at which a test can end the process; in production nothing listens.

Every point stands directly before or after a commit or an act on the outside, or between two statements of one
transaction, so that killing at each of them in turn covers every order in which a crash can fall.
"""

from __future__ import annotations

from collections.abc import Callable

_listener: Callable[[str], None] | None = None

# The sending path, in order. Tests kill at each of them.
SENDING = (
    "deliver.before_claim",
    "deliver.claimed",
    "deliver.rendered",
    "deliver.staged",
    "deliver.before_handing_over_commit",
    "deliver.handing_over",
    "deliver.replied",
    "deliver.before_verdict_commit",
    "deliver.settled",
)
STEPS = (
    "pull.before_commit",
    "pull.committed",
    "rescore.marked",
    "rescore.scored",
    "rescore.before_commit",
    "rescore.committed",
    "restage.marked",
    "restage.moved",
    "restage.before_commit",
    "restage.committed",
    "enroll.left",
    "enroll.entered",
    "enroll.before_commit",
    "enroll.committed",
    "advance.taken_on",
    "advance.statement",
    "advance.before_commit",
    "advance.committed",
    "audiences.planned",
    "audiences.uploaded",
    "audiences.recorded",
    "sales.told",
    "sales.recorded",
    "retention.committed",
)
# What a person does by hand, between runs or beside one.
BY_HAND = (
    "merge.before_commit",
    "merge.committed",
    "erase.before_commit",
    "erase.committed",
    "erase.files_deleted",
    "sales.forgotten",
    "erase.told",
    "erase.before_completed",
    "erase.completed",
    "erase.overwritten",
)


def listen(listener: Callable[[str], None] | None) -> None:
    """Install what is called at each point; None removes it."""
    global _listener
    _listener = listener


def hit(name: str) -> None:
    """Pass a point."""
    if _listener is not None:
        _listener(name)
