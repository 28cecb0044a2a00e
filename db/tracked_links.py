"""Where the links of mails lead: each address once, named in a link by its number and never by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from sqlalchemy import Connection, select

from db.batches import listed
from db.tables import tracked_links
from db.work import insert_for


def numbers_of(connection: Connection, urls: Iterable[str]) -> dict[str, int]:
    """The number of each address; those that are not known yet get one."""
    wanted = _by_digest(urls)
    if wanted:
        rows = [{"digest": digest, "url": url} for digest, url in sorted(wanted.items())]
        connection.execute(insert_for(connection)(tracked_links).on_conflict_do_nothing(), rows)
    return known_numbers(connection, wanted.values())


def known_numbers(connection: Connection, urls: Iterable[str]) -> dict[str, int]:
    """The numbers of those addresses that have one."""
    wanted = _by_digest(urls)
    if not wanted:
        return {}
    asked = listed(connection, "asked", [[digest] for digest in wanted], tracked_links.c.digest)
    known = select(tracked_links.c.digest, tracked_links.c.id).join(asked, asked.c.digest == tracked_links.c.digest)
    return {wanted[digest]: int(id_) for digest, id_ in connection.execute(known)}


def address_of(connection: Connection, number: int) -> str | None:
    """The address behind a number."""
    found = connection.execute(select(tracked_links.c.url).where(tracked_links.c.id == number)).scalar_one_or_none()
    return None if found is None else str(found)


def _by_digest(urls: Iterable[str]) -> dict[str, str]:
    return {hashlib.sha256(url.encode()).hexdigest(): url for url in urls}
