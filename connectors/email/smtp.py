"""Mail over SMTP, with the phases driven by ourselves so that it is always known whether the final dot was written.

smtplib's own sendmail raises the same error for a loss before the dot (safe to repeat) and after it (perhaps
delivered); see RFC 1047 and RFC 5321 4.5.3.2.6.
"""

from __future__ import annotations

import contextlib
import re
import smtplib
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from connectors.email.base import Abilities, OutgoingMail, Phase, Receipt, Verdict, provider_text, refusal
from connectors.email.smtp_wire import SmtpSettings, Wire, open_wire, refused, words_of

_QUIT_PATIENCE_S = 5.0

# How servers name the message they took: Postfix, Exim, Exchange, qmail, Amazon SES, Sendmail, Gmail.
_QUEUE_IDS = (
    re.compile(r"queued as <?([\w.@=-]+)", re.ASCII | re.IGNORECASE),
    re.compile(r"\bid=([\w-]+)", re.ASCII),
    re.compile(r"<([^\s<>]+)> \[InternalId=", re.ASCII),
    re.compile(r"\bok (\d+) qp \d+", re.ASCII | re.IGNORECASE),
    re.compile(r"^ok ([0-9a-f]{16}-[0-9a-f-]+)$", re.ASCII | re.IGNORECASE),
    re.compile(r"^(?:\d\.\d\.\d )?([\w-]{8,}) Message accepted for delivery", re.ASCII | re.IGNORECASE),
    re.compile(r"\bOK\s+\d+ (\S+) - gsmtp", re.ASCII),
)

# "Authentication required", "credentials invalid", "encryption required": about us, at whatever command they come.
_ABOUT_THE_SENDER = frozenset({530, 534, 535, 538})


@dataclass(frozen=True, slots=True)
class SmtpConnector:
    """Mail through one SMTP server."""

    settings: SmtpSettings

    @property
    def name(self) -> str:
        return "smtp"

    @property
    def abilities(self) -> Abilities:
        return Abilities(connections=self.settings.connections)

    def open(self) -> SmtpSession:
        """Give a session that connects when the first message is staged."""
        return SmtpSession(self.settings)


class SmtpSession:
    """One SMTP connection, renewed when it is lost."""

    def __init__(self, settings: SmtpSettings) -> None:
        self._settings = settings
        self._wire: Wire | None = None
        self._needs_reset = False  # the server still holds the envelope of a refused message
        self._staged = False

    def stage(self, mail: OutgoingMail) -> Receipt | None:
        """Send envelope and body and hold the final dot; raises TransportDown or RetryLater."""
        if self._staged:
            raise RuntimeError("a message is staged already: commit or abandon it first")
        if reason := refusal(mail):
            return Receipt(Verdict.REJECTED, reason, None, Phase.CHECK)
        wire = self._ready_wire()
        needs = _extensions_needed(mail)
        if missing := [name for name in needs if not wire.has_extn(name)]:
            return Receipt(Verdict.REJECTED, f"the server offers no {' and no '.join(missing)}", None, Phase.EHLO)
        wire.command_encoding = "utf-8" if "SMTPUTF8" in needs else "ascii"
        return self._hand_over(wire, mail, needs)

    def commit(self) -> Receipt:
        """Write the final dot and read the reply."""
        wire = self._wire
        if not self._staged or wire is None:
            raise RuntimeError("no message is staged")
        self._staged = False
        if wire.spoke_out_of_turn():  # a server that hung up or said 421 before the dot has delivered nothing
            self._drop()
            return Receipt(Verdict.RETRY, "the server spoke or hung up before the final dot", None, Phase.BODY)
        try:
            wire.send(b".\r\n")
            wire.patience_s = self._settings.dot_timeout_s
            code, text = wire.getreply()
            wire.patience_s = self._settings.timeout_s
        except smtplib.SMTPServerDisconnected as lost:
            self._drop()
            return Receipt(Verdict.UNKNOWN, f"after the final dot: {lost}", None, Phase.DOT)
        except BaseException:
            self._drop()
            raise
        return self._read_last_word(code, words_of(text))

    def abandon(self) -> None:
        """Hang up before the dot; a server must not deliver a message whose end it never saw."""
        if self._staged:
            self._drop()

    def close(self) -> None:
        """Say good-bye if no message is half sent, and hang up."""
        wire = self._wire
        if wire is not None and not self._staged:
            wire.patience_s = min(_QUIT_PATIENCE_S, self._settings.timeout_s)
            with contextlib.suppress(smtplib.SMTPServerDisconnected):  # whatever was accepted stays accepted
                wire.docmd("QUIT")
        self._drop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _ready_wire(self) -> Wire:
        """Give a connection that expects MAIL, a new one when the old one is lost or confused."""
        if self._wire is not None and not self._is_clean(self._wire):
            self._drop()
        if self._wire is None:
            self._wire = open_wire(self._settings)
        return self._wire

    def _is_clean(self, wire: Wire) -> bool:
        if wire.spoke_out_of_turn():
            return False
        if not self._needs_reset:
            return True
        self._needs_reset = False
        try:
            return wire.docmd("RSET")[0] == 250
        except smtplib.SMTPServerDisconnected:
            return False

    def _hand_over(self, wire: Wire, mail: OutgoingMail, needs: list[str]) -> Receipt | None:
        options = "".join(f" {'BODY=8BITMIME' if name == '8BITMIME' else name}" for name in needs)
        steps = (
            (Phase.MAIL, f"MAIL FROM:<{mail.sender}>{options}", 2),
            (Phase.RCPT, f"RCPT TO:<{mail.recipient}>", 2),
            (Phase.DATA, "DATA", 3),
        )
        phase = Phase.MAIL
        try:
            for phase, command, good in steps:
                code, text = wire.docmd(command)
                if code // 100 != good:
                    return self._refused(phase, code, words_of(text))
            phase = Phase.BODY
            wire.send_body(mail.raw)
        except smtplib.SMTPServerDisconnected as lost:
            self._drop()
            return Receipt(Verdict.RETRY, f"before the final dot: {lost}", None, phase)
        except BaseException:
            self._drop()
            raise
        self._staged = True
        return None

    def _refused(self, phase: Phase, code: int, text: str) -> Receipt:
        if code in _ABOUT_THE_SENDER or (code >= 500 and phase in (Phase.MAIL, Phase.DATA)):
            self._drop()
            remedy = "check the sender's address and the SMTP settings `username` and `password`"
            raise refused(phase, code, text, remedy)
        self._needs_reset = True
        if code == 421 or code < 400:  # closing, or an answer to some other question
            self._drop()
        verdict = Verdict.REJECTED if code >= 500 else Verdict.RETRY
        return Receipt(verdict, provider_text(f"{code} {text}"), None, phase)

    def _read_last_word(self, code: int, text: str) -> Receipt:
        response = provider_text(f"{code} {text}")
        if code == 250:
            return Receipt(Verdict.ACCEPTED, response, queue_id(text), Phase.DOT)
        if code == 421 or code < 400:
            self._drop()
        if code >= 400:
            return Receipt(Verdict.REJECTED if code >= 500 else Verdict.RETRY, response, None, Phase.DOT)
        return Receipt(Verdict.UNKNOWN, response, None, Phase.DOT)

    def _drop(self) -> None:
        if self._wire is not None:
            self._wire.close()
        self._wire, self._staged, self._needs_reset = None, False, False


def queue_id(text: str) -> str | None:
    """Find the server's own name for the message in its reply to the final dot."""
    for line in text.splitlines():
        for pattern in _QUEUE_IDS:
            if match := pattern.search(line):
                return match[1]
    return None


def _extensions_needed(mail: OutgoingMail) -> list[str]:
    if mail.raw.isascii() and mail.recipient.isascii() and mail.sender.isascii():
        return []
    headers, _, body = mail.raw.partition(b"\r\n\r\n")
    plain_envelope = mail.recipient.isascii() and mail.sender.isascii() and headers.isascii()
    return ([] if plain_envelope else ["SMTPUTF8"]) + ([] if body.isascii() and headers.isascii() else ["8BITMIME"])
