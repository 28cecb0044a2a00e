"""Questions to DNS, bounded in time; what a name does not have is an empty answer, no answer at all is an error."""

from __future__ import annotations

import ipaddress

import dns.exception
import dns.name
import dns.rdatatype
import dns.resolver
from dns.rdtypes.txtbase import TXTBase

from nurture.errors import BadInput, RetryLater


class DnsResolver:
    """Asks the system's name servers, or the one that is given; seconds for one question with all its tries."""

    def __init__(self, nameserver: str | None = None, timeout: float = 5.0) -> None:
        try:
            self._resolver = dns.resolver.Resolver(configure=nameserver is None)
        except dns.resolver.NoResolverConfiguration:
            raise RetryLater("this machine names no DNS server; give one with --nameserver ADDRESS") from None
        if nameserver is not None:
            address, port = _address_of(nameserver)
            self._resolver.nameservers = [address]
            self._resolver.port = port
        # Several tries within the whole time: a lost datagram is no missing record.
        self._resolver.timeout = timeout / 3
        self._resolver.lifetime = timeout
        self._resolver.use_edns(0, 0, 1232)

    def lookup(self, name: str, kind: str) -> tuple[str, ...]:
        """The records of a name: TXT as whole texts, MX as `preference host`; raises RetryLater without any answer."""
        try:
            answer = self._resolver.resolve(dns.name.from_text(name), kind, search=False)
        except (dns.resolver.NXDOMAIN, dns.resolver.NoAnswer, dns.resolver.YXDOMAIN):
            return ()
        except (dns.name.LabelTooLong, dns.name.EmptyLabel, dns.name.NameTooLong, dns.name.BadEscape, UnicodeError):
            return ()
        except dns.exception.DNSException as error:
            raise RetryLater(f"DNS does not answer for {name} ({kind}): {type(error).__name__}") from None
        except OSError as error:
            raise RetryLater(f"DNS cannot be reached ({type(error).__name__})") from None
        return tuple(_text(record) for record in answer)


def _text(record: object) -> str:
    if isinstance(record, TXTBase):
        return b"".join(record.strings).decode("utf-8", "replace")
    return str(record)


def _address_of(nameserver: str) -> tuple[str, int]:
    """`192.0.2.1`, `192.0.2.1:5353`, `::1` or `[::1]:5353`; raises BadInput."""
    host, port = nameserver, "53"
    if nameserver.startswith("["):
        host, closed, rest = nameserver[1:].partition("]")
        port = rest.removeprefix(":") or "53" if closed else ""
    elif nameserver.count(":") == 1:
        host, _, port = nameserver.partition(":")
    try:
        ipaddress.ip_address(host)
        number = int(port) if port.isascii() and port.isdigit() and len(port) <= 5 else 0
    except ValueError:
        number = 0
    if not 0 < number < 65_536:
        raise BadInput("a name server is an IP address with or without a port, such as 192.0.2.1 or 127.0.0.1:5353")
    return host, number
