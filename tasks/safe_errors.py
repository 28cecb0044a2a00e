"""Errors made fit to be shown: our own keep their text, of any other only type and place are told."""

from __future__ import annotations

from pathlib import Path
from traceback import extract_tb

from nurture.errors import (
    BadInput,
    BadSetting,
    DefinitionError,
    OutsideFailed,
    RetryLater,
    RipenError,
    SchemaMismatch,
    SkipThis,
    StopTheRun,
    TransportDown,
)
from nurture.redaction import redact
from tasks.workspace import CHECKOUT

# Each kind is made anew with its text alone: what else an error carries may be somebody's record.
_KINDS: tuple[type[RipenError], ...] = (
    RetryLater,
    TransportDown,
    SchemaMismatch,
    StopTheRun,
    OutsideFailed,
    DefinitionError,
    BadSetting,
    BadInput,
    SkipThis,
)


def without_personal_data(error: Exception, doing: str) -> RipenError:
    """The same kind of error with nothing but its own text; `doing` says what was going on, for foreign errors."""
    if isinstance(error, RipenError):
        kind = next((kind for kind in _KINDS if isinstance(error, kind)), RipenError)
        return kind(redact(str(error)))
    return StopTheRun(
        f"{doing} was stopped by an unexpected {type(error).__name__} at {place_of(error)}; "
        "everything committed before it stands, and the next run goes on from there"
    )


def place_of(error: Exception) -> str:
    """The last line of our own code that the error came through, as `room/module.py:line`."""
    for frame in reversed(extract_tb(error.__traceback__)):
        path = Path(frame.filename)
        if path.is_relative_to(CHECKOUT) and not any(part.startswith(".") for part in path.relative_to(CHECKOUT).parts):
            return f"{path.relative_to(CHECKOUT)}:{frame.lineno}"
    return "an unknown place"
