"""A real DNS server on this machine, over UDP, with a small zone; it can be told to refuse or to be silent."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import dns.flags
import dns.message
import dns.rcode
import dns.rrset


class NameServer:
    """Answers from its zone; `mode` is `answer`, `fail` (SERVFAIL), `silent` or `garbage`."""

    def __init__(self, zone: Mapping[tuple[str, str], Sequence[str]]) -> None:
        self.zone = dict(zone)
        self.mode = "answer"
        self.asked: list[tuple[str, str]] = []
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]

    @property
    def address(self) -> str:
        """As the option `--nameserver` takes it."""
        return f"127.0.0.1:{self.port}"

    def run(self) -> None:
        """Answer until the empty datagram of the end."""
        while True:
            data, sender = self.socket.recvfrom(4_096)
            if not data:
                return
            if self.mode == "garbage":
                self.socket.sendto(b"\x00" * 5, sender)
            elif self.mode != "silent":
                self.socket.sendto(self.answer(data), sender)

    def answer(self, data: bytes) -> bytes:
        """The answer to one question."""
        query = dns.message.from_wire(data)
        question = query.question[0]
        name, kind = question.name.to_text(omit_final_dot=True).lower(), question.rdtype.name
        self.asked.append((name, kind))
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        records = self.zone.get((name, kind))
        if self.mode == "fail":
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif records:
            texts = [_quoted(text) if kind == "TXT" else text for text in records]
            answer.answer.append(dns.rrset.from_text(question.name, 300, "IN", kind, *texts))
        elif not any(known == name for known, _ in self.zone):
            answer.set_rcode(dns.rcode.NXDOMAIN)
        return answer.to_wire()


def _quoted(text: str) -> str:
    """A text as the strings of 255 bytes that a TXT record is made of."""
    return " ".join(f'"{text[start : start + 255]}"' for start in range(0, len(text), 255)) or '""'


@contextmanager
def name_server(zone: Mapping[tuple[str, str], Sequence[str]]) -> Iterator[NameServer]:
    """The server, as long as the block lasts."""
    server = NameServer(zone)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", ("127.0.0.1", server.port))
        thread.join(20)
        server.socket.close()
