"""The only module of this room that speaks HTTP: one kept connection to a provider, bounded in time and size.

What matters for mail is one question: could the provider have read the request? So a call ends in an `Answer` (the
provider spoke) or in a `Silence`, which says whether a byte of the request was written.
"""

from __future__ import annotations

import contextlib
import email.utils
import logging
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from time import monotonic
from typing import Any
from urllib.parse import urlsplit

import httpx
import orjson

from connectors.email.base import provider_text
from nurture.errors import BadSetting, RetryLater

# At INFO they would write whole addresses, at DEBUG also headers, which hold the secrets.
for _name in ("httpx", "httpcore"):
    logging.getLogger(_name).setLevel(logging.WARNING)

MAX_ANSWER = 1024 * 1024  # bytes; the answer to a batch of 500 has about 100 kB
MAX_WAIT = 3_600.0  # seconds; whoever asks for more is asked again after an hour
_CONNECT_S = 10.0
# Shorter than the patience of providers with idle connections: one that they hang up while we write is an unknown.
_KEPT_S = 20.0
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Call:
    """One request; its headers hold the secrets and are never shown."""

    path: str
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(default=b"", repr=False)
    method: str = "POST"
    query: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the provider said; the body is None when it was cut, too large or too late."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)

    def json(self) -> Any:
        """The body as JSON, None when it is none."""
        try:
            return None if self.body is None else orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return None

    def object(self) -> dict[str, Any]:
        """The body as a JSON object, an empty one when it is none."""
        told = self.json()
        return told if isinstance(told, dict) else {}


def objects(value: Any) -> list[dict[str, Any]]:
    """The objects of a list; nothing when it is none."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text(value: Any) -> str | None:
    """A text that says something; None for everything else."""
    return value if isinstance(value, str) and value else None


@dataclass(frozen=True, slots=True)
class Silence:
    """No answer came."""

    why: str
    written: bool  # a byte of the request may have reached the provider
    untrusted: bool = False  # the other side could not prove who it is


class HttpLine:
    """One connection to one provider, made when it is needed and kept for the next call; not thread safe."""

    def __init__(self, name: str, api_url: str, timeout_s: float, secrets: tuple[str, ...]) -> None:
        parts = urlsplit(api_url)
        self._name = name
        self._base = api_url.rstrip("/")
        self._address = (parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80))
        self._timeout_s = timeout_s
        self._secrets = secrets
        self._client: httpx.Client | None = None
        self._wire: Any = None  # the connection in use, learnt while it is made
        self._deadline: _Deadline | None = None
        self._written = False
        self._reached = False

    def ready(self) -> None:
        """Try whether the provider can be reached when that is not known; raises RetryLater."""
        if self._reached:
            return
        try:
            socket.create_connection(self._address, timeout=min(_CONNECT_S, self._timeout_s)).close()
        except (OSError, UnicodeError) as error:
            raise RetryLater(f"{self._name} cannot be reached ({type(error).__name__})") from None
        self._reached = True

    def send(self, call: Call) -> Answer | Silence:
        """Make one call, once, within the whole time that was set; never raises for what the other side does."""
        self._written = False
        with _Deadline(self._timeout_s, self._hang_up) as deadline:
            self._deadline = deadline
            try:
                with self._open_client().stream(
                    call.method,
                    self._base + call.path,
                    headers={"User-Agent": "ripen", "Accept-Encoding": "identity", **call.headers},
                    content=call.body or None,
                    params=dict(call.query) or None,
                    extensions={"trace": self._watch},
                ) as answer:
                    return Answer(answer.status_code, answer.headers, _body(answer, deadline))
            except (httpx.HTTPError, OSError, ValueError) as error:
                return self._silence(error, deadline)

    def clean(self, words: str) -> str:
        """The provider's words fit to be stored: no addresses, no secrets, at most 500 characters."""
        for secret in self._secrets:
            words = words.replace(secret, "[secret]")
        return provider_text(words)

    def close(self) -> None:
        """Hang up; harmless when repeated."""
        if self._client is not None:
            self._client.close()
        self._client = self._wire = None
        self._reached = False

    def _silence(self, error: Exception, deadline: _Deadline) -> Silence:
        why = f"no answer within {self._timeout_s:g} s" if deadline.passed else f"no answer ({type(error).__name__})"
        if not self._written:
            self._reached = False
        return Silence(why, self._written, not self._written and _is_untrusted(error))

    def _open_client(self) -> httpx.Client:
        if self._client is None:
            limits = httpx.Timeout(self._timeout_s, connect=min(_CONNECT_S, self._timeout_s))
            one = httpx.Limits(max_connections=1, max_keepalive_connections=1, keepalive_expiry=_KEPT_S)
            # No proxy and no .netrc from the environment, and nowhere else than asked.
            self._client = httpx.Client(
                verify=_authorities(), timeout=limits, limits=one, follow_redirects=False, trust_env=False
            )
        return self._client

    def _watch(self, event: str, info: Mapping[str, Any]) -> None:
        """Called by the HTTP library at each of its steps."""
        if event.endswith("send_request_headers.started"):
            if self._deadline is not None and self._deadline.passed:
                raise httpx.ConnectTimeout("connecting took all the time")  # and nobody would end the rest
            self._written = True
        elif event.endswith(("connect_tcp.complete", "start_tls.complete")):
            self._wire = info["return_value"]

    def _hang_up(self) -> None:
        """Wake the reading thread; closing would pull the socket from under it."""
        sock = self._wire.get_extra_info("socket") if self._wire is not None else None
        if sock is not None:
            with contextlib.suppress(OSError):
                # Of the plain socket, so that a TLS layer that another thread reads from stays as it is.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)


class _Deadline:
    """Ends a whole call: a server that sends a byte now and then would keep every single read alive."""

    def __init__(self, seconds: float, at_the_end: Any) -> None:
        self._end = monotonic() + seconds
        self._timer = threading.Timer(seconds, at_the_end)
        self._timer.daemon = True

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return monotonic() >= self._end

    def __enter__(self) -> _Deadline:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def _body(answer: httpx.Response, deadline: _Deadline) -> bytes | None:
    """The body as it came; the status alone still says something when the body cannot be had.

    Never unpacked: no packing was asked for, and a few packed bytes could unfold to gigabytes.
    """
    parts: list[bytes] = []
    size = 0
    try:
        for part in answer.iter_raw():
            size += len(part)
            if size > MAX_ANSWER or deadline.passed:
                return None
            parts.append(part)
    except (httpx.HTTPError, OSError, ValueError):
        return None
    return b"".join(parts)


@lru_cache(maxsize=1)
def _authorities() -> ssl.SSLContext:
    return httpx.create_ssl_context(trust_env=False)


def _is_untrusted(error: BaseException | None) -> bool:
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError) or "CERTIFICATE_VERIFY_FAILED" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def retry_after(headers: Mapping[str, str]) -> float | None:
    """The seconds to wait that `Retry-After` asks for, in seconds or as a date, at most an hour; None: it says none."""
    given = headers.get("retry-after", "").strip()
    if re.fullmatch(r"[0-9]{1,9}", given):
        return min(float(given), MAX_WAIT)
    return seconds_until(given, headers)


def seconds_until(date: str, headers: Mapping[str, str]) -> float | None:
    """The seconds from the answer's own `Date` to this date, from 0 to an hour; None when one of them is none."""
    try:
        until = email.utils.parsedate_to_datetime(date)
        sent = email.utils.parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError):
        return None
    return min(max((_utc(until) - _utc(sent)).total_seconds(), 0.0), MAX_WAIT)


def _utc(instant: datetime) -> datetime:
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def check_secret(kind: str, name: str, value: str) -> None:
    """Raise BadSetting, never showing the value, when this cannot be a key in a header."""
    if not re.fullmatch(r"[!-~]{1,4096}", value):
        raise BadSetting(f"the setting `{name}` of `{kind}` must be a key without spaces; give it by environment")


def check_settings(kind: str, *, api_url: str, timeout_s: float, connections: int) -> None:
    """Raise BadSetting, never showing a value, when a call could not be made safely with these."""
    parts = urlsplit(api_url)
    try:
        port_is_fine = parts.port != 0
    except ValueError:
        port_is_fine = False
    plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not (parts.hostname and port_is_fine and (parts.scheme == "https" or plain)):
        raise BadSetting(
            f"the setting `api_url` of `{kind}` must be an https:// address (http:// on this machine only)"
        )
    if parts.username or parts.password or parts.query or parts.fragment:
        raise BadSetting(f"the setting `api_url` of `{kind}` must be a bare address; the key has its own setting")
    if not timeout_s > 0:
        raise BadSetting(f"the setting `timeout_s` of `{kind}` must be above 0 seconds")
    if not 1 <= connections <= 100:
        raise BadSetting(f"the setting `connections` of `{kind}` must be between 1 and 100")


def check_batch(kind: str, batch: int, most: int) -> None:
    """Raise BadSetting when the provider does not take so many messages in one act."""
    if not 1 <= batch <= most:
        raise BadSetting(f"the setting `batch` of `{kind}` must be between 1 and {most}")
