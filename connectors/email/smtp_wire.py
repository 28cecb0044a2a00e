"""The SMTP wire: settings, a strict reader of replies, and the way to a connection that is ready for mail.

Built on smtplib's client for the commands, encryption and login. Its reading of replies is replaced: a worker must
not be held by a dripping server, and a reply that is cut off or contradicts itself is no reply.
"""

from __future__ import annotations

import re
import selectors
import smtplib
import socket
import ssl
import time
from dataclasses import dataclass, field
from typing import Any, Literal, NoReturn, get_args

from connectors.email.base import Phase, provider_text
from nurture.errors import BadSetting, RetryLater, TransportDown

Security = Literal["none", "starttls", "tls"]

_REPLY_LINE = re.compile(rb"([2-5][0-9]{2})(?:([ -])(.*))?\r?\n")
_LONGEST_LINE = 8192  # bytes; RFC 5321 allows 512, real servers exceed it
_MOST_LINES = 128
_BODY_CHUNK = 65536


@dataclass(frozen=True, slots=True)
class SmtpSettings:
    """How to reach the SMTP server and who we are there."""

    host: str
    port: int = 587
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    security: Security = "starttls"
    timeout_s: float = 30.0  # for the connection and for each reply before the final dot
    dot_timeout_s: float = 600.0  # RFC 5321 4.5.3.2.6: a shorter wait after the final dot breeds duplicates
    helo: str | None = None  # our name in EHLO; None: the address of our end of the connection
    ca_file: str | None = None  # certificate authorities in PEM; None: those of the system
    connections: int = 4  # how many may be open side by side

    def __post_init__(self) -> None:
        if not self.host or not self.host.isprintable() or " " in self.host:
            raise BadSetting("SMTP setting `host` must be a host name or an address")
        if not 1 <= self.port <= 65535:
            raise BadSetting("SMTP setting `port` must be between 1 and 65535")
        if self.security not in get_args(Security):
            raise BadSetting(f"SMTP setting `security` must be one of {', '.join(get_args(Security))}")
        if (self.username is None) != (self.password is None):
            raise BadSetting("SMTP settings `username` and `password` go together: give both or neither")
        if not 1 <= self.connections <= 100:
            raise BadSetting("SMTP setting `connections` must be between 1 and 100")
        if min(self.timeout_s, self.dot_timeout_s) <= 0:
            raise BadSetting("SMTP settings `timeout_s` and `dot_timeout_s` must be above 0 seconds")
        if self.helo is not None and not re.fullmatch(r"[!-~]+", self.helo):
            raise BadSetting("SMTP setting `helo` must be a host name or an address literal in ASCII")


class Wire(smtplib.SMTP):
    """One SMTP connection; every loss, stall or unintelligible reply hangs up and raises SMTPServerDisconnected."""

    def __init__(self, settings: SmtpSettings, **tls: Any) -> None:
        self._unread = b""
        self.patience_s = settings.timeout_s
        name = settings.helo or "localhost"
        super().__init__(settings.host, settings.port, name, timeout=settings.timeout_s, **tls)

    def settle(self, settings: SmtpSettings) -> None:
        """Fit the fresh connection to its use."""
        self.link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # the lone dot must not wait for an ACK
        if settings.helo is None:
            own = self.link.getsockname()[0]
            self.local_hostname = f"[IPv6:{own}]" if ":" in own else f"[{own}]"

    @property
    def link(self) -> socket.socket:
        """The live socket."""
        if self.sock is None:
            raise smtplib.SMTPServerDisconnected("not connected")
        return self.sock

    def getreply(self) -> tuple[int, bytes]:
        """Read one whole reply within `patience_s`, all its lines together."""
        deadline = time.monotonic() + self.patience_s
        code, lines = b"", list[bytes]()
        while True:
            match = _REPLY_LINE.fullmatch(self._read_line(deadline))
            if match is None or (code and match[1] != code) or len(lines) == _MOST_LINES:
                self.hang_up("unintelligible reply")
            code = match[1]
            lines.append((match[3] or b"").strip())
            if match[2] != b"-":
                return int(code), b"\n".join(lines)

    def putcmd(self, cmd: str, args: str = "") -> None:
        """Send a command, unless an unasked reply is waiting.

        It would be taken for the answer to this command; after STARTTLS it may have been slipped in unencrypted.
        """
        if self._unread:
            self.hang_up("the server spoke out of turn")
        super().putcmd(cmd, args)

    def send(self, s: Any) -> None:
        """Send bytes, each call within the time limit."""
        self.link.settimeout(self.timeout)
        super().send(s)

    def send_body(self, raw: bytes) -> None:
        """Send the body dot-stuffed, in pieces so that the time limit asks for progress, and without the final dot."""
        stuffed = memoryview(dot_stuffed(raw))
        for start in range(0, len(stuffed), _BODY_CHUNK):
            self.send(stuffed[start : start + _BODY_CHUNK])

    def spoke_out_of_turn(self) -> bool:
        """Say whether the server said something or hung up while it was our turn; needs no waiting."""
        if self._unread or self.sock is None:
            return True
        if isinstance(self.sock, ssl.SSLSocket) and self.sock.pending():
            return True
        with selectors.DefaultSelector() as selector:
            selector.register(self.sock, selectors.EVENT_READ)
            return bool(selector.select(0))

    def hang_up(self, reason: str) -> NoReturn:
        """Close the connection without a word and report it lost."""
        self.close()
        raise smtplib.SMTPServerDisconnected(reason)

    def _read_line(self, deadline: float) -> bytes:
        while (end := self._unread.find(b"\n") + 1) == 0:
            remaining = deadline - time.monotonic()
            if remaining <= 0:
                self.hang_up("no reply in time")
            if len(self._unread) > _LONGEST_LINE:
                self.hang_up("unintelligible reply")
            try:
                self.link.settimeout(remaining)
                heard = self.link.recv(4096)
            except TimeoutError:
                self.hang_up("no reply in time")
            except OSError:
                self.hang_up("connection lost")
            if not heard:
                self.hang_up("connection closed by the server")
            self._unread += heard
        line, self._unread = self._unread[:end], self._unread[end:]
        return line


class TlsWire(Wire, smtplib.SMTP_SSL):
    """One SMTP connection that is encrypted from its first byte."""


def open_wire(settings: SmtpSettings) -> Wire:
    """Connect, encrypt and log in, ready for MAIL; raises TransportDown or RetryLater."""
    wire = _dial(settings)
    try:
        wire.settle(settings)
        _say_hello(wire)
        if settings.security == "starttls":
            _encrypt(wire, settings)
            _say_hello(wire)
        if settings.username is not None and settings.password is not None:
            _log_in(wire, settings.username, settings.password)
    except OSError as lost:  # smtplib's errors among them
        wire.close()
        raise RetryLater(f"the connection to the SMTP server broke off before any mail: {lost}") from None
    except BaseException:
        wire.close()
        raise
    return wire


def refused(phase: Phase, code: int, text: str, remedy: str) -> RetryLater | TransportDown:
    """Turn a reply that stops every message into the error to raise: 4xx passes, anything else needs a person."""
    words = provider_text(f"{code} {text}")
    if 400 <= code < 500:
        return RetryLater(f"the SMTP server is not ready ({phase}: {words})")
    return TransportDown(f"the SMTP server refused us ({phase}: {words}); {remedy}")


def words_of(text: bytes) -> str:
    """Read a reply's text, whatever its bytes are."""
    return text.decode("utf-8", "replace")


def dot_stuffed(raw: bytes) -> bytes:
    """Double every dot that begins a line, so that no line of the message looks like its end."""
    stuffed = raw.replace(b"\r\n.", b"\r\n..")
    return b"." + stuffed if raw.startswith(b".") else stuffed


def _dial(settings: SmtpSettings) -> Wire:
    place = f"{settings.host}:{settings.port}"
    try:
        if settings.security == "tls":
            return TlsWire(settings, context=_tls_context(settings))
        return Wire(settings)
    except smtplib.SMTPConnectError as error:
        raise refused(Phase.CONNECT, error.smtp_code, _error_text(error), "check `host`") from None
    except smtplib.SMTPServerDisconnected as lost:
        hint = "if this stays, check `port` and `security`"
        raise RetryLater(f"no greeting from the SMTP server at {place}: {lost}; {hint}") from None
    except ssl.SSLError as error:
        raise _tls_trouble(error) from None
    except (socket.gaierror, UnicodeError) as error:
        if isinstance(error, socket.gaierror) and error.errno == socket.EAI_AGAIN:
            raise RetryLater(f"the name of the SMTP server {settings.host} cannot be looked up just now") from None
        raise TransportDown(f"there is no SMTP server named {settings.host}; check the SMTP setting `host`") from None
    except ConnectionRefusedError:
        raise TransportDown(f"nothing listens at {place}; check the SMTP settings `host` and `port`") from None
    except OSError as error:
        raise RetryLater(f"the SMTP server at {place} cannot be reached: {type(error).__name__}") from None


def _say_hello(wire: Wire) -> None:
    code, text = wire.ehlo()
    if code != 250:
        raise refused(Phase.EHLO, code, words_of(text), "check the SMTP setting `helo`")


def _encrypt(wire: Wire, settings: SmtpSettings) -> None:
    remedy = "check the SMTP setting `security`"
    try:
        wire.starttls(context=_tls_context(settings))
    except smtplib.SMTPNotSupportedError:
        raise TransportDown(f"the SMTP server offers no STARTTLS; {remedy}") from None
    except smtplib.SMTPServerDisconnected:
        raise
    except smtplib.SMTPResponseException as error:
        raise refused(Phase.STARTTLS, error.smtp_code, _error_text(error), remedy) from None
    except ssl.SSLError as error:
        raise _tls_trouble(error) from None
    except OSError as error:
        raise RetryLater(f"encrypting the SMTP connection failed: {type(error).__name__}") from None


def _log_in(wire: Wire, username: str, password: str) -> None:
    # The server's words are left out here: some repeat what was sent to them.
    remedy = "check the SMTP settings `username` and `password`"
    try:
        wire.login(username, password)
    except smtplib.SMTPServerDisconnected:
        raise
    except smtplib.SMTPAuthenticationError as error:
        raise refused(Phase.AUTH, error.smtp_code, "login refused", remedy) from None
    except smtplib.SMTPNotSupportedError:
        raise TransportDown(f"the SMTP server offers no login here; {remedy} and `security`") from None
    except (smtplib.SMTPException, ValueError):  # no common mechanism, a broken challenge, or letters beyond ASCII
        raise TransportDown(f"login to the SMTP server is not possible; {remedy}, in ASCII") from None


def _tls_context(settings: SmtpSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except OSError:
        raise TransportDown("the certificate file cannot be read; check the SMTP setting `ca_file`") from None


def _tls_trouble(error: ssl.SSLError) -> RetryLater | TransportDown:
    if isinstance(error, ssl.SSLEOFError | ssl.SSLZeroReturnError):
        return RetryLater("the SMTP server hung up while the connection was being encrypted")
    if isinstance(error, ssl.SSLCertVerificationError):
        reason = provider_text(error.verify_message)
        return TransportDown(f"the SMTP server's certificate is not trusted ({reason}); check `host` and `ca_file`")
    return TransportDown(f"encryption with the SMTP server failed ({error.reason}); check `security` and `port`")


def _error_text(error: smtplib.SMTPResponseException) -> str:
    return words_of(error.smtp_error) if isinstance(error.smtp_error, bytes) else error.smtp_error
