"""A real SMTP server on a loopback port that misbehaves on order and knows exactly which messages it accepted."""

from __future__ import annotations

import contextlib
import email.parser
import re
import socket
import ssl
import struct
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple, Self

# Where an order can strike. `body` is in the middle of the message, `dot` when it has arrived whole.
PHASES = ("connect", "ehlo", "starttls", "handshake", "auth", "mail", "rcpt", "data", "body", "dot", "quit")

# What can happen there instead of the proper reply; any other text is sent as the reply line itself.
DROP = "drop"  # close in an orderly way
RESET = "reset"  # close with a TCP reset
STALL = "stall"  # read on and say nothing until the client gives up
DEAF = "deaf"  # do not even read
GARBAGE = "garbage"  # bytes that are no SMTP
FLOOD = "flood"  # a multi-line reply without end
DRIP = "drip"  # one byte now and then, never a whole line
SLOW = "slow"  # 0.8 s late, then the proper yes; at the dot only
HALF = "half"  # a reply cut off before its line end, then close


class Accepted(NamedTuple):
    """One message that the server took responsibility for."""

    message_id: str  # without angle brackets
    recipient: str


@dataclass
class Order:
    """One piece of misbehaviour: at this phase, do this, so many times (None: always).

    `delivered` counts only at the dot: the message is accepted first, then the misbehaviour follows.
    """

    phase: str
    how: str
    delivered: bool = False
    times: int | None = 1
    recipient: str | None = None  # only for this envelope recipient

    def __post_init__(self) -> None:
        if self.phase not in PHASES:
            raise ValueError(f"no such phase: {self.phase}")


class _Gone(Exception):
    """This connection is over."""


class SmtpSink:
    """Run as a context manager; senders may be threads of this process or other processes.

    `accepted` lists (Message-ID, recipient) in order, recorded before the client hears of it.
    """

    def __init__(
        self,
        *orders: Order,
        extensions: tuple[str, ...] = ("8BITMIME", "SMTPUTF8", "AUTH PLAIN"),
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.extensions = extensions if tls is None else (*extensions, "STARTTLS")
        self.tls = tls
        self.connections = 0
        self.commands: list[str] = []  # whole command lines, all connections together
        self._orders = list(orders)
        self._accepted: list[tuple[Accepted, bytes]] = []
        self._news = threading.Condition()
        self._misbehaved = 0
        self._closing = threading.Event()
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        # Small, so that a big message does not vanish in buffers while nobody reads.
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16384)
        self.port: int = self._listener.getsockname()[1]

    @property
    def accepted(self) -> list[Accepted]:
        with self._news:
            return [accepted for accepted, _ in self._accepted]

    @property
    def raw(self) -> list[bytes]:
        """The accepted messages byte for byte, dot-stuffing undone."""
        with self._news:
            return [raw for _, raw in self._accepted]

    def keys(self) -> list[str]:
        """The left-hand sides of the accepted Message-IDs: the message keys."""
        return [accepted.message_id.partition("@")[0] for accepted in self.accepted]

    def wait_for_accepted(self, count: int, timeout_s: float = 10.0) -> bool:
        with self._news:
            return self._news.wait_for(lambda: len(self._accepted) >= count, timeout_s)

    def wait_for_misbehaviour(self, count: int = 1, timeout_s: float = 10.0) -> bool:
        """Wait until so many orders have been carried out (a stall counts when it begins)."""
        with self._news:
            return self._news.wait_for(lambda: self._misbehaved >= count, timeout_s)

    def order(self, order: Order) -> None:
        """Add an order while the server runs."""
        with self._news:
            self._orders.append(order)

    def __enter__(self) -> Self:
        self._start(self._listen)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._news:
            connections = list(self._open)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)

    def _start(self, target: object, *args: object) -> None:
        thread = threading.Thread(target=target, args=args, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _listen(self) -> None:
        while not self._closing.is_set():
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._news:
                self.connections += 1
                self._open.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        conversation = _Conversation(self, connection)
        try:
            conversation.run()
        except (OSError, _Gone):
            pass
        finally:
            conversation.socket.close()
            with self._news:
                self._open -= {connection, conversation.socket}

    # --- called by the conversations ---

    def encrypt(self, connection: socket.socket) -> socket.socket:
        if self.tls is None:
            raise _Gone
        encrypted = self.tls.wrap_socket(connection, server_side=True, do_handshake_on_connect=False)
        with self._news:
            self._open.add(encrypted)
        return encrypted

    def take_order(self, phase: str, recipient: str | None) -> Order | None:
        with self._news:
            for order in self._orders:
                if order.phase == phase and order.times != 0 and order.recipient in (None, recipient):
                    order.times = None if order.times is None else order.times - 1
                    return order
        return None

    def has_order(self, phase: str) -> bool:
        with self._news:
            return any(order.phase == phase and order.times != 0 for order in self._orders)

    def note_command(self, line: str) -> None:
        with self._news:
            self.commands.append(line)

    def note_misbehaviour(self) -> None:
        with self._news:
            self._misbehaved += 1
            self._news.notify_all()

    def accept(self, raw: bytes, recipients: list[str]) -> None:
        headers = email.parser.BytesHeaderParser().parsebytes(raw)
        message_id = str(headers.get("Message-ID", "")).strip(" <>")
        with self._news:
            self._accepted += [(Accepted(message_id, recipient), raw) for recipient in recipients]
            self._news.notify_all()

    def pause(self, seconds: float) -> bool:
        """Wait between the bytes of a drip; True when the server is closing."""
        return self._closing.wait(seconds)


class _Conversation:
    """One connection, one thread."""

    def __init__(self, sink: SmtpSink, connection: socket.socket) -> None:
        self.sink = sink
        self.socket = connection
        self.buffer = b""
        self.sender: str | None = None
        self.recipients: list[str] = []

    def run(self) -> None:
        self.reply("connect", "220 sink.test ESMTP")
        while True:
            line = self.read_until(b"\r\n").decode("utf-8", "replace")
            self.sink.note_command(line)
            verb = line.upper().partition(" ")[0]
            handler = getattr(self, f"do_{verb.lower()}", None)
            if handler is None:
                self.say("500 5.5.1 what?")
            else:
                handler(line)

    def do_ehlo(self, line: str) -> None:
        lines = ["sink.test", *self.sink.extensions]
        self.forget()
        self.reply("ehlo", "\r\n".join(f"250{'-' if each is not lines[-1] else ' '}{each}" for each in lines))

    def do_starttls(self, line: str) -> None:
        order = self.sink.take_order("starttls", None)
        if order is not None:
            self.carry_out(order)
            if not order.how.startswith("220"):
                return
        else:
            self.say("220 2.0.0 go ahead")
        if self.reply("handshake", ""):
            self.socket = self.sink.encrypt(self.socket)
            self.buffer = b""

    def do_auth(self, line: str) -> None:
        self.reply("auth", "235 2.7.0 welcome")

    def do_mail(self, line: str) -> None:
        if self.sender is not None:
            self.say("503 5.5.1 nested MAIL")
        elif self.reply("mail", "250 2.1.0 ok"):
            self.sender = address_in(line)

    def do_rcpt(self, line: str) -> None:
        if self.sender is None:
            self.say("503 5.5.1 MAIL first")
        elif self.reply("rcpt", "250 2.1.5 ok", address_in(line)):
            self.recipients.append(address_in(line))

    def do_data(self, line: str) -> None:
        if not self.recipients:
            self.say("503 5.5.1 RCPT first")
        elif self.reply("data", "354 go ahead", self.recipients[0]):
            self.take_message()

    def take_message(self) -> None:
        if self.sink.has_order("body"):
            self.buffer += self.receive()
            self.reply("body", "", self.recipients[0])
        # Strict: nothing but CRLF dot CRLF ends a message.
        if self.buffer.startswith(b".\r\n"):
            stuffed, self.buffer = b"", self.buffer[3:]
        else:
            stuffed = self.read_until(b"\r\n.\r\n") + b"\r\n"
        raw = re.sub(rb"(?m)^\.", b"", stuffed)
        recipients = list(self.recipients)
        self.forget()
        order = self.sink.take_order("dot", recipients[0])
        if order is None or order.delivered:
            self.sink.accept(raw, recipients)
        if order is None:
            self.say("250 2.0.0 Ok: queued as 4F1B2C00D")
        else:
            self.carry_out(order)

    def do_rset(self, line: str) -> None:
        self.forget()
        self.say("250 2.0.0 ok")

    def do_noop(self, line: str) -> None:
        self.say("250 2.0.0 ok")

    def do_quit(self, line: str) -> None:
        self.reply("quit", "221 2.0.0 bye")
        raise _Gone

    def forget(self) -> None:
        self.sender, self.recipients = None, []

    def reply(self, phase: str, proper: str, recipient: str | None = None) -> bool:
        """Give the proper reply and say True, or carry out an order and say False."""
        order = self.sink.take_order(phase, recipient)
        if order is not None:
            self.carry_out(order)
            return False
        if proper:
            self.say(proper)
        return True

    def carry_out(self, order: Order) -> None:
        if order.how in (STALL, DEAF, FLOOD, DRIP):
            self.hold_up(order.how)
            raise _Gone
        if order.how == SLOW:
            self.sink.pause(0.8)
            self.say("250 2.0.0 Ok: queued as 4F1B2C00D")
            return
        if order.how == GARBAGE:
            self.socket.sendall(b"\x16\x03\x01 HTTP/1.1 400 Bad Request\r\n")
        elif order.how == HALF:
            self.socket.sendall(b"250 o")
        elif order.how == RESET:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif order.how != DROP:
            self.say(order.how)
        # A server that refuses in mid-body or at the door, or says 421, hangs up too.
        ends = order.how in (DROP, RESET, HALF) or order.phase in ("body", "connect") or order.how.startswith("421")
        if ends:
            self.socket.close()
        self.sink.note_misbehaviour()
        if ends:
            raise _Gone

    def hold_up(self, how: str) -> None:
        """Keep the client waiting until it gives up; what is said first is said before it counts as done."""
        if how in (FLOOD, DRIP):
            self.socket.sendall(b"250-")
        self.sink.note_misbehaviour()
        if how == STALL:
            while self.receive():
                pass
        elif how == DEAF:
            self.sink.pause(30)
        elif how == FLOOD:
            while True:
                self.say("250-and another thing")
        else:
            while not self.sink.pause(0.02):
                self.socket.sendall(b"x")

    def say(self, line: str) -> None:
        self.socket.sendall(line.encode() + b"\r\n")

    def receive(self) -> bytes:
        return self.socket.recv(65536)

    def read_until(self, end: bytes) -> bytes:
        while end not in self.buffer:
            chunk = self.receive()
            if not chunk:
                raise _Gone
            self.buffer += chunk
        line, _, self.buffer = self.buffer.partition(end)
        return line


def address_in(line: str) -> str:
    """The bare address of a MAIL or RCPT command."""
    match = re.search(r"<([^<>]*)>", line)
    return match[1] if match else ""
