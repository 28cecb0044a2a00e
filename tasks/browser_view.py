"""A mail as a page: the HTML of a message that was sent, for readers whose mail program shows it badly."""

from __future__ import annotations

from datetime import datetime

from db import definitions, hand_over, tracked_links
from db.engine import Database
from nurture.definitions.catalogue import Catalogue
from nurture.errors import DefinitionError, SkipThis
from nurture.stops import topics_of
from nurture.tokens import VIEW, unseal
from tasks.mail import Composer
from tasks.plans import plans_of
from tasks.settings import Settings


def browser_view(
    database: Database, settings: Settings, token: str, *, catalogue: Catalogue, now: datetime
) -> str | None:
    """The HTML of the message with this token, by the definitions under which it was sent and its lead's data of today.

    None when it is none of ours, its lead is erased, or it cannot be shown any more. It measures links, never opens,
    and nothing once its reader has withdrawn a topic of measuring of `catalogue`. It writes nothing: a link that no
    mail has held yet leads straight on.
    """
    held = unseal(settings.secret_bytes(), VIEW, token)
    if held is None:
        return None
    key = held[0]
    with database.read() as connection:
        row = hand_over.sent(connection, key, topics_of("tracking", catalogue))
        live = definitions.in_force(connection, row["handed_over_at"]) if row is not None else None
    if row is None or live is None:
        return None
    composer = Composer(settings, plans_of(live), now, takes_raw=False)
    try:
        with database.read() as connection:
            draft = composer.draft(row, key)
            numbers = tracked_links.known_numbers(connection, draft.links)
        return composer.page(draft, numbers)
    except (SkipThis, DefinitionError):
        return None
