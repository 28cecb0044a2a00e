"""One HTTP source of JSON pages with a cursor; bounded in time and size, whatever the other side does."""

from __future__ import annotations

import contextlib
import email.utils
import json
import logging
import re
import socket
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from connectors.events.base import BrokenRow, Kind, Page, Row
from nurture.definitions.mappings import Mapping as RowMappingFile
from nurture.errors import BadSetting, OutsideFailed, RetryLater

# At INFO it would write whole addresses, with what secrets they hold.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

MAX_WAIT = 3_600.0
MAX_DEPTH = 64
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
# A string, or one bracket: all that is needed to see how deep a text goes.
_TOKENS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}]', re.DOTALL)


@dataclass(frozen=True)
class HttpJsonSettings:
    """Where the pages are and how far to go; seconds and bytes."""

    url: str
    items: str = "items"  # path of the list in a page, such as `data.events`; empty when the page is the list
    cursor: str = "next"  # path of the next cursor
    cursor_parameter: str = "cursor"
    token: str | None = None  # sent as `Authorization: Bearer`
    connect_timeout: float = 10.0
    read_timeout: float = 30.0
    call_deadline: float = 120.0
    max_bytes: int = 32 * 1024 * 1024
    max_pages: int = 1_000

    def __repr__(self) -> str:
        return f"HttpJsonSettings(host={urlsplit(self.url).hostname!r})"


class HttpJsonSource:
    """Reads page after page until one has no further cursor; the next reading starts at the last page again."""

    def __init__(
        self,
        name: str,
        settings: HttpJsonSettings,
        *,
        kind: Kind = "events",
        mapping: RowMappingFile | None = None,
        mapping_name: str | None = None,
        silent: bool = False,
    ) -> None:
        parts = urlsplit(settings.url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise BadSetting(f"the source `{name}` needs an https:// address (http:// only on this machine)")
        if parts.username or parts.password:
            raise BadSetting(f"the source `{name}` has a password in its address; use token_env")
        self.name = name
        self.settings = settings
        self.kind: Kind = kind
        self.mapping = mapping
        self.mapping_name = mapping_name
        self.silent = silent

    def pages(self, cursor: str | None) -> Iterator[Page]:
        """The pages after a cursor; raises RetryLater (429, 5xx, no answer) or OutsideFailed (anything else)."""
        settings = self.settings
        line = _Line()
        with self._client() as client:
            for _ in range(settings.max_pages):
                page = self._page(client, line, cursor)
                items = _at(page, settings.items)
                if not isinstance(items, list):
                    raise OutsideFailed(f"{self.name}: the page has no list at `{settings.items}`")
                following = _at(page, settings.cursor) if isinstance(page, dict) else None
                following = None if following in (None, "", False) else str(following)
                yield Page([_row(number, item) for number, item in enumerate(items, 1)], following or cursor)
                if following is None or following == cursor:
                    return
                cursor = following

    def _client(self) -> httpx.Client:
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "ripen"}
        if self.settings.token:
            headers["Authorization"] = f"Bearer {self.settings.token}"
        limits = httpx.Timeout(self.settings.read_timeout, connect=self.settings.connect_timeout)
        # No proxy and no .netrc from the environment, and nowhere else than asked.
        return httpx.Client(headers=headers, timeout=limits, follow_redirects=False, trust_env=False)

    def _page(self, client: httpx.Client, line: _Line, cursor: str | None) -> Any:
        parameters = {} if cursor is None else {self.settings.cursor_parameter: cursor}
        url = httpx.URL(self.settings.url).copy_merge_params(parameters)
        with _Deadline(self.settings.call_deadline, line) as deadline:
            try:
                with client.stream("GET", url, extensions={"trace": line.watch}) as answer:
                    self._refuse(answer)
                    body = self._body(answer, deadline)
            except httpx.HTTPError as error:
                if deadline.passed:
                    raise self._too_slow() from None
                raise RetryLater(f"{self.name}: no answer ({type(error).__name__})") from None
        return _parsed(body, self.name)

    def _refuse(self, answer: httpx.Response) -> None:
        status = answer.status_code
        if status == 429 or status >= 500:
            raise RetryLater(f"{self.name}: answers {status}", _retry_after(answer.headers))
        if 300 <= status < 400:
            raise OutsideFailed(
                f"{self.name}: answers {status}, a redirect; redirects are not followed, mend the address"
            )
        if status in (401, 403):
            raise OutsideFailed(f"{self.name}: answers {status}; the token is missing, wrong or expired")
        if status != 200:
            raise OutsideFailed(f"{self.name}: answers {status}")
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise OutsideFailed(f"{self.name}: answers compressed although asked not to")

    def _body(self, answer: httpx.Response, deadline: _Deadline) -> bytes:
        parts: list[bytes] = []
        size = 0
        for part in answer.iter_raw():
            size += len(part)
            if size > self.settings.max_bytes:
                raise OutsideFailed(
                    f"{self.name}: the page is larger than {self.settings.max_bytes:,} bytes; ask for less"
                )
            if deadline.passed:
                raise self._too_slow()
            parts.append(part)
        return b"".join(parts)

    def _too_slow(self) -> RetryLater:
        return RetryLater(f"{self.name}: the page took longer than {self.settings.call_deadline:g} s")


class _Line:
    """The connection in use, learnt while it is made; the pages of one reading share it."""

    def __init__(self) -> None:
        self.stream: Any = None

    def watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by the HTTP library at each of its steps."""
        if event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self.stream = info["return_value"]

    def hang_up(self) -> None:
        """Wake the reading thread; closing would pull the socket from under it."""
        sock = self.stream.get_extra_info("socket") if self.stream is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)


class _Deadline:
    """Ends a whole call: a server that sends a byte now and then would keep every single read alive."""

    def __init__(self, seconds: float, line: _Line) -> None:
        self.end = monotonic() + seconds
        self.timer = threading.Timer(seconds, line.hang_up)
        self.timer.daemon = True

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return monotonic() >= self.end

    def __enter__(self) -> _Deadline:
        self.timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.timer.cancel()


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, at most an hour; given in seconds or as a date."""
    given = headers.get("retry-after", "").strip()
    if given.isdigit():
        return min(float(given), MAX_WAIT)
    try:
        until = email.utils.parsedate_to_datetime(given)
        sent = email.utils.parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    wait = (_utc(until) - _utc(sent)).total_seconds()
    return min(max(wait, 0.0), MAX_WAIT)


def _utc(instant: datetime) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _at(page: Any, path: str) -> Any:
    for part in path.split(".") if path else []:
        if not isinstance(page, dict):
            return None
        page = page.get(part)
    return page


def _row(number: int, item: Any) -> Row | BrokenRow:
    if isinstance(item, dict):
        return Row(number, item)
    raw = json.dumps(item).encode()
    return BrokenRow(number, "not-an-object", "the item is no object with names and values", raw)


def _parsed(body: bytes, name: str) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        pass
    # One poisoned item (a lone surrogate, a depth of thousands) must not keep the others away: a more patient reader
    # takes the page, and the item is refused by itself.
    try:
        return json.loads(_pruned(body.decode("utf-8", "surrogateescape")))
    except (ValueError, RecursionError):
        raise OutsideFailed(f"{name}: the page is not JSON") from None


def _pruned(text: str) -> str:
    """The same JSON with everything below MAX_DEPTH replaced by a character that no record may hold."""
    kept: list[str] = []
    depth = start = 0
    for token in _TOKENS.finditer(text):
        if token[0] in "[{":
            depth += 1
            if depth == MAX_DEPTH + 1:
                kept.append(text[start : token.start()] + '"\\u0000"')
        elif token[0] in "]}":
            if depth == MAX_DEPTH + 1:
                start = token.end()
            depth -= 1
    kept.append(text[start:] if depth <= MAX_DEPTH else "")
    return "".join(kept)
