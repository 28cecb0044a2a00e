"""A real IMAP server on this machine, and a line to it that breaks when told."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from imapclient import IMAPClient

USER, PASSWORD = "answers", "a password of the tests"


@dataclass
class MailServer:
    """Where the server listens, and a client of its own to put mails in and look at them."""

    port: int

    @contextmanager
    def mailbox(self, folder: str = "INBOX") -> Iterator[IMAPClient]:
        """The folder, open for writing."""
        with IMAPClient("127.0.0.1", self.port, ssl=False, timeout=20) as client:
            client.login(USER, PASSWORD)
            if not client.folder_exists(folder):
                client.create_folder(folder)
            client.select_folder(folder)
            yield client

    def put(self, *mails: bytes, folder: str = "INBOX") -> None:
        """Deliver mails."""
        with self.mailbox(folder) as client:
            for raw in mails:
                client.append(folder, raw)

    def renumber(self, folder: str) -> None:
        """Give every mail of a folder another number, as a restored mailbox has."""
        with self.mailbox(folder) as client:
            mails = [data[b"BODY[]"] for _, data in sorted(client.fetch(client.search(), ["BODY.PEEK[]"]).items())]
            client.close_folder()
            client.delete_folder(folder)
        self.put(*mails, folder=folder)

    def look(self, folder: str = "INBOX") -> list[tuple[bytes, ...]]:
        """The flags of each mail of a folder."""
        with self.mailbox(folder) as client:
            return [
                tuple(flag for flag in flags if flag != b"\\Recent")
                for _, flags in sorted(client.get_flags(client.search()).items())
            ]


@contextmanager
def mail_server(folder: Path, *options: str) -> Iterator[MailServer]:
    """A server with an empty mailbox, as long as the block lasts."""
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        port = probe.getsockname()[1]
    command = [str(Path(sys.executable).parent / "pymap"), "--host", "127.0.0.1", "--port", str(port), "--pid-file"]
    command += [str(folder / "imap.pid"), *(options or ("--no-tls",))]
    command += ["dict", "--demo-user", USER, "--demo-password", PASSWORD]
    with open(folder / "imap.log", "wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "TMPDIR": str(folder)})
    try:
        _wait_for(port, process)
        yield MailServer(port)
    finally:
        process.terminate()
        process.wait(20)


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), 5) as line:
            line.settimeout(20)
            assert line.recv(4) == b"* OK"
            return
        threading.Event().wait(0.02)
    raise AssertionError("the IMAP server did not start")


@contextmanager
def breaking_line(port: int, after: int) -> Iterator[int]:
    """A port that leads to the server, and hangs up when the server has said so many bytes."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(20)

    def carry() -> None:
        with suppress(OSError):
            near, _ = listening.accept()
            with closing(near), closing(socket.create_connection(("127.0.0.1", port), 5)) as far:
                threading.Thread(target=_copy, args=(near, far), daemon=True).start()
                left = after
                while left > 0 and (part := far.recv(min(left, 4_096))):
                    near.sendall(part)
                    left -= len(part)
                near.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=carry, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()
        thread.join(20)


def _copy(near: socket.socket, far: socket.socket) -> None:
    with suppress(OSError):
        while part := near.recv(4_096):
            far.sendall(part)


@contextmanager
def saying(*answers: bytes) -> Iterator[int]:
    """A server that says one thing at the beginning and one after each line that it gets, then hangs up."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(20)

    def answer() -> None:
        with suppress(OSError):
            line, _ = listening.accept()
            with closing(line), line.makefile("rb") as lines:
                for number, each in enumerate(answers):
                    tag = lines.readline().split(b" ")[0] if number else b""
                    line.sendall(each.replace(b"TAG", tag))

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    try:
        yield listening.getsockname()[1]
    finally:
        listening.close()
        thread.join(20)


def certificate(folder: Path, name: str = "localhost") -> tuple[Path, Path]:
    """A certificate for a name and 127.0.0.1, that signs itself, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    begun = dt.datetime.now(dt.UTC) - dt.timedelta(hours=1)
    names = [x509.DNSName(name), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(begun)
        .not_valid_after(begun + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, plain)
    )
    return cert_file, key_file
