"""Requests as attackers, proxies and broken programs make them: shielded answers, no redirect of theirs, no trace."""

from __future__ import annotations

import json
import logging
import socket

import httpx
import pytest

from nurture.tokens import UNSUBSCRIBE, sign
from tests.world import SECRET
from web.rendering import language_of
from web.shields import HEADERS

TOKEN = sign(SECRET.encode(), UNSUBSCRIBE, "a" * 40)


def raw(site, request: bytes) -> bytes:
    """What the door answers to bytes that no library would send."""
    with socket.create_connection((site.browser.base_url.host, site.browser.base_url.port), timeout=5) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        return answer


@pytest.mark.parametrize(
    "path", [f"/u/{TOKEN}/", "/health/", "/hooks/events/", "/c/x/", "//evil.example/u/x/", f"//u/{TOKEN}"]
)
@pytest.mark.parametrize("method", ["GET", "POST", "HEAD"])
def test_no_host_of_a_request_is_ever_led_to(untouched, path, method):
    answer = raw(untouched, f"{method} {path} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n".encode())
    assert b" 404 " in answer.partition(b"\r\n")[0]
    assert b"evil.example" not in answer
    assert b"location" not in answer.lower()


@pytest.mark.parametrize(
    "path",
    [
        "/u/%00",
        "/u/%2e%2e%2fhealth",
        "/u/a%2Fb",
        "/c/%F0%9F%92%A9",
        "/v/%FF%FE",
        "/p/..%5c..",
        "/confirm/%0d%0aSet-Cookie:x=1",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/c/" + "A" * 20_000,
        "/o/%00",
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"])
def test_no_path_and_no_method_is_an_error_or_a_write(untouched, path, method):
    answer = untouched.browser.request(method, path)
    assert answer.status_code in (200, 400, 404, 405)
    for name in ("X-Content-Type-Options", "Referrer-Policy", "Cache-Control", "X-Robots-Tag"):
        assert answer.headers[name] == HEADERS[name]
    assert answer.headers["content-security-policy"]
    assert "set-cookie" not in answer.headers
    if method == "HEAD":
        assert answer.content == b""


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", b"x"),
        ("multipart/form-data; boundary=", b"--\r\n\r\n"),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="shown"; filename="x"\r\n\r\nx\r\n--b--\r\n',
        ),
        ("multipart/form-data; boundary=b", b"--b\r\n" * 50_000),
        (
            "multipart/form-data; boundary=b",
            b'--b\r\nContent-Disposition: form-data; name="shown"\r\n\r\nx\r\n' * 5_000 + b"--b--\r\n",
        ),
        ("application/x-www-form-urlencoded", b"a=b&" * 200_000),
        ("application/x-www-form-urlencoded", b"\xff=%ff&%00=%zz&&&==="),
        ("text/plain", b"List-Unsubscribe=One-Click"),
    ],
)
@pytest.mark.parametrize("door", ["u", "p", "confirm"])
def test_no_form_is_an_error_or_a_write(untouched, door, kind, body):
    answer = untouched.browser.post(f"/{door}/{TOKEN}", content=body, headers={"content-type": kind})
    assert answer.status_code == 400 or (door == "p" and answer.status_code == 404)
    assert "content-security-policy" in answer.headers


@pytest.mark.parametrize(
    ("asked", "given"),
    [
        ("da", "da"),
        ("en-GB;q=0.2, da-DK;q=0.9", "da"),
        ("da;q=0, sv", "en"),
        ("da;q=0.5,en;q=0.5", "da"),
        ("*", "en"),
        ("", "en"),
        ("da;q=x", "en"),
        ("da;q=inf", "en"),
        ("DA_dk, da", "da"),
        (",;,;q=1" * 9_000, "en"),
    ],
)
def test_the_reader_s_best_language_is_spoken(asked, given):
    class Request:
        headers = httpx.Headers({"accept-language": asked})

    assert language_of(Request()) == given


@pytest.mark.parametrize(
    "header",
    [
        "X-Forwarded-For: 127.0.0.1",
        "X-Forwarded-For: 127.0.0.1, 127.0.0.1",
        "Forwarded: for=127.0.0.1",
        "X-Real-IP: 203.0.113.9",
        "Via: 1.1 proxy",
        "X-Forwarded-Proto: https",
    ],
)
def test_the_operator_s_pages_are_shown_through_no_proxy_that_says_so(untouched, header):
    request = f"GET / HTTP/1.1\r\nHost: localhost\r\n{header}\r\nConnection: close\r\n\r\n"
    assert b" 404 " in raw(untouched, request.encode()).partition(b"\r\n")[0]
    assert b" 200 " in raw(untouched, request.replace(header, "Accept: */*").encode()).partition(b"\r\n")[0]


def test_nothing_of_a_request_is_in_the_log_of_its_failure(mailed, caplog):
    canary = "qvxcanary"
    with caplog.at_level(logging.DEBUG), mailed.world.database.write() as connection:
        connection.exec_driver_sql("DROP TABLE provider_facts")
        connection.exec_driver_sql("ALTER TABLE messages RENAME TO hidden")
    headers = {
        "user-agent": canary,
        "x-forwarded-for": canary,
        "referer": canary,
        "cookie": canary,
        "accept-language": canary,
    }
    ways = [
        ("POST", f"/u/{TOKEN}", {"data": {"List-Unsubscribe": "One-Click", "x": canary}}),
        ("GET", f"/p/{TOKEN}?{canary}", {}),
    ]
    with caplog.at_level(logging.INFO):
        for method, path, body in ways:
            answer = mailed.browser.request(method, path, headers=headers, **body)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
            assert "content-security-policy" in answer.headers
            assert answer.headers["cache-control"] == "no-store"
    ours = [record for record in caplog.records if not record.name.startswith(("httpx", "httpcore"))]
    assert ours
    assert all(canary not in record.getMessage() and TOKEN not in record.getMessage() for record in ours)
    assert json.dumps([record.exc_text for record in ours if record.exc_text]) == "[]"


def test_a_body_in_drops_does_not_keep_its_connection(untouched, monkeypatch):
    monkeypatch.setattr("web.shields.BODY_WITHIN", 0.2)
    answer = raw(untouched, b"POST /hooks/events HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{")
    head = answer.partition(b"\r\n\r\n")[0].lower()
    assert b" 408 " in head
    assert b"connection: close" in head
    assert b"content-security-policy" in head
