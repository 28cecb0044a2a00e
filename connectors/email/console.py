"""Mail for the eyes: headers and text part printed on the terminal, nothing sent."""

from __future__ import annotations

import email.policy
import sys
import unicodedata
from dataclasses import dataclass
from email.parser import BytesParser
from types import TracebackType
from typing import Self, TextIO

from connectors.email.base import Abilities, OutgoingMail, Phase, Receipt, Verdict, refusal


@dataclass(frozen=True, slots=True)
class Console:
    """Messages printed on a stream, standard output unless told otherwise."""

    stream: TextIO | None = None

    @property
    def name(self) -> str:
        return "console"

    @property
    def abilities(self) -> Abilities:
        return Abilities()

    def open(self) -> ConsoleSession:
        """Give a session that prints on the stream."""
        return ConsoleSession(self.stream)


class ConsoleSession:
    """Prints messages one after the other."""

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self._staged: str | None = None

    def stage(self, mail: OutgoingMail) -> Receipt | None:
        """Make the text to be printed."""
        if self._staged is not None:
            raise RuntimeError("a message is staged already: commit or abandon it first")
        if reason := refusal(mail):
            return Receipt(Verdict.REJECTED, reason, None, Phase.CHECK)
        self._staged = readable(mail)
        return None

    def commit(self) -> Receipt:
        """Print the staged message."""
        if self._staged is None:
            raise RuntimeError("no message is staged")
        text, self._staged = self._staged, None
        stream = self._stream or sys.stdout
        encoding = getattr(stream, "encoding", None) or "utf-8"
        try:
            stream.write(text.encode(encoding, "replace").decode(encoding))
            stream.flush()
        except OSError as error:  # a closed pipe: part of it may have been read
            return Receipt(Verdict.UNKNOWN, f"while printing: {type(error).__name__}", None, Phase.DOT)
        return Receipt(Verdict.ACCEPTED, "printed", None, Phase.DOT)

    def abandon(self) -> None:
        """Forget the staged message."""
        self._staged = None

    def close(self) -> None:
        """Forget what is staged; the stream stays open."""
        self._staged = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def readable(mail: OutgoingMail) -> str:
    """Give envelope, headers and text part as plain lines; control characters cannot reach the terminal."""
    message = BytesParser(policy=email.policy.default).parsebytes(mail.raw)
    lines = [f"--- {mail.sender} -> {mail.recipient}"]
    lines += [f"{name}: {value}" for name, value in message.items()]
    part = message.get_body(preferencelist=("plain",))
    body = part.get_content() if part is not None else "(no text part)"
    lines += ["", *str(body).splitlines(), ""]
    return "".join(f"{_printable(line)}\n" for line in lines)


def _printable(line: str) -> str:
    return "".join(
        "\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cs") and c != "\t" else c for c in line
    )
