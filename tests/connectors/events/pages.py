"""A real HTTP server on this machine that gives pages of JSON, and misbehaves as told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Thread
from typing import Any
from urllib.parse import parse_qs, urlsplit

Answer = Callable[[BaseHTTPRequestHandler], None]


class PageServer:
    """Pages of items by cursor; `misbehave` answers the next requests instead, one each."""

    def __init__(self, items: list[Any], size: int = 2) -> None:
        self.items = items
        self.size = size
        self.misbehave: list[Answer] = []
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.over = Event()  # lets a dripping answer end with the test
        self.url = ""

    def page(self, cursor: str | None) -> dict[str, Any]:
        """The page after a cursor."""
        start = int(cursor or 0)
        end = start + self.size
        found: dict[str, Any] = {"data": {"events": self.items[start:end]}}
        if end < len(self.items):
            found["paging"] = {"next": str(end)}
        return found


class _QuietServer(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client that hangs up is what some tests are about."""


@contextmanager
def serving(server: PageServer) -> Iterator[PageServer]:
    """The server on a free port of the loopback, as long as the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            query = {key: values[0] for key, values in parse_qs(urlsplit(self.path).query).items()}
            server.requests.append((self.path, {key.lower(): value for key, value in self.headers.items()}))
            if server.misbehave:
                server.misbehave.pop(0)(self)
            else:
                send(self, json.dumps(server.page(query.get("after"))).encode())

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's own name
            """Say nothing."""

    http = _QuietServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{http.server_port}/events"
    thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server
    finally:
        server.over.set()
        http.shutdown()
        thread.join()
        http.server_close()


def send(handler: BaseHTTPRequestHandler, body: bytes, status: int = 200, **headers: str) -> None:
    """A whole answer."""
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def failing(status: int, **headers: str) -> Answer:
    """An answer with an error status."""
    return lambda handler: send(handler, b"sorry", status, **headers)


def saying(body: bytes, **headers: str) -> Answer:
    """An answer with this body."""
    return lambda handler: send(handler, body, **headers)


def dripping(server: PageServer, *, headers: bool = False) -> Answer:
    """An answer that never ends: a byte every 20 ms, of the body or already of the headers."""

    def answer(handler: BaseHTTPRequestHandler) -> None:
        start = b"HTTP/1.1 200 OK\r\nX-Slow: " if headers else b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n"
        handler.close_connection = True
        try:
            handler.wfile.write(start)
            while not server.over.wait(0.02):
                handler.wfile.write(b"x")
        except OSError:
            return

    return answer
