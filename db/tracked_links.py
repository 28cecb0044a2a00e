"""Where the links of mails lead: each address once, named in a link by its number and never by itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from sqlalchemy import Connection, case, or_, select

from db.batches import listed
from db.tables import tracked_links
from db.work import insert_for


class Link(NamedTuple):
    """The number of an address, and the lead whose own it is; None where it is everybody's, or several leads'."""

    number: int
    lead_id: int | None


def numbers_of(connection: Connection, urls: Mapping[str, int | None]) -> dict[str, Link]:
    """The link of each address; those that are not known yet get a number.

    `urls` says from whose data an address comes, None from nobody's. What two leads have is nobody's own from then on.
    """
    wanted = {_digest(url): url for url in urls}
    if not wanted:
        return {}
    new = insert_for(connection)(tracked_links)
    theirs, mine = tracked_links.c.lead_id, new.excluded.lead_id
    shared = new.on_conflict_do_update(
        index_elements=["digest"],
        set_={"lead_id": case((theirs == mine, theirs))},
        where=theirs.is_not(None) & or_(mine.is_(None), theirs != mine),
    )
    rows = [{"digest": digest, "url": url, "lead_id": urls[url]} for digest, url in sorted(wanted.items())]
    connection.execute(shared, rows)
    return _known(connection, wanted)


def known_numbers(connection: Connection, urls: Iterable[str]) -> dict[str, int]:
    """The numbers of those addresses that have one."""
    wanted = {_digest(url): url for url in urls}
    return {url: link.number for url, link in _known(connection, wanted).items()} if wanted else {}


def address_of(connection: Connection, number: int) -> str | None:
    """The address behind a number."""
    found = connection.execute(select(tracked_links.c.url).where(tracked_links.c.id == number)).scalar_one_or_none()
    return None if found is None else str(found)


def _known(connection: Connection, wanted: Mapping[str, str]) -> dict[str, Link]:
    asked = listed(connection, "asked", [[digest] for digest in wanted], tracked_links.c.digest)
    known = select(tracked_links.c.digest, tracked_links.c.id, tracked_links.c.lead_id).join(
        asked, asked.c.digest == tracked_links.c.digest
    )
    return {wanted[digest]: Link(int(id_), lead) for digest, id_, lead in connection.execute(known)}


def _digest(url: str) -> str:
    return hashlib.sha256(url.encode()).hexdigest()
