"""An SMTP server that takes everything and keeps nothing, in a process of its own, so that its work is not counted."""

from __future__ import annotations

import multiprocessing
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_END = b"\r\n.\r\n"


@contextmanager
def sink() -> Iterator[int]:
    """The port of a running sink on loopback."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=_serve, args=(theirs,), daemon=True)
    process.start()
    try:
        yield int(ours.recv())
    finally:
        process.terminate()
        process.join()


def _serve(answer: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        answer.send(listener.getsockname()[1])
        while True:
            threading.Thread(target=_converse, args=(listener.accept()[0],), daemon=True).start()


def _converse(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    number, heard = 0, b""
    with connection:
        connection.sendall(b"220 sink\r\n")
        while True:
            while b"\r\n" not in heard:
                more = connection.recv(65536)
                if not more:
                    return
                heard += more
            line, _, heard = heard.partition(b"\r\n")
            word = line[:4].upper()
            if word == b"DATA":
                connection.sendall(b"354 go on\r\n")
                number += 1
                heard = _body(connection, heard)
                connection.sendall(b"250 2.0.0 Ok: queued as SINK%d\r\n" % number)
            elif word == b"EHLO":
                connection.sendall(b"250-sink\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n")
            elif word == b"QUIT":
                connection.sendall(b"221 bye\r\n")
                return
            else:
                connection.sendall(b"250 2.1.0 Ok\r\n")


def _body(connection: socket.socket, heard: bytes) -> bytes:
    """Read past the message; returns what came after it."""
    pieces = bytearray(heard)
    while (end := pieces.find(_END)) < 0:
        more = connection.recv(65536)
        if not more:
            return b""
        pieces += more
    return bytes(pieces[end + len(_END) :])
