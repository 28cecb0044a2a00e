"""The signature gives what AWS's published test suite for Signature Version 4 gives, byte for byte."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from connectors.email.aws_signature import Credentials, sign

KEYS = ("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
HOST = {"Host": "example.amazonaws.com"}
# Of the suite's `post-sts-header-before`.
TOKEN = (
    "AQoDYXdzEPT//////////wEXAMPLEtc764bNrC9SAPBSM22wDOk4x4HIZ8j4FZTwdQWLWsKWHGBuFqwAeMicRXmxfpSPfIeoIYRqTflfKD8YUuwthAx7mSEI/"
    "qkPpKPi/kMcGdQrmGdeehM4IC1NtBmUpp2wUE8phUZampKsburEDy0KPkyQDYwT7WZ0wq5VSXDvp75YU9HFvlRd8Tx6q6fE8YQcHNVXAkiY9q6d+xo0rKwT38xVqr7ZD0u0iPPkUL64lIZbqBAz+"
    "scqKmlzm8FDrypNC9Yjc8fPOLn9FX9KSYvKTr4rvx3iSIlTJabIQwj2ICCR/oLxBA=="
)
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
CHARSET = {"Content-Type": "application/x-www-form-urlencoded; charset=utf8"}
BODY = b"Param1=value1"

VECTORS = {
    "get-vanilla": (
        {},
        "host;x-amz-date",
        "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31",
    ),
    "get-vanilla-query-order-key-case": (
        {"query": {"Param2": "value2", "Param1": "value1"}},
        "host;x-amz-date",
        "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
    ),
    "get-unreserved": (
        {"path": "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"},
        "host;x-amz-date",
        "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
    ),
    "post-vanilla": (
        {"method": "POST"},
        "host;x-amz-date",
        "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
    ),
    "post-header-value-case": (
        {"method": "POST", "headers": {**HOST, "My-Header1": "VALUE1"}},
        "host;my-header1;x-amz-date",
        "cdbc9802e29d2942e5e10b5bccfdd67c5f22c7c4e8ae67b53629efa58b974b7d",
    ),
    "post-x-www-form-urlencoded": (
        {"method": "POST", "headers": {**HOST, **FORM}, "body": BODY},
        "content-type;host;x-amz-date",
        "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
    ),
    "post-x-www-form-urlencoded-parameters": (
        {"method": "POST", "headers": {**HOST, **CHARSET}, "body": BODY},
        "content-type;host;x-amz-date",
        "1a72ec8f64bd914b0e42e42607c7fbce7fb2c7465f63e3092b3b0d39fa77a6fe",
    ),
    "post-sts-header-before": (
        {"method": "POST", "token": TOKEN},
        "host;x-amz-date;x-amz-security-token",
        "85d96828115b5dc0cfc3bd16ad9e210dd772bbebba041836c64533a82be05ead",
    ),
}


def signed(at: datetime = AT, token: str | None = None, **parts: object) -> dict[str, str]:
    whole = {"method": "GET", "path": "/", "headers": HOST, "body": b"", **parts}
    return sign(Credentials(*KEYS, token), region="us-east-1", service="service", at=at, **whole)  # type: ignore[arg-type]


@pytest.mark.parametrize(("parts", "names", "signature"), VECTORS.values(), ids=VECTORS)
def test_it_signs_like_the_published_suite(parts: dict[str, object], names: str, signature: str):
    headers = signed(**parts)  # type: ignore[arg-type]
    assert headers["X-Amz-Date"] == "20150830T123600Z"
    assert headers["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    assert headers.get("X-Amz-Security-Token") == parts.get("token")


def test_another_time_zone_is_the_same_instant():
    assert signed(AT.astimezone(timezone(timedelta(hours=9)))) == signed()


def test_the_secrets_do_not_show():
    shown = repr(Credentials(*KEYS, "the-token"))
    assert KEYS[1] not in shown
    assert "the-token" not in shown
