"""From claimed rows to messages: drafts first, then the numbers of their links at once, then what goes out."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from db import settling, tracked_links
from nurture.errors import SkipThis
from nurture.failpoints import hit
from tasks.context import Compiled, Run
from tasks.mail import Composer, Draft, Mail
from tasks.safe_errors import place_of

logger = logging.getLogger(__name__)

_MISSING_FIELD_HOLD = timedelta(hours=24)


class Writer:
    """Writes the messages that one worker has claimed; what cannot be written is held with its reason."""

    def __init__(self, run: Run, compiled: Compiled, owner: str) -> None:
        self.run = run
        self.owner = owner
        takes_raw = run.context.email.abilities.takes_raw
        self.composer = Composer(run.context.settings, compiled, run.now, takes_raw=takes_raw)

    def write(self, claimed: Sequence[tuple[Mapping[str, Any], str]]) -> list[Mail]:
        """The messages of rows with their keys; fewer where a lead lacks a field, or a text is unfit."""
        drafts: list[Draft] = []
        for row, key in claimed:
            with self._holding(int(row["id"])):
                drafts.append(self.composer.draft(row, key))
        numbers = self._numbers_of(drafts)
        mails: list[Mail] = []
        for draft in drafts:
            with self._holding(int(draft.row["id"])):
                mails.append(self.composer.finish(draft, numbers))
        hit("deliver.rendered")
        return mails

    def _numbers_of(self, drafts: Sequence[Draft]) -> Mapping[str, int]:
        """The numbers of all links; what is one lead's own is not remembered, for it goes with that lead."""
        shared = self.run.context.link_numbers
        new: dict[str, int | None] = {}
        for draft in drafts:
            lead = int(draft.row["lead_id"])
            for url in draft.links:
                if url not in shared:
                    new[url] = lead if draft.is_own(url) and new.get(url, lead) == lead else None
        if not new:
            return shared
        with self.run.context.database.write() as connection:
            found = tracked_links.numbers_of(connection, new)
        shared.update((url, link.number) for url, link in found.items() if link.lead_id is None)
        return {**shared, **{url: link.number for url, link in found.items()}}

    @contextmanager
    def _holding(self, message_id: int) -> Iterator[None]:
        """One message that cannot be written is held, whatever the reason is; the others go on."""
        try:
            yield
        except SkipThis as error:
            self._hold(message_id, str(error))
        except MemoryError:
            raise
        except Exception as error:
            # A fault of ours; what the error says may be somebody's, so only its kind and place are told.
            found = f"unexpected {type(error).__name__} at {place_of(error)}: a fault of Ripen itself"
            logger.error("message %d cannot be written: %s", message_id, found)
            self._hold(message_id, found)

    def _hold(self, message_id: int, detail: str) -> None:
        until = self.run.now + _MISSING_FIELD_HOLD
        with self.run.context.database.write() as connection:
            settling.hold(connection, message_id, self.owner, until, "cannot-render", detail)
