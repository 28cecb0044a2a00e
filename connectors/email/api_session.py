"""Sessions with providers that take mail by HTTP: what a provider says becomes receipts, and doubt stays doubt."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from time import monotonic
from types import TracebackType
from typing import Any, Protocol, Self

from connectors.email.base import Abilities, OutgoingMail, Phase, Receipt, Verdict, refusal
from connectors.email.http_api import Answer, Call, HttpLine, Silence, retry_after
from nurture.errors import RetryLater, SkipThis, TransportDown

# Seconds before each repetition of an act whose key the provider knows again; then the message stays in doubt.
REPEAT_AFTER_S = (0.5, 2.0, 5.0)


class Kind(StrEnum):
    """What a provider's words mean for one message."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    RETRY = "retry"
    UNKNOWN = "unknown"
    USED = "used"  # in doubt, and the key was used before: repeating cannot tell more
    LATER = "later"  # not now, and that holds for every message
    DOWN = "down"  # the sender is refused, and that holds for every message
    SPLIT = "split"  # nothing of this batch was accepted, because of one of its messages


@dataclass(frozen=True, slots=True)
class Said:
    """What the provider said about one message."""

    kind: Kind
    words: str
    provider_id: str | None = None
    after: float | None = None  # seconds, with LATER


_VERDICTS = {
    Kind.ACCEPTED: Verdict.ACCEPTED,
    Kind.REJECTED: Verdict.REJECTED,
    Kind.RETRY: Verdict.RETRY,
    Kind.LATER: Verdict.RETRY,
    Kind.DOWN: Verdict.RETRY,
    Kind.UNKNOWN: Verdict.UNKNOWN,
    Kind.USED: Verdict.UNKNOWN,
    Kind.SPLIT: Verdict.UNKNOWN,
}

# What every provider means by these. A redirect by 301, 307 or 308 did nothing; by 302 or 303 it may have done all.
# Whatever is not here, above all 5xx, leaves the message in doubt.
BY_STATUS: Mapping[int, Kind] = {
    301: Kind.DOWN,
    307: Kind.DOWN,
    308: Kind.DOWN,
    400: Kind.REJECTED,
    401: Kind.DOWN,
    402: Kind.DOWN,
    403: Kind.DOWN,
    404: Kind.DOWN,
    405: Kind.DOWN,
    406: Kind.DOWN,
    413: Kind.REJECTED,
    415: Kind.DOWN,
    422: Kind.REJECTED,
    429: Kind.LATER,
}


def by_status(answer: Answer, words: str | None) -> Said:
    """The meaning of a refusal by its status; `words` is the provider's reason, None when it gave none in its form.

    A message is rejected only for a reason that can be read: the page of some machine in between is none.
    """
    kind = BY_STATUS.get(answer.status, Kind.UNKNOWN)
    if kind is Kind.REJECTED and words is None:
        kind = Kind.RETRY
    after = retry_after(answer.headers) if kind is Kind.LATER else None
    return Said(kind, f"{answer.status} {words or ''}".strip(), after=after)


class Provider(Protocol):
    """What a vendor's file says about its vendor."""

    @property
    def name(self) -> str: ...

    @property
    def abilities(self) -> Abilities: ...

    @property
    def remedy(self) -> str:
        """What to look at when the sender is refused."""

    def prepare(self, mail: OutgoingMail) -> Any:
        """The message in the provider's form; raises SkipThis when it cannot be said there."""

    def call(self, mails: Sequence[OutgoingMail], prepared: Sequence[Any]) -> Call:
        """The one request that sends them."""

    def read(self, answer: Answer, mails: Sequence[OutgoingMail]) -> Said | list[Said]:
        """What the answer means, for all alike or one by one."""


class AskedProvider(Provider, Protocol):
    """A provider that can be asked what became of a message."""

    def question(self, message_key: str) -> Call:
        """The request that asks."""

    def found(self, answer: Answer, message_key: str) -> Said | None:
        """What a good answer says of the message; None: nothing."""


class ApiSession:
    """Sends one act after the other over one connection."""

    def __init__(self, provider: Provider, line: HttpLine, pause: Callable[[float], None]) -> None:
        self._provider = provider
        self._line = line
        self._pause = pause
        self._staged: list[tuple[OutgoingMail, Any]] = []
        self._down: str | None = None  # the sender was refused in this session
        self._rest_until = 0.0  # on the monotonic clock

    def stage(self, mail: OutgoingMail) -> Receipt | None:
        """Put the message into the provider's form; raises TransportDown or RetryLater while the provider refuses."""
        if len(self._staged) >= self._provider.abilities.batch:
            raise RuntimeError("a message is staged already: commit or abandon it first")
        if reason := refusal(mail):
            return Receipt(Verdict.REJECTED, reason, None, Phase.CHECK)
        try:
            prepared = self._provider.prepare(mail)
        except SkipThis as unfit:
            return Receipt(Verdict.REJECTED, self._line.clean(str(unfit)), None, Phase.CHECK)
        self._ready()
        self._staged.append((mail, prepared))
        return None

    def commit(self) -> Receipt:
        """Send the one staged message; raises TransportDown or RetryLater, and then nothing was sent."""
        if len(self._staged) > 1:
            raise RuntimeError("several messages are staged: commit_all sends them")
        return self.commit_all()[0]

    def commit_all(self) -> tuple[Receipt, ...]:
        """Send what is staged; raises TransportDown or RetryLater, and then nothing of it was sent."""
        if not self._staged:
            raise RuntimeError("no message is staged")
        staged, self._staged = self._staged, []
        said = self._act([mail for mail, _ in staged], [prepared for _, prepared in staged])
        said = [replace(each, words=self._line.clean(each.words)) for each in said]
        self._stop_if_all_must_wait(said)
        return tuple(Receipt(_VERDICTS[each.kind], each.words, each.provider_id, Phase.DOT) for each in said)

    def abandon(self) -> None:
        """Forget what is staged."""
        self._staged.clear()

    def close(self) -> None:
        """Forget what is staged and hang up."""
        self._staged.clear()
        self._line.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ready(self) -> None:
        if self._down is not None:
            raise TransportDown(self._down)
        if (left := self._rest_until - monotonic()) > 0:
            raise RetryLater(f"{self._provider.name} asked to wait", after=left)
        self._line.ready()

    def _act(self, mails: Sequence[OutgoingMail], prepared: Sequence[Any]) -> list[Said]:
        """One act; where keys are known again, repeated while it is in doubt."""
        call = self._provider.call(mails, prepared)
        said = self._once(call, mails)
        if self._provider.abilities.key_lives is not None:
            for pause_s in REPEAT_AFTER_S:
                if all(each.kind is not Kind.UNKNOWN for each in said):
                    break
                self._pause(pause_s)
                said = _after_doubt(said, self._once(call, mails))
        if any(each.kind is Kind.SPLIT for each in said):
            return self._one_by_one(mails, prepared)
        return said

    def _once(self, call: Call, mails: Sequence[OutgoingMail]) -> list[Said]:
        heard = self._line.send(call)
        if isinstance(heard, Silence):
            return [_unheard(heard)] * len(mails)
        said = self._provider.read(heard, mails)
        return said if isinstance(said, list) else [said] * len(mails)

    def _one_by_one(self, mails: Sequence[OutgoingMail], prepared: Sequence[Any]) -> list[Said]:
        said: list[Said] = []
        for mail, form in zip(mails, prepared, strict=True):
            if said and said[-1].kind in (Kind.LATER, Kind.DOWN):
                said.append(said[-1])  # not even tried
            else:
                (one,) = self._act([mail], [form])
                said.append(one)
        return said

    def _stop_if_all_must_wait(self, said: Sequence[Said]) -> None:
        """Raise when nothing was sent for a reason that holds for every message; remember it for those to come."""
        down = next((each for each in said if each.kind is Kind.DOWN), None)
        later = next((each for each in said if each.kind is Kind.LATER), None)
        name = self._provider.name
        if down is not None:
            self._down = f"{name} refuses the sender ({down.words}); {self._provider.remedy}"
        elif later is not None:
            self._rest_until = monotonic() + (later.after or 0.0)
        if any(each.kind not in (Kind.LATER, Kind.DOWN) for each in said):
            return
        if self._down is not None:
            raise TransportDown(self._down)
        if later is not None:
            raise RetryLater(f"{name} is not ready ({later.words})", after=later.after)


class FindingApiSession(ApiSession):
    """A session with a provider that can be asked what became of a message."""

    def __init__(self, provider: AskedProvider, line: HttpLine, pause: Callable[[float], None]) -> None:
        super().__init__(provider, line, pause)
        self._asked = provider

    def find(self, message_key: str) -> Receipt | None:
        """What the provider knows of the message; raises RetryLater when it does not answer, TransportDown at 401."""
        heard = self._line.send(self._asked.question(message_key))
        name = self._provider.name
        if isinstance(heard, Silence):
            raise RetryLater(f"{name} does not say what became of a message: {heard.why}")
        if heard.status == 401:
            raise TransportDown(f"{name} refuses the key (401); {self._provider.remedy}")
        if heard.status == 429 or heard.status >= 500 or (heard.status == 200 and heard.json() is None):
            raise RetryLater(
                f"{name} does not say what became of a message: {heard.status}", retry_after(heard.headers)
            )
        said = self._asked.found(heard, message_key) if heard.status == 200 else None
        if said is None:
            return None
        return Receipt(_VERDICTS[said.kind], self._line.clean(said.words), said.provider_id, Phase.DOT)


def _unheard(silence: Silence) -> Said:
    if silence.written:
        return Said(Kind.UNKNOWN, f"after the request was sent: {silence.why}")
    if silence.untrusted:
        return Said(Kind.DOWN, "its certificate cannot be trusted")
    return Said(Kind.LATER, silence.why)


def _after_doubt(before: Sequence[Said], now: Sequence[Said]) -> list[Said]:
    """Once an act is in doubt, only the provider's yes ends the doubt: a no may be about the repetition alone."""
    if all(each.kind is Kind.ACCEPTED for each in now):
        return list(now)
    kind = Kind.USED if any(each.kind is Kind.USED for each in now) else Kind.UNKNOWN
    return [Said(kind, f"{first.words}; repeated: {then.words}") for first, then in zip(before, now, strict=True)]
