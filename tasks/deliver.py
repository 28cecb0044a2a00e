"""Deliver the ledger's messages by the "hold the dot" protocol.

Per message: claim, render, hand everything over but the last dot, commit `handing_over` after one more check, send the
dot, commit the verdict. A crash before that commit loses nothing and repeats nothing; a crash after it leaves one
`unknown` for this worker, which is never resent by itself.
"""

from __future__ import annotations

import os
import platform
from collections import Counter
from datetime import timedelta
from uuid import uuid4

from connectors.email.base import EmailSession, OutgoingMail, Receipt, Verdict
from db import hand_over, holds, messages, sequences, transports
from db.engine import Connection
from db.entries import stop_all
from db.windows import closed_places
from nurture.errors import RetryLater, SkipThis, TransportDown
from nurture.failpoints import hit
from nurture.keys import message_key
from tasks.context import Compiled, Run
from tasks.mail import Mail, compose

_BATCH = 200
_TRANSPORT_PAUSE = timedelta(minutes=30)
_MISSING_FIELD_HOLD = timedelta(hours=24)


def deliver(run: Run) -> dict[str, int]:
    """Settle what must not be sent, hold what must wait, and hand over the rest, most urgent first."""
    context, now = run.context, run.now
    compiled = context.compiled()
    counts: Counter[str] = Counter()
    with context.database.write() as connection:
        counts.update(hand_over.recover(connection, now))
        _stop_asked(connection, run)
        holds.pause_for_sales(connection, compiled.pausing, now)
        counts["messages_skipped"] += messages.skip_refused(connection, now, compiled.permissions)
        counts["messages_held"] += _hold_for_windows(connection, compiled, run)
        capped = compiled.caps.plan(connection, now)
        counts["messages_capped"] += capped
        paused = transports.paused(connection, context.email.name, now)
    if paused is not None:
        counts["transport_paused"] = 1
        return dict(counts)
    worker = _Worker(run, compiled, counts)
    while worker.work() and capped:
        with context.database.write() as connection:
            if not compiled.caps.plan_again(connection, now):
                break
    return {key: value for key, value in counts.items() if value}


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


class _Worker:
    """One worker: one owner token, one session, one message at a time past the point of no return."""

    def __init__(self, run: Run, compiled: Compiled, counts: Counter[str]) -> None:
        self.run = run
        self.compiled = compiled
        self.counts = counts
        self.owner = f"{platform.node()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.lease = timedelta(seconds=run.context.settings.email.lease_seconds)
        self.left = run.context.settings.email.limit_per_run
        # Not one connection kept: while the last reply is waited for it may be lost, and the verdict needs another.
        self.database = run.context.database

    def work(self) -> bool:
        """Claim and send until nothing is ready; False when the run's limit or the transport stops us before."""
        try:
            session = self.run.context.email.open()
        except TransportDown as error:
            return self._transport_refuses(str(error))
        except RetryLater as error:
            return self._transport_is_away(str(error))
        with session:
            return self._empty_queue(session)

    def _empty_queue(self, session: EmailSession) -> bool:
        while self.left > 0:
            hit("deliver.before_claim")
            mails = self._claim(min(_BATCH, self.left))
            if not mails:
                return True
            hit("deliver.claimed")
            self.left -= len(mails)
            if not all(self._send(session, mail) for mail in mails):
                return False
        self.counts["limit_reached"] = 1
        return False

    def _claim(self, limit: int) -> list[Mail]:
        context, now = self.run.context, self.run.now
        with self.database.write() as connection:
            rows = hand_over.claim(connection, self.owner, now, limit, self.lease)
            secret = context.settings.secret_bytes()
            keys = {row["id"]: message_key(secret, row["enrollment_id"], row["step_id"]) for row in rows}
            hand_over.give_keys(connection, keys)
        mails = []
        for row in rows:
            try:
                mails.append(compose(row, keys[row["id"]], context.settings, self.compiled, now))
            except SkipThis as error:
                self._cannot_render(int(row["id"]), error)
        hit("deliver.rendered")
        return mails

    def _cannot_render(self, message_id: int, error: SkipThis) -> None:
        """One lead lacks a field, or the text is unfit: this message is held with its reason, the others go on."""
        with self.database.write() as connection:
            hand_over.hold(
                connection, message_id, self.owner, self.run.now + _MISSING_FIELD_HOLD, "cannot-render", str(error)
            )
        self.counts["messages_cannot_render"] += 1

    def _send(self, session: EmailSession, mail: Mail) -> bool:
        """One message through all phases; False when this worker must stop."""
        try:
            early = session.stage(OutgoingMail(mail.key, mail.sender, mail.recipient, mail.raw))
        except TransportDown as error:
            return self._transport_refuses(str(error))
        except RetryLater as error:
            return self._transport_is_away(str(error))
        if early is not None:
            self._ended_early(mail, early)
            return True
        hit("deliver.staged")
        if not self._may_go(mail):
            session.abandon()
            return True
        hit("deliver.handing_over")
        try:
            receipt = session.commit()
        except (TransportDown, RetryLater) as error:
            # The connector says that nothing was sent.
            receipt = Receipt(Verdict.RETRY, str(error), None, "dot")
        hit("deliver.replied")
        self._record(mail, receipt)
        return True

    def _may_go(self, mail: Mail) -> bool:
        context = self.run.context
        with self.database.write() as connection:
            refused = hand_over.hand_over(
                connection,
                mail.message_id,
                self.owner,
                self.run.now,
                self.lease,
                transport=context.email.name,
                subject=mail.subject,
                locale=mail.locale,
                caps=self.compiled.caps,
                permissions=self.compiled.permissions,
                pausing=self.compiled.pausing,
            )
            hit("deliver.before_handing_over_commit")
        if refused is not None:
            self.counts["messages_capped"] += refused == messages.FREQUENCY_CAP
            back = ("taken-over", messages.ON_HOLD, messages.FREQUENCY_CAP)
            self.counts["messages_skipped"] += refused not in back
        return refused is None

    def _record(self, mail: Mail, receipt: Receipt) -> None:
        with self.database.write() as connection:
            if receipt.verdict is Verdict.RETRY:
                status = hand_over.retry(
                    connection,
                    mail.message_id,
                    self.owner,
                    self.run.now,
                    attempts=mail.attempts + 1,
                    reason="temporary-refusal",
                    response=receipt.response,
                )
            else:
                status = receipt.verdict.value
                reason = {Verdict.REJECTED: "refused-by-provider", Verdict.UNKNOWN: "reply-lost"}.get(receipt.verdict)
                hand_over.settle(
                    connection,
                    mail.message_id,
                    self.owner,
                    self.run.now,
                    status=status,
                    reason=reason,
                    response=receipt.response,
                    provider_id=receipt.provider_id,
                )
            hit("deliver.before_verdict_commit")
        hit("deliver.settled")
        if receipt.verdict in (Verdict.RETRY, Verdict.REJECTED):
            with self.database.write() as connection:
                messages.give_slot_back(connection, mail.message_id, self.run.now)
        self.counts["messages_retried" if status == "queued" else f"messages_{status}"] += 1

    def _ended_early(self, mail: Mail, receipt: Receipt) -> None:
        """Refused before the point of no return: safe, whatever it was."""
        with self.database.write() as connection:
            if receipt.verdict is Verdict.REJECTED:
                hand_over.reject_claimed(
                    connection, mail.message_id, self.owner, self.run.now, "refused-by-provider", receipt.response
                )
                status = "rejected"
            else:
                hand_over.count_attempt(connection, mail.message_id, self.owner)
                status = hand_over.retry(
                    connection,
                    mail.message_id,
                    self.owner,
                    self.run.now,
                    attempts=mail.attempts + 1,
                    reason="temporary-refusal",
                    response=receipt.response,
                )
        self.counts["messages_retried" if status == "queued" else f"messages_{status}"] += 1

    def _transport_is_away(self, why: str) -> bool:
        """Nobody answers at the moment: every claim goes back, nothing is counted, the next run tries again."""
        with self.database.write() as connection:
            hand_over.release(connection, self.owner)
        self.counts["transport_away"] = 1
        self.run.notes["transport"] = why
        return False

    def _transport_refuses(self, why: str) -> bool:
        """The sender itself is refused: the transport pauses for everybody, and no message pays for it."""
        with self.database.write() as connection:
            hand_over.release(connection, self.owner)
            transports.pause(
                connection, self.run.context.email.name, self.run.now + _TRANSPORT_PAUSE, why, self.run.now
            )
        self.counts["transport_paused"] = 1
        self.run.notes["transport"] = why
        return False
