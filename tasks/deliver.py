"""Deliver what is queued, by the "hold the dot" protocol.

Per message: claim, render, hand everything over but the last dot, commit `handing_over` after one more check, send the
dot, commit the verdict. A crash before that commit loses nothing and repeats nothing; a crash after it leaves one act
in doubt: unknown and never resent by itself, or repeated by its key where the provider knows that again.
"""

from __future__ import annotations

from collections import Counter

from db import hand_over, holds, messages, sequences, transports
from db.engine import Connection
from db.entries import stop_all
from db.windows import closed_places
from tasks.context import Compiled, Run
from tasks.delivery.allowance import Allowance
from tasks.delivery.doubts import ask_the_provider, repeat_acts
from tasks.delivery.workers import work


def deliver(run: Run) -> dict[str, int]:
    """Settle what must not be sent, hold what must wait, and hand over the rest, most urgent first."""
    context, now = run.context, run.now
    compiled = context.compiled()
    counts: Counter[str] = Counter()
    abilities = context.email.abilities
    allowance = Allowance(run)
    # By itself, for it locks the day's allowance.
    with context.database.write() as connection:
        requeued = hand_over.requeue(connection)
        allowance.give_back_of(connection, requeued)
        counts["messages_requeued"] += len(requeued)
    with context.database.write() as connection:
        counts.update(hand_over.recover(connection, now, context.email.name if abilities.key_lives else None))
        counts["messages_found"] += messages.settle_heard(connection, now)
        _stop_asked(connection, run)
        holds.pause_for_sales(connection, compiled.pausing, now)
        counts["messages_skipped"] += messages.skip_refused(connection, now, compiled.permissions)
        counts["messages_held"] += _hold_for_windows(connection, compiled, run)
        capped = compiled.caps.plan(connection, now)
        counts["messages_capped"] += capped
        paused = transports.paused(connection, context.email.name, now)
    if paused is not None:
        waits = paused["reason"] == transports.ASKED_TO_WAIT
        counts["transport_asked_to_wait" if waits else "transport_paused"] = 1
        return {key: value for key, value in counts.items() if value}
    counts.update(ask_the_provider(run))
    counts.update(repeat_acts(run, compiled, allowance))
    if not counts.keys() & {"transport_paused", "transport_away", "transport_asked_to_wait"}:
        _send(run, compiled, allowance, counts, again=bool(capped))
    return {key: value for key, value in counts.items() if value}


def _send(run: Run, compiled: Compiled, allowance: Allowance, counts: Counter[str], *, again: bool) -> None:
    while work(run, compiled, allowance, counts) and again and not allowance.limit_reached:
        with run.context.database.write() as connection:
            if not compiled.caps.plan_again(connection, run.now):
                break
    with run.context.database.write() as connection:
        counts["messages_held"] += allowance.hold_until_tomorrow(connection)
    counts["limit_reached"] = int(allowance.limit_reached)


def _stop_asked(connection: Connection, run: Run) -> None:
    for name, state in sequences.states(connection).items():
        if state == "stop":
            stop_all(connection, name, "sequence-stopped", run.now)


def _hold_for_windows(connection: Connection, compiled: Compiled, run: Run) -> int:
    """Ready messages whose sequence's window is closed where the lead lives wait until it opens."""
    held = 0
    for version, program in compiled.programs(connection).items():
        window = program.sequence.window
        if window is None:
            continue
        places = messages.places_of_ready(connection, [version], run.now)
        opens = closed_places(places, window, run.now, *program.time_zones, home=program.home)
        held += messages.hold_until_open(connection, [version], opens, run.now)
    return held
