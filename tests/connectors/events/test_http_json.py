"""The HTTP source against a real server that pages, fails, drips and lies."""

from __future__ import annotations

import gzip
import json
import logging
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from connectors.events.base import BrokenRow, Page, Row
from connectors.events.http_json import HttpJsonSettings, HttpJsonSource
from nurture.errors import BadSetting, OutsideFailed, RetryLater
from tests.connectors.events.pages import PageServer, dripping, failing, saying, serving

ITEMS = [{"id": str(number)} for number in range(5)]


@pytest.fixture
def server() -> Iterator[PageServer]:
    with serving(PageServer(list(ITEMS))) as made:
        yield made


def source(server: PageServer, **more: Any) -> HttpJsonSource:
    settings = HttpJsonSettings(
        **{
            "url": server.url,
            "items": "data.events",
            "cursor": "paging.next",
            "cursor_parameter": "after",
            **more,
        }
    )
    return HttpJsonSource("crm", settings)


def read(server: PageServer, cursor: str | None = None, **more: Any) -> list[Page]:
    return list(source(server, **more).pages(cursor))


def test_every_page_comes_with_the_cursor_after_it(server: PageServer) -> None:
    pages = read(server)

    assert [[row.values for row in page.records if isinstance(row, Row)] for page in pages] == [
        ITEMS[:2],
        ITEMS[2:4],
        ITEMS[4:],
    ]
    assert [page.next_cursor for page in pages] == ["2", "4", "4"], "the last page is read again next time"


def test_reading_goes_on_from_a_cursor(server: PageServer) -> None:
    server.items.append({"id": "new"})

    (page,) = read(server, "4")

    assert [row.values["id"] for row in page.records if isinstance(row, Row)] == ["4", "new"]


def test_the_token_goes_in_a_header_and_never_into_the_log(
    server: PageServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    read(server, token="s3cret-token")

    assert server.requests[0][1]["authorization"] == "Bearer s3cret-token"
    assert "s3cret-token" not in caplog.text
    assert "s3cret-token" not in repr(source(server, token="s3cret-token").settings)


@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_server_in_trouble_is_tried_again_later(server: PageServer, status: int) -> None:
    server.misbehave = [failing(status)]

    with pytest.raises(RetryLater, match=f"crm: answers {status}"):
        read(server)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("30", 30),
        ("999999", 3600),
        ("Mon, 02 Mar 2026 09:02:00 GMT", 120),
        ("Mon, 02 Mar 2026 08:00:00 GMT", 0),
        ("soon", None),
    ],
)
def test_the_wait_that_a_server_asks_for_is_kept_up_to_an_hour(
    server: PageServer, header: str, seconds: float | None
) -> None:
    from connectors.events.http_json import _retry_after

    assert _retry_after({"retry-after": header, "date": "Mon, 02 Mar 2026 09:00:00 GMT"}) == seconds
    server.misbehave = [failing(429, Retry_After="30")]
    with pytest.raises(RetryLater) as caught:
        read(server)
    assert caught.value.after == 30


def test_pages_before_a_failure_are_given(server: PageServer) -> None:
    pages = source(server).pages(None)
    assert next(pages).next_cursor == "2"
    server.misbehave = [failing(500)]

    with pytest.raises(RetryLater):
        next(pages)


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (401, "the token is missing"),
        (403, "the token is missing"),
        (404, "answers 404"),
        (302, "redirects are not followed"),
    ],
)
def test_what_a_person_has_to_mend_is_no_retry(server: PageServer, status: int, says: str) -> None:
    server.misbehave = [failing(status, Location="http://127.0.0.1:1/elsewhere")]

    with pytest.raises(OutsideFailed, match=says):
        read(server)
    assert len(server.requests) == 1


@pytest.mark.parametrize("headers", [False, True])
def test_a_server_that_drips_is_left_at_the_deadline(server: PageServer, headers: bool) -> None:
    server.misbehave = [dripping(server, headers=headers)]
    started = monotonic()

    with pytest.raises(RetryLater, match=r"took longer than 0\.3 s"):
        read(server, call_deadline=0.3)

    assert monotonic() - started < 5


def test_a_server_that_drips_on_a_connection_in_use_is_left_too(server: PageServer) -> None:
    pages = source(server, call_deadline=0.3).pages(None)
    next(pages)
    server.misbehave = [dripping(server, headers=True)]

    with pytest.raises(RetryLater, match="took longer"):
        next(pages)


def test_a_page_without_end_is_cut_at_the_limit(server: PageServer) -> None:
    server.misbehave = [saying(b"[" + b" " * 200_000 + b"]")]

    with pytest.raises(OutsideFailed, match=r"larger than 100,000 bytes"):
        read(server, max_bytes=100_000)


def test_a_compressed_answer_is_refused_because_it_could_be_a_bomb(server: PageServer) -> None:
    server.misbehave = [saying(gzip.compress(b" " * 10_000_000), Content_Encoding="gzip")]

    with pytest.raises(OutsideFailed, match="compressed although asked not to"):
        read(server)
    assert server.requests[0][1]["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("body", "says"),
    [(b"<html>", "not JSON"), (b'{"data": {"events": [', "not JSON"), (b'{"data": 1}', "no list at `data.events`")],
)
def test_a_page_that_is_no_page_is_named(server: PageServer, body: bytes, says: str) -> None:
    server.misbehave = [saying(body)]

    with pytest.raises(OutsideFailed, match=says):
        read(server)


def test_poisoned_items_do_not_keep_the_others_away(server: PageServer) -> None:
    deep = "[" * 5_000 + "]" * 5_000
    body = '{"data": {"events": [{"id": "\\ud800"}, {"id": NaN}, {"id": %s}, 7, {"id": "good"}]}}' % deep  # noqa: UP031
    server.misbehave = [saying(body.encode())]

    (page,) = read(server)

    assert [type(row) for row in page.records] == [Row, Row, Row, BrokenRow, Row]
    assert isinstance(page.records[4], Row)
    assert page.records[4].values == {"id": "good"}


def test_nobody_listening_is_tried_again_later() -> None:
    with serving(PageServer([])) as gone:
        pass
    with pytest.raises(RetryLater, match="no answer"):
        read(gone)


def test_a_cursor_that_stands_still_ends_the_reading(server: PageServer) -> None:
    body = json.dumps({"data": {"events": [{"id": "1"}]}, "paging": {"next": "7"}}).encode()
    server.misbehave = [saying(body), saying(body), saying(body)]

    assert [page.next_cursor for page in read(server)] == ["7", "7"]


@pytest.mark.parametrize(
    "url", ["http://example.com/events", "ftp://example.com/", "https://user:word@example.com/", "file:///etc/passwd"]
)
def test_addresses_that_are_not_safe_are_refused(url: str) -> None:
    with pytest.raises(BadSetting):
        HttpJsonSource("crm", HttpJsonSettings(url=url))
