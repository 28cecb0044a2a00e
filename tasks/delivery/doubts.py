"""Messages in doubt: acts that may be repeated by their keys, and unknown ones of which the provider may know more."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from threading import Event
from typing import Any, cast
from zlib import crc32

from connectors.email.base import EmailSession, FindingSession, Verdict
from db import frozen_mails, hand_over, messages, settling
from db.engine import Connection
from nurture.errors import OutsideFailed, RetryLater, TransportDown
from nurture.failpoints import hit
from nurture.rendering.mime import build_mime, plan_from_json
from tasks.context import Compiled, Run
from tasks.delivery.allowance import Allowance
from tasks.delivery.worker import Worker, outgoing
from tasks.mail import Mail

_MOST_ACTS = 1_000
_MOST_QUESTIONS = 100
# A provider's search lags behind what it has accepted.
_NOT_BEFORE = timedelta(minutes=5)


class _CannotRepeat(Exception):
    """One of the act may not be sent any more; rolls its transaction back."""


class _NotNow(Exception):
    """One of the act may not be sent at the moment; rolls its transaction back."""


# A sequence on hold goes on, and a slot comes back; until its keys are forgotten the act can wait.
_FOR_NOW = (messages.ON_HOLD, messages.FREQUENCY_CAP)


def repeat_acts(run: Run, compiled: Compiled, allowance: Allowance) -> dict[str, int]:
    """Repeat the acts whose reply was lost, word for word and under the same keys, while the provider knows them."""
    with run.context.database.read() as connection:
        acts = frozen_mails.due_acts(connection, run.now, _MOST_ACTS)
    if not acts:
        return {}
    worker = _Repeater(run, compiled, allowance, Event())
    try:
        with run.context.email.open() as session:
            for act in acts:
                if not worker.repeat(session, act):
                    break
    except TransportDown as error:
        worker.transport_refuses(str(error))
    except RetryLater as error:
        worker.transport_is_away(error)
    return dict(worker.counts)


class _Repeater(Worker):
    """A worker that writes nothing anew."""

    def repeat(self, session: EmailSession, act: str) -> bool:
        """One act once more; False when this worker must stop."""
        with self.database.write() as connection:
            rows = frozen_mails.claim_act(connection, act, self.owner, hand_over.lease_end(self.lease))
        if not rows:
            return True
        hit("deliver.claimed")
        mails = [self._mail(row) for row in rows]
        if len(mails) > self.abilities.batch:
            # The settings have changed since, and in parts it would be other acts.
            self._give_up(act)
            return True
        try:
            for mail in mails:
                if (early := session.stage(outgoing(mail))) is not None:
                    raise _CannotRepeat(early.response)
            self._mark(mails)
        except _CannotRepeat:
            session.abandon()
            self._give_up(act)
            return True
        except _NotNow:
            session.abandon()
            self._put_off(act)
            return True
        hit("deliver.handing_over")
        try:
            receipts = self.commit(session)
        except (TransportDown, RetryLater) as error:
            return self._stays_in_doubt(mails, error)
        hit("deliver.replied")
        self.record(list(zip(mails, receipts, strict=True)))
        return True

    def _mail(self, row: Mapping[str, Any]) -> Mail:
        plan = plan_from_json(row["plan"])
        settings = self.run.context.settings
        return Mail(
            message_id=int(row["message_id"]),
            lead_id=int(row["lead_id"]),
            key=plan.message_key,
            sender=settings.sender.address,
            recipient=plan.to_address,
            subject=plan.subject,
            locale=row["locale"],
            raw=build_mime(plan),
            attempts=int(row["attempts"]),
            plan=plan,
            tags=(row["sequence"], row["email"]),
        )

    def _mark(self, mails: list[Mail]) -> None:
        """All of the act as being handed over; raises _CannotRepeat or _NotNow when one of them may not go."""
        with self.database.write() as connection:
            for mail in sorted(mails, key=lambda each: each.lead_id):
                refused = self.check(connection, mail)
                if refused is not None:
                    raise (_NotNow if refused in _FOR_NOW else _CannotRepeat)(refused)
            hit("deliver.before_handing_over_commit")

    def not_sent(self, connection: Connection, number: int) -> None:
        """Their share was taken when the act was made, maybe on another day and by another run."""

    def _give_up(self, act: str) -> None:
        with self.database.write() as connection:
            self.counts["messages_unknown"] += frozen_mails.not_repeated(connection, act, self.owner, self.run.now)

    def _put_off(self, act: str) -> None:
        with self.database.write() as connection:
            frozen_mails.put_off(connection, act, self.owner, self.run.now + settling.RETRY_AFTER[0])

    def _stays_in_doubt(self, mails: list[Mail], error: TransportDown | RetryLater) -> bool:
        """This time nothing was sent, but the first time it may have been: the act waits on."""
        ids = [mail.message_id for mail in mails]
        with self.database.write() as connection:
            frozen_mails.park(connection, ids, self.owner, self.run.now + settling.RETRY_AFTER[0], str(error))
        if isinstance(error, TransportDown):
            return self.transport_refuses(str(error))
        return self.transport_is_away(error)


def ask_the_provider(run: Run) -> dict[str, int]:
    """Settle unknown messages by what the provider knows under their keys; what it does not know stays unknown."""
    context = run.context
    with context.database.read() as connection:
        doubtful = messages.unknown_of(
            connection,
            context.email.name,
            before=run.now - _NOT_BEFORE,
            limit=_MOST_QUESTIONS,
            # By the run's instant and not by counting, whatever the rhythm of the runs.
            turn=crc32(run.now.isoformat().encode()),
        )
    if not doubtful:
        return {}
    found: dict[int, str] = {}
    try:
        with context.email.open() as session:
            if not hasattr(session, "find"):
                return {}
            for message_id, key in doubtful:
                receipt = cast(FindingSession, session).find(key)
                if receipt is not None and receipt.verdict in (Verdict.ACCEPTED, Verdict.REJECTED):
                    found[message_id] = receipt.verdict.value
    except (TransportDown, RetryLater, OutsideFailed):
        # It is asked again by the next run; sending itself will say what is wrong.
        pass
    with context.database.write() as connection:
        for message_id, status in found.items():
            messages.resolve(connection, message_id, status, "found at the provider", run.now, by="found-at-provider")
    return {"messages_found": len(found)} if found else {}
