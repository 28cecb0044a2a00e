"""Mail kept in a list: the twin for tests and simulations, which can be told to misbehave."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

from connectors.email.base import Abilities, OutgoingMail, Phase, Receipt, Verdict, refusal

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

    def __init__(self, abilities: Abilities | None = None, *, finds: bool = False) -> None:
        self.messages: list[OutgoingMail] = []
        self.acts: list[tuple[str, ...]] = []  # the keys of each act that arrived
        self._abilities = abilities or Abilities()
        self._finds = finds
        self._faults: list[_Fault] = []

    @property
    def name(self) -> str:
        return "memory"

    @property
    def abilities(self) -> Abilities:
        return self._abilities

    def open(self) -> MemorySession:
        """Give a session on this outbox."""
        self.meet("open", None)
        return FindingMemorySession(self) if self._finds else MemorySession(self)

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
    """Appends messages, one after the other or so many in one act as the outbox is told to take."""

    def __init__(self, outbox: MemoryOutbox) -> None:
        self._outbox = outbox
        self._staged: list[OutgoingMail] = []

    def stage(self, mail: OutgoingMail) -> Receipt | None:
        """Keep the message aside."""
        if len(self._staged) >= self._outbox.abilities.batch:
            raise RuntimeError("a message is staged already: commit or abandon it first")
        if reason := refusal(mail):
            return Receipt(Verdict.REJECTED, reason, None, Phase.CHECK)
        if ended := self._outbox.meet("stage", mail):
            return ended
        self._staged.append(mail)
        return None

    def commit(self) -> Receipt:
        """Append the one staged message to the outbox."""
        if len(self._staged) > 1:
            raise RuntimeError("several messages are staged: commit_all sends them")
        return self.commit_all()[0]

    def commit_all(self) -> tuple[Receipt, ...]:
        """Append what is staged; where keys are known again, an act that arrived before is not repeated."""
        if not self._staged:
            raise RuntimeError("no message is staged")
        mails, self._staged = self._staged, []
        self._outbox.acts.append(tuple(mail.message_key for mail in mails))
        return tuple(self._place(mail) for mail in mails)

    def _place(self, mail: OutgoingMail) -> Receipt:
        known = self._outbox.abilities.key_lives is not None and any(
            mail.message_key == other.message_key for other in self._outbox.messages
        )
        if not known and (ended := self._outbox.meet("commit", mail)):
            return ended
        if not known:
            self._outbox.messages.append(mail)
        return Receipt(Verdict.ACCEPTED, "kept in memory", f"memory-{mail.message_key}", Phase.DOT)

    def abandon(self) -> None:
        """Forget what is staged."""
        self._staged.clear()

    def close(self) -> None:
        """Forget what is staged."""
        self._staged.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class FindingMemorySession(MemorySession):
    """One that can be asked what became of a message."""

    def find(self, message_key: str) -> Receipt | None:
        """Whether it lies here."""
        if not any(mail.message_key == message_key for mail in self._outbox.messages):
            return None
        return Receipt(Verdict.ACCEPTED, "found in memory", f"memory-{message_key}", Phase.DOT)
