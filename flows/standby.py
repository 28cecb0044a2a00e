"""When: at the instant that somebody says. Waits with server up and all loaded, so that a daily sync starts at once.

`python -m flows.standby` writes a line when it is ready, reads instants (ISO 8601, with offset) from stdin, one a line,
and answers each with one JSON object: the state in which the run ended.
"""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Any, TextIO

import orjson
from prefect.client.orchestration import get_client

from flows.daily_sync import daily_sync

READY = "ready"


def stand_by(instants: TextIO, answers: TextIO) -> None:
    """Start the server if none is named, then run the daily sync as of each instant that comes."""
    with get_client(sync_client=True) as client:
        client.hello()
    _say(answers, {"state": READY})
    for line in instants:
        state = daily_sync(now=datetime.fromisoformat(line.strip()), return_state=True)
        _say(answers, {"state": state.type.value, "name": state.name, "message": state.message})


def _say(answers: TextIO, what: dict[str, Any]) -> None:
    answers.write(orjson.dumps(what).decode() + "\n")
    answers.flush()


if __name__ == "__main__":
    stand_by(sys.stdin, sys.stdout)
