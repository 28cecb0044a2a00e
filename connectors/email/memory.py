"""Mail kept in a list: the twin for tests and simulations, which can be told to misbehave."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from connectors.email.base import OutgoingMail, Phase, Receipt, Verdict, refusal

Moment = Literal["open", "stage", "commit"]


@dataclass(slots=True)
class _Fault:
    moment: Moment
    outcome: Verdict | Exception
    delivered: bool
    recipient: str | None
    left: int | None


class MemoryOutbox:
    """Messages appended to `messages`; unlike a folder it keeps a second copy, so that tests can see a duplicate."""

    def __init__(self) -> None:
        self.messages: list[OutgoingMail] = []
        self._faults: list[_Fault] = []

    @property
    def name(self) -> str:
        return "memory"

    def open(self) -> MemorySession:
        """Give a session on this outbox."""
        self.meet("open", None)
        return MemorySession(self)

    def misbehave(
        self,
        moment: Moment,
        outcome: Verdict | Exception,
        *,
        delivered: bool = False,
        recipient: str | None = None,
        times: int | None = 1,
    ) -> None:
        """Answer `outcome` at `moment`, for one recipient or all, `times` times or for ever (None).

        An exception is raised, a verdict is returned; `delivered` says whether an unknown message arrived.
        """
        safe = (Verdict.RETRY, Verdict.REJECTED)
        if isinstance(outcome, Verdict) and (moment == "open" or (moment == "stage" and outcome not in safe)):
            raise ValueError(f"no session answers {outcome} at {moment}")
        if delivered and (moment != "commit" or outcome in safe):
            raise ValueError("only a commit that is accepted, unknown or broken off can have delivered")
        if outcome is Verdict.ACCEPTED and not delivered:
            raise ValueError("what was accepted was delivered")
        self._faults.append(_Fault(moment, outcome, delivered, recipient, times))

    def meet(self, moment: Moment, mail: OutgoingMail | None) -> Receipt | None:
        """Do what was ordered for this moment, if anything."""
        for fault in self._faults:
            if fault.moment != moment or fault.left == 0:
                continue
            if fault.recipient is not None and (mail is None or mail.recipient != fault.recipient):
                continue
            fault.left = None if fault.left is None else fault.left - 1
            if fault.delivered and mail is not None:
                self.messages.append(mail)
            if isinstance(fault.outcome, Exception):
                raise fault.outcome
            phase = Phase.DOT if moment == "commit" else Phase.BODY
            return Receipt(fault.outcome, f"told to answer {fault.outcome}", None, phase)
        return None


class MemorySession:
    """Appends messages one after the other."""

    def __init__(self, outbox: MemoryOutbox) -> None:
        self._outbox = outbox
        self._staged: OutgoingMail | None = None

    def stage(self, mail: OutgoingMail) -> Receipt | None:
        """Keep the message aside."""
        if self._staged is not None:
            raise RuntimeError("a message is staged already: commit or abandon it first")
        if reason := refusal(mail):
            return Receipt(Verdict.REJECTED, reason, None, Phase.CHECK)
        if ended := self._outbox.meet("stage", mail):
            return ended
        self._staged = mail
        return None

    def commit(self) -> Receipt:
        """Append the staged message to the outbox."""
        if self._staged is None:
            raise RuntimeError("no message is staged")
        mail, self._staged = self._staged, None
        if ended := self._outbox.meet("commit", mail):
            return ended
        self._outbox.messages.append(mail)
        return Receipt(Verdict.ACCEPTED, "kept in memory", f"memory-{mail.message_key}", Phase.DOT)

    def abandon(self) -> None:
        """Forget the staged message."""
        self._staged = None

    def close(self) -> None:
        """Forget what is staged."""
        self._staged = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
