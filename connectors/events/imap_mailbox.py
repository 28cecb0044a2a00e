"""A mailbox read over IMAP: the mails after the cursor, unread stays unread; moved away afterwards only when asked."""

from __future__ import annotations

import contextlib
import logging
import socket
import ssl
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from imapclient import IMAPClient, SocketTimeout  # type: ignore[import-untyped]
from imapclient.exceptions import (  # type: ignore[import-untyped]
    IMAPClientAbortError,
    IMAPClientError,
    LoginError,
)

from connectors.events.base import MAIL, Kind, Page, Row
from nurture.definitions.mappings import Mapping as RowMappingFile
from nurture.errors import BadSetting, OutsideFailed, RetryLater
from nurture.inbound.parts import MAX_BYTES

# At DEBUG it would write names, addresses and whole mails.
logging.getLogger("imapclient").setLevel(logging.WARNING)

_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
# Uids are asked for in windows, so that no answer of the server is endless.
_WINDOW = 10_000
# What servers answer to a login when it is not the password's fault.
_BUSY = ("unavailable", "inuse", "limit", "too many", "try again", "temporar", "throttl", "overquota")


@dataclass(frozen=True)
class ImapSettings:
    """Where the mailbox is and how far to go; seconds, and mails a page."""

    host: str
    username: str
    password: str = field(repr=False)
    port: int = 993
    folder: str = "INBOX"
    move_to: str | None = None  # None: the mailbox is opened read-only
    security: Literal["tls", "starttls", "none"] = "tls"
    certificates: str | None = None  # a file of authorities to trust instead of the system's
    timeout: float = 30.0
    page_deadline: float = 120.0
    page_size: int = 20
    max_pages: int = 500

    def __repr__(self) -> str:
        return f"ImapSettings(host={self.host!r})"


class ImapMailbox:
    """An event source whose records are mails; its cursor is `UIDVALIDITY:UID` of the last mail that was read.

    When the server numbers its mails anew, all are read again: a mail that is stored already is a duplicate.
    """

    def __init__(self, name: str, settings: ImapSettings, *, silent: bool = False) -> None:
        if settings.security == "none" and settings.host not in _LOOPBACK:
            raise BadSetting(f"the source `{name}` would send its password readable; set security to tls or starttls")
        self.name = name
        self.settings = settings
        self.kind: Kind = "events"
        self.mapping: RowMappingFile | None = None
        self.mapping_name: str | None = None
        self.silent = silent
        self.holds_mails = True

    def pages(self, cursor: str | None) -> Iterator[Page]:
        """The mails after a cursor; a page is moved, if asked, once the next one is wanted, which is after its commit.

        Raises RetryLater (no answer, a lost or slow connection, a busy server) or OutsideFailed (login, certificate,
        folder).
        """
        with _Line(self) as line:
            validity, following = line.open_folder()
            last = _uid_of(cursor, validity)
            if self.settings.move_to and last:
                # A run that ended between commit and move has left some behind.
                line.move(line.uids(1, last, last + 1)[: self.settings.page_size * 10])
            for uids in self._windows(line, last, following):
                mails = line.fetch(uids)
                rows = [Row(uid, {MAIL: mails[uid]}) for uid in uids if uid in mails]
                yield Page([*rows], f"{validity}:{uids[-1]}")
                if self.settings.move_to:
                    line.move([row.line for row in rows])

    def _windows(self, line: _Line, last: int, following: int) -> Iterator[list[int]]:
        pages = 0
        for start in range(last + 1, following, _WINDOW):
            found = line.uids(start, min(start + _WINDOW, following) - 1, following)
            for place in range(0, len(found), self.settings.page_size):
                if pages >= self.settings.max_pages:
                    return
                pages += 1
                yield found[place : place + self.settings.page_size]


class _Line:
    """A connection that has logged in; every error of it becomes one that says what to do next."""

    def __init__(self, source: ImapMailbox) -> None:
        self.name = source.name
        self.settings = source.settings
        self.client: IMAPClient | None = None

    def __enter__(self) -> _Line:
        with self._translated("connect"):
            self.client = self._connected()
        try:
            with self._translated("login"):
                self._log_in(self.settings.username, self.settings.password)
        except BaseException:
            self._close()
            raise
        return self

    def _log_in(self, username: str, password: str) -> None:
        if username.isascii() and password.isascii():
            self._client.login(username, password)
        else:
            # LOGIN knows ASCII alone; PLAIN (RFC 4616) is UTF-8.
            self._client.plain_login(username, password)

    def __exit__(self, *_: object) -> None:
        # Whatever happens at the farewell, the mails are in.
        with contextlib.suppress(Exception):
            self._client.socket().settimeout(2)
            self._client.logout()
        self._close()

    def _close(self) -> None:
        client, self.client = self.client, None
        with contextlib.suppress(Exception):
            _shut(client)

    @property
    def _client(self) -> IMAPClient:
        assert self.client is not None
        return self.client

    def _connected(self) -> IMAPClient:
        settings = self.settings
        context = ssl.create_default_context(cafile=settings.certificates)
        client = IMAPClient(
            settings.host,
            settings.port,
            ssl=settings.security == "tls",
            ssl_context=context,
            timeout=SocketTimeout(settings.timeout, settings.timeout),
        )
        if settings.security == "starttls":
            try:
                client.starttls(context)
            except BaseException:
                _shut(client)
                raise
        return client

    def open_folder(self) -> tuple[int, int]:
        """UIDVALIDITY of the folder, and the number that its next mail will have."""
        with self._translated("folder"):
            found = self._client.select_folder(self.settings.folder, readonly=self.settings.move_to is None)
        validity = found.get(b"UIDVALIDITY")
        if not isinstance(validity, int):
            raise OutsideFailed(f"{self.name}: the server gives its mails no lasting numbers (UIDVALIDITY)")
        following = found.get(b"UIDNEXT")
        if isinstance(following, int):
            return validity, following
        with self._translated("read"):
            return validity, max(self._client.search("ALL"), default=0) + 1

    def uids(self, first: int, last: int, following: int) -> list[int]:
        """The numbers of the mails between two, both included, in their order."""
        if first >= following:
            return []
        with self._translated("read"):
            found = self._client.search(["UID", f"{first}:{last}"])
        # A server may read an upper bound beyond its last mail as that mail.
        return sorted({int(uid) for uid in found if first <= uid <= last})

    def fetch(self, uids: Sequence[int]) -> dict[int, bytes]:
        """The mails by number, without marking them as read; of a long one the first MAX_BYTES."""
        with self._translated("read"):
            answer = self._client.fetch(uids, [f"BODY.PEEK[]<0.{MAX_BYTES}>"])
        return {int(uid): raw for uid, data in answer.items() if (raw := _body(data)) is not None}

    def move(self, uids: Sequence[int]) -> None:
        """Put mails into the folder for those that are done; it is made when it is missing."""
        folder = self.settings.move_to
        if not uids or not folder:
            return
        with self._translated("move"):
            if not self._client.folder_exists(folder):
                self._client.create_folder(folder)
            if self._client.has_capability("MOVE"):
                self._client.move(uids, folder)
            else:
                self._client.copy(uids, folder)
                self._client.delete_messages(uids, silent=True)
                if self._client.has_capability("UIDPLUS"):
                    # Without it an EXPUNGE would also take what others have marked.
                    self._client.uid_expunge(uids)

    @contextlib.contextmanager
    def _translated(self, doing: Literal["connect", "login", "folder", "read", "move"]) -> Iterator[None]:
        """Bound the time of a step and name its errors, without what the server said: that may hold an address."""
        timer = threading.Timer(self.settings.page_deadline, self._hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        except ssl.SSLCertVerificationError:
            raise OutsideFailed(
                f"{self.name}: the certificate of {self.settings.host} is not valid for it; the password was not sent"
            ) from None
        except LoginError as error:
            if isinstance(error.__context__, IMAPClientAbortError):
                raise RetryLater(f"{self.name}: the connection was lost during the login") from None
            if any(word in str(error).casefold() for word in _BUSY):
                raise RetryLater(f"{self.name}: the server is busy and takes no login now") from None
            raise OutsideFailed(
                f"{self.name}: the server refuses the login; look at username and password_env of the source"
            ) from None
        except (IMAPClientAbortError, OSError) as error:
            raise RetryLater(f"{self.name}: no connection, or it was lost ({type(error).__name__})") from None
        except IMAPClientError as error:
            raise self._refused(doing, error) from None
        except (ValueError, LookupError, TypeError, AssertionError) as error:
            raise RetryLater(f"{self.name}: an answer that is not IMAP ({type(error).__name__})") from None
        finally:
            timer.cancel()

    def _refused(self, doing: str, error: Exception) -> Exception:
        if doing == "folder":
            return OutsideFailed(f"{self.name}: there is no folder `{self.settings.folder}`, or it cannot be opened")
        if doing == "move":
            return OutsideFailed(f"{self.name}: the mails are read, but cannot be moved to `{self.settings.move_to}`")
        if doing == "connect":
            return OutsideFailed(f"{self.name}: {self.settings.host} offers no {self.settings.security}")
        return RetryLater(f"{self.name}: the server refuses to give its mails ({type(error).__name__})")

    def _hang_up(self) -> None:
        """Wake the reading thread when a step takes too long; closing would pull the socket from under it."""
        if self.client is not None:
            with contextlib.suppress(OSError, AttributeError):
                self.client.socket().shutdown(socket.SHUT_RDWR)


def _shut(client: IMAPClient | None) -> None:
    """Close the socket, also one whose other end has gone first."""
    if client is not None:
        sock = client.socket()
        with contextlib.suppress(OSError, IMAPClientError):
            client.shutdown()
        sock.close()


def _uid_of(cursor: str | None, validity: int) -> int:
    """The number of the last mail that was read; 0 when nothing was, or the server has numbered anew."""
    before, _, uid = (cursor or "").partition(":")
    return int(uid) if before == str(validity) and uid.isdigit() else 0


def _body(data: dict[Any, Any]) -> bytes | None:
    return next((raw for name, raw in data.items() if name[:5] == b"BODY[" and isinstance(raw, bytes)), None)
