"""What the definitions say about whose consent allows a mail: the part of them that every hand-over asks for."""

from __future__ import annotations

from dataclasses import dataclass

from nurture.definitions.bundle import Bundle


@dataclass(frozen=True, slots=True)
class Permissions:
    """The pairs of topic and basis that allow nothing, and the e-mails that ask a person to confirm a consent."""

    barred: frozenset[tuple[str, str]] = frozenset()
    confirming: frozenset[str] = frozenset()


def permissions_of(bundle: Bundle) -> Permissions:
    """The permissions of a set of definitions; the basis `none` allows nothing anywhere, and is not listed."""
    asking = frozenset(name for name, email in bundle.emails.items() if email.asks_to_confirm)
    return Permissions(bundle.catalogue.barred, asking)
