"""One worker: one owner token, one session, one act at a time past the point of no return.

An act is one message, or a batch where the provider takes several at once. Everything of it that can be repeated comes
first, then one transaction checks each message once more and marks it, then the act, then one transaction records what
became of it. A crash in between leaves no more in doubt than this worker's one act.
"""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import timedelta
from threading import Event
from typing import Any, cast
from uuid import uuid4

from connectors.email.base import BatchSession, EmailSession, OutgoingMail, Receipt, Verdict
from db import frozen_mails, hand_over, messages, settling, transports
from db.engine import Connection, DatabaseFailed
from nurture.errors import RetryLater, TransportDown
from nurture.failpoints import hit
from nurture.keys import message_key
from nurture.rendering.mime import plan_as_json
from tasks.context import Compiled, Run
from tasks.delivery.allowance import Allowance, Share
from tasks.delivery.mirror import mirror_refusals
from tasks.delivery.writing import Writer
from tasks.mail import Mail

_BATCH = 200
# Before the provider forgets a key, repeating ends: the request may be under way for a while.
_KEY_MARGIN, _KEY_SHARE = timedelta(hours=2), 5
_REPEAT_AFTER = timedelta(minutes=1)
# Seconds.
_LONGEST_WAIT = 5.0


class Worker:
    """Sends until nothing is ready, or until the run's limit, the transport or `stop` ends it."""

    def __init__(self, run: Run, compiled: Compiled, allowance: Allowance, stop: Event) -> None:
        self.run = run
        self.compiled = compiled
        self.allowance = allowance
        self.stop = stop
        self.counts: Counter[str] = Counter()
        self.abilities = run.context.email.abilities
        self.owner = f"{platform.node()}:{os.getpid()}:{uuid4().hex[:8]}"
        self.lease = timedelta(seconds=run.context.settings.email.lease_seconds)
        # Not one connection kept: while the last reply is waited for it may be lost, and the verdict needs another.
        self.database = run.context.database
        self.writer = Writer(run, compiled, self.owner)
        topics = compiled.bundle.catalogue.topics
        self.measuring = tuple(name for name, topic in topics.items() if topic.channel == "tracking")
        with self.database.read() as connection:
            self.on_probation = transports.on_probation(connection, run.context.email.name)

    def work(self) -> bool:
        """Claim and send until nothing is ready; False when something stops us before."""
        try:
            session = self.run.context.email.open()
        except TransportDown as error:
            return self.transport_refuses(str(error))
        except RetryLater as error:
            return self.transport_is_away(error)
        try:
            with session:
                self._empty_queue(session)
        except BaseException:
            # Whatever it is, the others must not go on as if nothing were; and nobody waits for a lease to end.
            self.stop.set()
            with suppress(DatabaseFailed):
                self._release()
            raise
        if self.stop.is_set():
            self._release()
        return not self.stop.is_set()

    def _empty_queue(self, session: EmailSession) -> None:
        while not self.stop.is_set():
            hit("deliver.before_claim")
            drafts, share = self._claim(1 if self.on_probation else _BATCH)
            if share.ask_again_in is not None:
                # In parts, so that who is told to end does so soon.
                self.run.context.wait(min(share.ask_again_in, _LONGEST_WAIT))
                continue
            if drafts is None:
                return
            hit("deliver.claimed")
            mails = self._write(drafts)
            for first in range(0, len(mails), self.abilities.batch):
                if self.stop.is_set() or not self.send(session, mails[first : first + self.abilities.batch]):
                    return

    def _claim(self, limit: int) -> tuple[list[tuple[Mapping[str, Any], str]] | None, Share]:
        """Rows with their keys; None when nothing is ready."""
        with self.database.write() as connection:
            share = self.allowance.share(connection, limit)
            if not share.messages:
                return None, share
            rows = hand_over.claim(
                connection, self.owner, self.run.now, share.messages, self.lease, measuring=self.measuring
            )
            self.allowance.not_claimed(connection, share.messages - len(rows))
            secret = self.run.context.settings.secret_bytes()
            keys = {row["id"]: message_key(secret, row["enrollment_id"], row["step_id"]) for row in rows}
            hand_over.give_keys(connection, keys)
        if self.run.context.pace is not None and rows:
            self.run.context.pace(len(rows))
        return [(row, keys[row["id"]]) for row in rows] or None, share

    def _write(self, claimed: Sequence[tuple[Mapping[str, Any], str]]) -> list[Mail]:
        mails = self.writer.write(claimed)
        if missing := len(claimed) - len(mails):
            self.counts["messages_cannot_render"] += missing
            with self.database.write() as connection:
                self.allowance.give_back(connection, missing)
        return mails

    # --- Sending ------------------------------------------------------------------------------------------------------

    def send(self, session: EmailSession, mails: Sequence[Mail]) -> bool:
        """One act through all phases; False when this worker must stop."""
        staged = self._stage(session, mails)
        if staged is None:
            return False
        if not staged:
            return True
        hit("deliver.staged")
        going = self._may_go(staged)
        early: dict[int, Receipt] = {}
        if len(going) < len(staged):
            session.abandon()
            try:
                # Only a batch has others left; staging them again leaves everything as it was.
                again = [(mail, session.stage(outgoing(mail))) for mail in going]
            except (TransportDown, RetryLater) as error:
                return self._nothing_left(going, error)
            early = {mail.message_id: receipt for mail, receipt in again if receipt is not None}
        acting = [mail for mail in going if mail.message_id not in early]
        receipts = dict(early)
        if acting:
            hit("deliver.handing_over")
            try:
                found = self.commit(session)
            except (TransportDown, RetryLater) as error:
                return self._nothing_left(going, error)
            receipts |= {mail.message_id: receipt for mail, receipt in zip(acting, found, strict=True)}
            hit("deliver.replied")
        if going:
            self.record([(mail, receipts[mail.message_id]) for mail in going])
        return True

    def _stage(self, session: EmailSession, mails: Sequence[Mail]) -> list[Mail] | None:
        """What lies ready for the act; None when the transport stops us before anything was sent."""
        staged = []
        try:
            for mail in mails:
                early = session.stage(outgoing(mail))
                if early is None:
                    staged.append(mail)
                else:
                    self._ended_early(mail, early)
        except TransportDown as error:
            self.transport_refuses(str(error))
            return None
        except RetryLater as error:
            self.transport_is_away(error)
            return None
        return staged

    def commit(self, session: EmailSession) -> tuple[Receipt, ...]:
        """The act itself."""
        if self.abilities.batch == 1:
            return (session.commit(),)
        return cast(BatchSession, session).commit_all()

    def _may_go(self, mails: Sequence[Mail]) -> list[Mail]:
        """Those that may still go, marked as being handed over; their leads are locked in one order by everybody."""
        refusals: dict[int, str | None] = {}
        with self.database.write() as connection:
            for mail in sorted(mails, key=lambda each: each.lead_id):
                refusals[mail.message_id] = self.check(connection, mail)
            going = [mail for mail in mails if refusals[mail.message_id] is None]
            # Who has taken one over, or given it back to the queue, has given its share back, too.
            mine = sum(refusal is not None and refusal != hand_over.TAKEN_OVER for refusal in refusals.values())
            self.allowance.give_back(connection, mine)
            if going and self.abilities.key_lives is not None:
                lives = self.abilities.key_lives
                until = self.run.now + lives - min(_KEY_MARGIN, lives / _KEY_SHARE)
                plans = [(mail.message_id, plan_as_json(mail.plan)) for mail in going]
                frozen_mails.freeze(connection, going[0].key, plans, until)
            hit("deliver.before_handing_over_commit")
        back = (hand_over.TAKEN_OVER, hand_over.ADDRESS_CHANGED, messages.ON_HOLD, messages.FREQUENCY_CAP)
        for refused in refusals.values():
            self.counts["messages_capped"] += refused == messages.FREQUENCY_CAP
            self.counts["messages_skipped"] += refused is not None and refused not in back
        return going

    def check(self, connection: Connection, mail: Mail) -> str | None:
        """The last check under the lead's lock, and the mark; returns why the message may not go."""
        return hand_over.hand_over(
            connection,
            mail.message_id,
            self.owner,
            self.run.now,
            self.lease,
            transport=self.run.context.email.name,
            recipient=mail.recipient,
            subject=mail.subject,
            locale=mail.locale,
            caps=self.compiled.caps,
            permissions=self.compiled.permissions,
            pausing=self.compiled.pausing,
        )

    # --- Recording ----------------------------------------------------------------------------------------------------

    def record(self, receipts: Sequence[tuple[Mail, Receipt]]) -> None:
        """Write down what became of an act, in one transaction."""
        now = self.run.now
        repeatable = self.abilities.key_lives is not None and all(
            receipt.verdict is Verdict.UNKNOWN for _, receipt in receipts
        )
        statuses = []
        with self.database.write() as connection:
            if repeatable:
                statuses = self._park(connection, receipts)
            else:
                statuses = [self._settle(connection, mail, receipt) for mail, receipt in receipts]
                if self.abilities.key_lives is not None:
                    frozen_mails.thaw(connection, [mail.message_id for mail, _ in receipts])
            if self.on_probation and any(receipt.verdict is not Verdict.RETRY for _, receipt in receipts):
                transports.works(connection, self.run.context.email.name, now)
                self.on_probation = False
            hit("deliver.before_verdict_commit")
        hit("deliver.settled")
        self._after(receipts, statuses)

    def _park(self, connection: Connection, receipts: Sequence[tuple[Mail, Receipt]]) -> list[str]:
        """The provider knows the keys again: the very same act comes once more, later."""
        ids = [mail.message_id for mail, _ in receipts]
        frozen_mails.park(connection, ids, self.owner, self.run.now + _REPEAT_AFTER, receipts[0][1].response)
        return ["to_repeat"] * len(ids)

    def _settle(self, connection: Connection, mail: Mail, receipt: Receipt) -> str:
        mine = (connection, mail.message_id, self.owner, self.run.now)
        if receipt.verdict is Verdict.RETRY:
            return settling.retry(
                *mine, attempts=mail.attempts + 1, reason="temporary-refusal", response=receipt.response
            )
        reason = {Verdict.REJECTED: "refused-by-provider", Verdict.UNKNOWN: frozen_mails.REPLY_LOST}
        settling.settle(
            *mine,
            status=receipt.verdict.value,
            reason=reason.get(receipt.verdict),
            response=receipt.response,
            provider_id=receipt.provider_id,
        )
        return receipt.verdict.value

    def _after(self, receipts: Sequence[tuple[Mail, Receipt]], statuses: Sequence[str]) -> None:
        refused = [mail for mail, receipt in receipts if receipt.verdict in (Verdict.RETRY, Verdict.REJECTED)]
        if refused:
            with self.database.write() as connection:
                for mail in sorted(refused, key=lambda each: each.lead_id):
                    messages.give_slot_back(connection, mail.message_id, self.run.now)
                self.not_sent(connection, len(refused))
        mirror_refusals(self.run, self.compiled, receipts)
        for status in statuses:
            self.counts["messages_retried" if status == "queued" else f"messages_{status}"] += 1

    def not_sent(self, connection: Connection, number: int) -> None:
        """So many of an act were refused: another message may have their share."""
        self.allowance.give_back(connection, number)

    def _ended_early(self, mail: Mail, receipt: Receipt) -> None:
        """Refused before the point of no return: safe, whatever it was."""
        mine = (mail.message_id, self.owner)
        with self.database.write() as connection:
            if not settling.count_attempt(connection, *mine):
                return
            if receipt.verdict is Verdict.REJECTED:
                settling.reject_claimed(connection, *mine, self.run.now, "refused-by-provider", receipt.response)
                status = "rejected"
            else:
                status = settling.retry(
                    connection,
                    *mine,
                    self.run.now,
                    attempts=mail.attempts + 1,
                    reason="temporary-refusal",
                    response=receipt.response,
                )
            self.allowance.give_back(connection, 1)
        mirror_refusals(self.run, self.compiled, [(mail, receipt)])
        self.counts["messages_retried" if status == "queued" else f"messages_{status}"] += 1

    # --- Trouble with the transport -----------------------------------------------------------------------------------

    def _nothing_left(self, mails: Sequence[Mail], error: TransportDown | RetryLater) -> bool:
        """The connector says that nothing of the act was sent: it goes back as if it had never been tried."""
        ids = [mail.message_id for mail in mails]
        with self.database.write() as connection:
            back = settling.take_back(connection, ids, self.owner)
            frozen_mails.thaw(connection, ids)
            self.allowance.give_back(connection, back)
        if isinstance(error, TransportDown):
            return self.transport_refuses(str(error))
        return self.transport_is_away(error)

    def transport_is_away(self, error: RetryLater) -> bool:
        """Nobody answers, or we are asked to wait: every claim goes back uncounted, a later run tries again."""
        self._release()
        if error.after is not None:
            with self.database.write() as connection:
                transports.wait(connection, self.run.context.email.name, error.after, self.run.now)
            self.counts["transport_asked_to_wait"] = 1
        else:
            self.counts["transport_away"] = 1
            self.run.notes["transport"] = str(error)
        self.stop.set()
        return False

    def transport_refuses(self, why: str) -> bool:
        """The sender itself is refused: the transport pauses for everybody, and no message pays for it."""
        self._release()
        with self.database.write() as connection:
            transports.refused(connection, self.run.context.email.name, why, self.run.now)
        self.counts["transport_paused"] = 1
        self.run.notes["transport"] = why
        self.stop.set()
        return False

    def _release(self) -> None:
        with self.database.write() as connection:
            self.allowance.give_back(connection, settling.release(connection, self.owner))


def outgoing(mail: Mail) -> OutgoingMail:
    """The message as a connector takes it."""
    return OutgoingMail(mail.key, mail.sender, mail.recipient, mail.raw, mail.plan, mail.tags)
