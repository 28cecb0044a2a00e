"""AWS Signature Version 4, the part that a signed POST or GET needs.

Source: docs.aws.amazon.com, IAM user guide, "Create a signed AWS API request"; proved by AWS's published test suite.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from urllib.parse import quote

_ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class Credentials:
    """An access key, and the session token when it is a temporary one."""

    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def sign(
    credentials: Credentials,
    *,
    region: str,
    service: str,
    at: datetime,
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    query: Mapping[str, str] | None = None,
) -> dict[str, str]:
    """The headers of a request with those that sign it; `headers` must hold Host, `at` is aware, `path` is decoded."""
    stamp = at.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    signed = {**headers, "X-Amz-Date": stamp}
    if credentials.session_token is not None:
        signed["X-Amz-Security-Token"] = credentials.session_token
    canonical = {name.lower(): " ".join(value.split()) for name, value in signed.items()}
    names = ";".join(sorted(canonical))
    request = "\n".join(
        (
            method,
            quote(path, safe="/-_.~"),
            "&".join(sorted(f"{_escaped(name)}={_escaped(value)}" for name, value in (query or {}).items())),
            *(f"{name}:{canonical[name]}" for name in sorted(canonical)),
            "",
            names,
            sha256(body).hexdigest(),
        )
    )
    scope = f"{stamp[:8]}/{region}/{service}/aws4_request"
    text = "\n".join((_ALGORITHM, stamp, scope, sha256(request.encode()).hexdigest()))
    signature = hmac.new(_key(credentials, stamp[:8], region, service), text.encode(), sha256).hexdigest()
    signed["Authorization"] = (
        f"{_ALGORITHM} Credential={credentials.access_key_id}/{scope}, SignedHeaders={names}, Signature={signature}"
    )
    return signed


def _key(credentials: Credentials, day: str, region: str, service: str) -> bytes:
    key = f"AWS4{credentials.secret_access_key}".encode()
    for part in (day, region, service, "aws4_request"):
        key = hmac.new(key, part.encode(), sha256).digest()
    return key


def _escaped(text: str) -> str:
    return quote(text, safe="-_.~")
