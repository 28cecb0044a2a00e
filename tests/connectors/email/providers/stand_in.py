"""An honest HTTP server on loopback that can be ordered to misbehave in every way a provider or the net might."""

from __future__ import annotations

import gzip
import http.server
import json
import socket
import socketserver
import struct
import threading
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
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
        self._orders: list[tuple[Misbehaviour, int | None]] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
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


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server.stand_in.connections += 1

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        self._say(self._judge(self._read()))

    def do_POST(self) -> None:
        stand_in = self.server.stand_in
        stand_in.touched += 1
        how = stand_in.next_order()
        if how is not None and how.unread:
            self._cut()
            return
        request = self._read()
        stand_in.sends += 1
        if how is None:
            self._say(self._judge(request))
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

    def _say(self, reply: Reply, *, close: bool = False) -> None:
        lines = [f"HTTP/1.1 {reply.status} {_phrase(reply.status)}", f"Content-Length: {len(reply.body)}"]
        lines += [f"{name}: {value}" for name, value in reply.headers.items()]
        if close:
            lines.append("Connection: close")
            self.close_connection = True
        self._send("\r\n".join([*lines, "", ""]).encode() + reply.body)

    def _send(self, data: bytes) -> None:
        self.wfile.write(data)
        self.wfile.flush()

    def _cut(self, *, reset: bool = False) -> None:
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


Act = Callable[[_Handler, StandIn, Reply | None], None]


@dataclass(frozen=True)
class Misbehaviour:
    """One way to treat a request; `accepts`: the message is taken before."""

    name: str
    act: Act
    accepts: bool = False
    unread: bool = False  # the connection is cut before the body is read
    slow: bool = False  # the connector has to lose patience


def _reply(make: Callable[[StandIn], Reply]) -> Act:
    return lambda handler, stand_in, _: handler._say(make(stand_in))


def _status(status: int, words: str = "no", **headers: str) -> Act:
    def make(stand_in: StandIn) -> Reply:
        reply = stand_in.refusal(status, words)
        return replace(reply, headers={**reply.headers, **headers})

    return _reply(make)


def _page(status: int, body: bytes = b"<html><h1>Something in between</h1></html>", **headers: str) -> Act:
    return _reply(lambda _: Reply(status, body, {"Content-Type": "text/html", **headers}))


def _in_an_hour_and_more(handler: _Handler, stand_in: StandIn, _: Reply | None) -> None:
    reply = stand_in.refusal(429, "slow down")
    now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    dates = {
        "Date": format_datetime(now, usegmt=True),
        "Retry-After": format_datetime(now + timedelta(seconds=90), usegmt=True),
    }
    handler._say(replace(reply, headers={**reply.headers, **dates}))


def _body(body: bytes, **headers: str) -> Act:
    """The good reply's status and headers with another body."""

    def act(handler: _Handler, _: StandIn, good: Reply | None) -> None:
        good = good or Reply(200)
        handler._say(Reply(good.status, body, {**good.headers, **headers}))

    return act


def _head(good: Reply, length: int | str, *more: str) -> bytes:
    lines = [f"HTTP/1.1 {good.status} OK", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in good.headers.items()]
    return "\r\n".join([*lines, *more, "", ""]).encode()


def _truncated(handler: _Handler, _: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler._send(_head(good, len(good.body) + 10) + good.body[: len(good.body) // 2])
    handler._cut()


def _drip_body(handler: _Handler, stand_in: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler._send(_head(good, 10_000))
    _drip(handler, stand_in, b" " * 10_000)


def _drip_head(handler: _Handler, stand_in: StandIn, _: Reply | None) -> None:
    _drip(handler, stand_in, b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 10_000)


def _drip(handler: _Handler, stand_in: StandIn, data: bytes) -> None:
    handler.close_connection = True
    for place in range(len(data)):
        if stand_in.over.wait(0.02):
            return
        handler._send(data[place : place + 1])


def _stall(handler: _Handler, stand_in: StandIn, _: Reply | None) -> None:
    handler.close_connection = True
    stand_in.over.wait(10)


def _drop(handler: _Handler, _: StandIn, __: Reply | None) -> None:
    handler._cut()


def _reset(handler: _Handler, _: StandIn, __: Reply | None) -> None:
    handler._cut(reset=True)


def _raw(data: bytes) -> Act:
    def act(handler: _Handler, _: StandIn, __: Reply | None) -> None:
        handler._send(data)
        handler._cut()

    return act


def _endless_headers(handler: _Handler, stand_in: StandIn, _: Reply | None) -> None:
    handler.close_connection = True
    handler._send(b"HTTP/1.1 200 OK\r\n")
    for number in range(20_000):
        handler._send(b"X-%d: %s\r\n" % (number, b"a" * 500))


def _huge(handler: _Handler, stand_in: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler.close_connection = True
    size = 256 * 1024 * 1024
    handler._send(_head(good, size))
    for part in range(size // 65536):
        stand_in.flooded = part * 65536
        handler._send(b" " * 65536)


def _early_hints(handler: _Handler, _: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler._send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    handler._say(good)


def _good(handler: _Handler, stand_in: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler._say(good)


def _slow_accept(handler: _Handler, stand_in: StandIn, good: Reply | None) -> None:
    assert good is not None
    stand_in.over.wait(0.05)
    handler._say(good)


def _then_close(handler: _Handler, _: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler._say(good, close=True)


def _hang_up_unasked(handler: _Handler, stand_in: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler._say(good)
    handler._cut()
    stand_in.hung_up.set()


def _wrong_type(handler: _Handler, _: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler._say(replace(good, headers={**good.headers, "Content-Type": "text/html"}))


_BOMB = gzip.compress(b"\0" * 8 * 1024 * 1024)
_DEEP = b"[" * 20_000
_HTTP = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"

MISBEHAVIOURS = {
    each.name: each
    for each in (
        # Told to wait.
        Misbehaviour("429-in-seconds", _status(429, **{"Retry-After": "7"})),
        Misbehaviour("429-with-a-date", _in_an_hour_and_more),
        Misbehaviour("429-too-long", _status(429, **{"Retry-After": "999999"})),
        Misbehaviour("429-bare", _status(429)),
        Misbehaviour("429-page", _page(429)),
        # The sender is refused.
        Misbehaviour("401", _status(401, "bad key")),
        Misbehaviour("401-page", _page(401)),
        Misbehaviour("402", _status(402, "no credits")),
        Misbehaviour("403", _status(403, "not allowed")),
        Misbehaviour("403-page", _page(403)),
        Misbehaviour("404", _status(404, "not found")),
        Misbehaviour("405", _status(405)),
        Misbehaviour("406", _status(406)),
        Misbehaviour("415", _status(415)),
        # The message is refused.
        Misbehaviour("400", _status(400, "bad message")),
        Misbehaviour("413", _status(413, "too large")),
        Misbehaviour("422", _status(422, "bad message")),
        Misbehaviour("400-page", _page(400)),
        Misbehaviour("413-page", _page(413)),
        Misbehaviour("422-empty", _page(422, b"")),
        # Trouble over there.
        Misbehaviour("500", _status(500, "trouble")),
        Misbehaviour("500-accepted", _status(500, "trouble"), accepts=True),
        Misbehaviour("502-page", _page(502)),
        Misbehaviour("502-page-accepted", _page(502), accepts=True),
        Misbehaviour("503-page", _page(503, **{"Retry-After": "5"})),
        Misbehaviour("503-page-accepted", _page(503), accepts=True),
        Misbehaviour("504-accepted", _page(504), accepts=True),
        Misbehaviour("599-accepted", _page(599), accepts=True),
        # Statuses that say little.
        Misbehaviour("408", _page(408)),
        Misbehaviour("409", _status(409, "conflict")),
        Misbehaviour("418", _page(418)),
        Misbehaviour("204", _page(204, b"")),
        Misbehaviour("301", _page(301, Location="http://127.0.0.1:9/")),
        Misbehaviour("302", _page(302, Location="/login")),
        Misbehaviour("303-accepted", _page(303, Location="/done"), accepts=True),
        Misbehaviour("307", _page(307, Location="http://127.0.0.1:9/")),
        Misbehaviour("308", _page(308, Location="http://127.0.0.1:9/")),
        # Silence.
        Misbehaviour("stall", _stall, slow=True),
        Misbehaviour("stall-accepted", _stall, accepts=True, slow=True),
        Misbehaviour("drip-body-accepted", _drip_body, accepts=True, slow=True),
        Misbehaviour("drip-head", _drip_head, slow=True),
        Misbehaviour("drop-unread", _drop, unread=True),
        Misbehaviour("drop", _drop),
        Misbehaviour("drop-accepted", _drop, accepts=True),
        Misbehaviour("reset", _reset),
        Misbehaviour("reset-accepted", _reset, accepts=True),
        # Nonsense after a yes, and nonsense that looks like one.
        Misbehaviour("junk-accepted", _body(b"{not json"), accepts=True),
        Misbehaviour("binary-accepted", _body(b"\xff\xfe\x00\xd8"), accepts=True),
        Misbehaviour("null-accepted", _body(b"null"), accepts=True),
        Misbehaviour("number-accepted", _body(b"1"), accepts=True),
        Misbehaviour("deep-accepted", _body(_DEEP), accepts=True),
        Misbehaviour("truncated-accepted", _truncated, accepts=True),
        Misbehaviour("bomb-accepted", _body(_BOMB, **{"Content-Encoding": "gzip"}), accepts=True),
        Misbehaviour("huge-accepted", _huge, accepts=True),
        Misbehaviour("junk", _body(b"{not json")),
        Misbehaviour("empty-object", _body(b"{}")),
        Misbehaviour("empty-list", _body(b"[]")),
        Misbehaviour("wrong-fields", _body(b'{"id": 5, "MessageID": null, "messageId": "", "ErrorCode": "0"}')),
        Misbehaviour("empty", _body(b"")),
        Misbehaviour("login-page", _page(200)),
        Misbehaviour("no-http", _raw(b"220 mail.example.com ESMTP\r\n")),
        Misbehaviour("no-http-accepted", _raw(b"\x00\x01\x02 what\r\n\r\n"), accepts=True),
        Misbehaviour("bad-length-accepted", _raw(_HTTP + b"Content-Length: ten\r\n\r\n{}"), accepts=True),
        Misbehaviour("bad-chunks-accepted", _raw(_HTTP + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}"), accepts=True),
        Misbehaviour("half-status-accepted", _raw(b"HTTP/1.1 2"), accepts=True),
        Misbehaviour("endless-headers-accepted", _endless_headers, accepts=True),
        # Odd, and yet a yes.
        Misbehaviour("wrong-type-accepted", _wrong_type, accepts=True),
        Misbehaviour("slow-accepted", _slow_accept, accepts=True),
        Misbehaviour("early-hints-accepted", _early_hints, accepts=True),
        Misbehaviour("then-close-accepted", _then_close, accepts=True),
        Misbehaviour("hang-up-unasked-accepted", _hang_up_unasked, accepts=True),
    )
}
