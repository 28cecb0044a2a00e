"""Every way in which a provider, or something between it and us, can treat a request to send."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from tests.connectors.email.providers.stand_in import Act, Handler, Misbehaviour, Reply, StandIn


def _reply(make: Callable[[StandIn], Reply]) -> Act:
    return lambda handler, stand_in, _: handler.say(make(stand_in))


def _status(status: int, words: str = "no", **headers: str) -> Act:
    def make(stand_in: StandIn) -> Reply:
        reply = stand_in.refusal(status, words)
        return replace(reply, headers={**reply.headers, **headers})

    return _reply(make)


def _page(status: int, body: bytes = b"<html><h1>Something in between</h1></html>", **headers: str) -> Act:
    return _reply(lambda _: Reply(status, body, {"Content-Type": "text/html", **headers}))


def _in_an_hour_and_more(handler: Handler, stand_in: StandIn, _: Reply | None) -> None:
    reply = stand_in.refusal(429, "slow down")
    now = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
    dates = {
        "Date": format_datetime(now, usegmt=True),
        "Retry-After": format_datetime(now + timedelta(seconds=90), usegmt=True),
    }
    handler.say(replace(reply, headers={**reply.headers, **dates}))


def _body(body: bytes, **headers: str) -> Act:
    """The good reply's status and headers with another body."""

    def act(handler: Handler, _: StandIn, good: Reply | None) -> None:
        good = good or Reply(200)
        handler.say(Reply(good.status, body, {**good.headers, **headers}))

    return act


def _head(good: Reply, length: int | str, *more: str) -> bytes:
    lines = [f"HTTP/1.1 {good.status} OK", f"Content-Length: {length}"]
    lines += [f"{name}: {value}" for name, value in good.headers.items()]
    return "\r\n".join([*lines, *more, "", ""]).encode()


def _truncated(handler: Handler, _: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler.send(_head(good, len(good.body) + 10) + good.body[: len(good.body) // 2])
    handler.cut()


def _drip_body(handler: Handler, stand_in: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler.send(_head(good, 10_000))
    _drip(handler, stand_in, b" " * 10_000)


def _drip_head(handler: Handler, stand_in: StandIn, _: Reply | None) -> None:
    _drip(handler, stand_in, b"HTTP/1.1 200 OK\r\nX-Long: " + b"a" * 10_000)


def _drip(handler: Handler, stand_in: StandIn, data: bytes) -> None:
    handler.close_connection = True
    for place in range(len(data)):
        if stand_in.over.wait(0.02):
            return
        handler.send(data[place : place + 1])


def _stall(handler: Handler, stand_in: StandIn, _: Reply | None) -> None:
    handler.close_connection = True
    stand_in.over.wait(10)


def _drop(handler: Handler, _: StandIn, __: Reply | None) -> None:
    handler.cut()


def _reset(handler: Handler, _: StandIn, __: Reply | None) -> None:
    handler.cut(reset=True)


def _raw(data: bytes) -> Act:
    def act(handler: Handler, _: StandIn, __: Reply | None) -> None:
        handler.send(data)
        handler.cut()

    return act


def _endless_headers(handler: Handler, stand_in: StandIn, _: Reply | None) -> None:
    handler.close_connection = True
    handler.send(b"HTTP/1.1 200 OK\r\n")
    for number in range(20_000):
        handler.send(b"X-%d: %s\r\n" % (number, b"a" * 500))


def _huge(handler: Handler, stand_in: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler.close_connection = True
    size = 256 * 1024 * 1024
    handler.send(_head(good, size))
    for part in range(size // 65536):
        stand_in.flooded = part * 65536
        handler.send(b" " * 65536)


def _early_hints(handler: Handler, _: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler.send(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n")
    handler.say(good)


def _good(handler: Handler, stand_in: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler.say(good)


def _slow_accept(handler: Handler, stand_in: StandIn, good: Reply | None) -> None:
    assert good is not None
    stand_in.over.wait(0.05)
    handler.say(good)


def _then_close(handler: Handler, _: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler.say(good, close=True)


def _hang_up_unasked(handler: Handler, stand_in: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler.say(good)
    handler.cut()
    stand_in.hung_up.set()


def _wrong_type(handler: Handler, _: StandIn, good: Reply | None) -> None:
    assert good is not None
    handler.say(replace(good, headers={**good.headers, "Content-Type": "text/html"}))


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
