"""Questions to a real DNS server: records, their absence, and no answer are three different things."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from connectors.dns import DnsResolver
from nurture.errors import BadInput, RetryLater
from tests.connectors.name_server import NameServer, name_server
from tests.nurture.deliverability.letters import ZONE, key_record


@pytest.fixture
def server() -> Iterator[NameServer]:
    with name_server(ZONE) as made:
        yield made


def test_records_come_as_texts_long_ones_in_one_piece(server):
    resolver = DnsResolver(server.address)
    assert resolver.lookup("example.com", "MX") == ("10 mx1.example.com.",)
    assert resolver.lookup("mx1.example.com", "A") == ("192.0.2.1",)
    assert resolver.lookup("s1._domainkey.example.com.", "TXT") == (key_record(),)
    assert len(resolver.lookup("EXAMPLE.com", "TXT")) == 2


def test_what_a_name_does_not_have_is_empty(server):
    resolver = DnsResolver(server.address)
    assert resolver.lookup("example.com", "AAAA") == ()
    assert resolver.lookup("nothing.example.com", "TXT") == ()


@pytest.mark.parametrize("name", ["a..b", "x" * 64 + ".com", "a." * 200 + "com", "\\999.com"])
def test_a_name_that_cannot_exist_has_nothing(server, name):
    assert DnsResolver(server.address).lookup(name, "TXT") == ()
    assert server.asked == []


@pytest.mark.parametrize("mode", ["fail", "silent", "garbage"])
def test_a_server_that_does_not_answer_is_for_later_and_soon_given_up(server, mode):
    server.mode = mode
    begun = time.monotonic()
    with pytest.raises(RetryLater, match=r"DNS does not answer for example\.com"):
        DnsResolver(server.address, timeout=0.3).lookup("example.com", "TXT")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    "given", ["", "x", "127.0.0.1:", "127.0.0.1:x", "127.0.0.1:70000", "dns.example.com", "[::1", "::1:x"]
)
def test_a_name_server_is_an_address(given):
    with pytest.raises(BadInput, match="IP address"):
        DnsResolver(given)


@pytest.mark.parametrize("given", ["192.0.2.1", "192.0.2.1:5353", "::1", "[::1]", "[::1]:5353"])
def test_every_way_to_write_an_address_is_taken(given):
    assert DnsResolver(given)
