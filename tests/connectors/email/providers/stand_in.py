"""An honest HTTP server on loopback that can be ordered to misbehave."""

from __future__ import annotations

import http.server
import json
import socket
import socketserver
import struct
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit


@dataclass(frozen=True)
class Request:
    """One request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Reply:
    """One reply as it shall go."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "application/json"})


@dataclass(frozen=True)
class Taken:
    """A message that the stand-in has taken responsibility for."""

    key: str
    form: Any
    delivered: bool = True  # False: taken in a test mode


class Refused(Exception):
    """The stand-in refuses a request, with a reply in its vendor's form."""

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply.status)
        self.reply = reply


def json_reply(status: int, value: Any, **headers: str) -> Reply:
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8", **headers})


class StandIn:
    """A vendor's API; `accepted` holds what it took, in order."""

    kind = ""

    def __init__(self) -> None:
        self.accepted: list[Taken] = []
        self.requests: list[Request] = []
        self.sends = 0  # requests to send that were read to their end
        self.touched = 0  # requests of which at least the first line came
        self.connections = 0
        self.flooded = 0  # bytes that it got rid of in a reply without end
        self.unexpected: list[BaseException] = []
        self.over = threading.Event()
        self.hung_up = threading.Event()
        self.seen = threading.Event()  # the first line of a request to send came
        self._orders: list[tuple[Misbehaviour, int | None]] = []
        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.stand_in = self
        self.port = self._server.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True)

    # --- What a vendor's stand-in says ------------------------------------------------------------------------------

    @abstractmethod
    def options(self) -> dict[str, Any]:
        """The settings that lead a connector here."""

    @abstractmethod
    def answer(self, request: Request) -> Reply:
        """Take or refuse the request as the vendor would; raises Refused."""

    @abstractmethod
    def refusal(self, status: int, words: str) -> Reply:
        """A refusal in the vendor's form."""

    # --- What tests do ----------------------------------------------------------------------------------------------

    def misbehave(self, how: Misbehaviour, times: int | None = None) -> None:
        """Treat the next requests to send in this way, `times` of them or all."""
        self._orders.append((how, times))

    def keys(self) -> list[str]:
        """The keys of the messages that were taken to be delivered, in order."""
        return [each.key for each in self.accepted if each.delivered]

    def take(self, key: str, form: Any, *, delivered: bool = True) -> None:
        self.accepted.append(Taken(key, form, delivered))

    def next_order(self) -> Misbehaviour | None:
        for place, (how, left) in enumerate(self._orders):
            if left == 0:
                continue
            if left is not None:
                self._orders[place] = (how, left - 1)
            return how
        return None

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        assert self.unexpected == []


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    stand_in: StandIn

    def handle_error(self, request: Any, client_address: Any) -> None:
        import sys

        error = sys.exc_info()[1]
        if error is not None and not isinstance(error, OSError):
            self.stand_in.unexpected.append(error)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.stand_in.connections += 1

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self.say(self._judge(self._read()))

    def do_POST(self) -> None:
        stand_in = self.server.stand_in
        stand_in.touched += 1
        stand_in.seen.set()
        how = stand_in.next_order()
        if how is not None and how.unread:
            self.cut()
            return
        request = self._read()
        stand_in.sends += 1
        if how is None:
            self.say(self._judge(request))
            return
        good = self._judge(request) if how.accepts else None
        how.act(self, stand_in, good)

    def _read(self) -> Request:
        parts = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", "0"))
        request = Request(
            self.command,
            parts.path,
            dict(parse_qsl(parts.query)),
            {name.lower(): value for name, value in self.headers.items()},
            self.rfile.read(length),
        )
        self.server.stand_in.requests.append(request)
        return request

    def _judge(self, request: Request) -> Reply:
        try:
            return self.server.stand_in.answer(request)
        except Refused as refused:
            return refused.reply

    def say(self, reply: Reply, *, close: bool = False) -> None:
        lines = [f"HTTP/1.1 {reply.status} {_phrase(reply.status)}", f"Content-Length: {len(reply.body)}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        if close:
            lines.append("Connection: close")
            self.close_connection = True
        self.send("\r\n".join([*lines, "", ""]).encode() + reply.body)

    def send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def cut(self, *, reset: bool = False) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        else:
            self.connection.shutdown(socket.SHUT_RDWR)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unheard Of"


Act = Callable[[Handler, StandIn, Reply | None], None]


@dataclass(frozen=True)
class Misbehaviour:
    """One way to treat a request; `accepts`: the message is taken before."""

    name: str
    act: Act
    accepts: bool = False
    unread: bool = False  # the connection is cut before the body is read
    slow: bool = False  # the connector has to lose patience
