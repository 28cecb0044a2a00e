"""Look at a mail file, or at the domain that mail comes from, as a mailbox provider would."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from connectors.dns import DnsResolver
from nurture.deliverability.domain import check_domain
from nurture.deliverability.domains import aligned
from nurture.deliverability.letter import MAX_BYTES, letter_of
from nurture.deliverability.message import check_message
from nurture.deliverability.rules import Check, Given, Lookup
from nurture.deliverability.signature_rules import signatures_of
from nurture.errors import BadInput, RipenError
from tasks.workspace import settings_of


def ask_dns(nameserver: str | None) -> Lookup:
    """A way to ask DNS, the system's servers or the one given; raises BadInput, and RetryLater when there is none."""
    return DnsResolver(nameserver).lookup


def examine_message(
    path: Path,
    home: Path,
    *,
    now: datetime,
    transactional: bool = False,
    pixel_allowed: bool = False,
    lookup: Lookup | None = None,
) -> list[Check]:
    """Every rule that concerns the mail; the postal address is asked for where the workspace's settings can be read.

    Raises BadInput when the file is missing or no mail, RetryLater when DNS does not answer.
    """
    given = Given(now, transactional, _postal_address(home), pixel_allowed, lookup)
    return check_message(_read(path), given)


def examine_domain(domain: str, selectors: Sequence[str], lookup: Lookup) -> list[Check]:
    """Every rule about a sending domain; raises BadInput or RetryLater."""
    return check_domain(domain, selectors, lookup)


def selectors_in(path: Path, domain: str, now: datetime) -> list[str]:
    """The selectors by which a mail is signed for a domain; raises BadInput."""
    signatures = signatures_of(letter_of(_read(path), Given(now)))
    return [each.selector for each in signatures if each.selector and aligned(each.domain, domain)]


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise BadInput(f"there is no file {path}") from None
    except OSError as error:
        raise BadInput(f"{path} cannot be read: {error.strerror}") from None


def _postal_address(home: Path) -> str | None:
    try:
        return settings_of(home).project.postal_address
    except RipenError:
        # A mail file may be looked at outside of any workspace.
        return None
