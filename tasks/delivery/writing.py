"""From claimed rows to messages: drafts first, then the numbers of their links at once, then what goes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from db import settling, tracked_links
from nurture.errors import SkipThis
from nurture.failpoints import hit
from tasks.context import Compiled, Run
from tasks.mail import Composer, Draft, Mail

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
            try:
                drafts.append(self.composer.draft(row, key))
            except SkipThis as error:
                self._hold(int(row["id"]), error)
        numbers = self._numbers_of({url for draft in drafts for url in draft.links})
        mails: list[Mail] = []
        for draft in drafts:
            try:
                mails.append(self.composer.finish(draft, numbers))
            except SkipThis as error:
                self._hold(int(draft.row["id"]), error)
        hit("deliver.rendered")
        return mails

    def _numbers_of(self, urls: set[str]) -> Mapping[str, int]:
        known = self.run.context.link_numbers
        new = urls - known.keys()
        if new:
            with self.run.context.database.write() as connection:
                found = tracked_links.numbers_of(connection, new)
            known.update(found)
        return known

    def _hold(self, message_id: int, error: SkipThis) -> None:
        until = self.run.now + _MISSING_FIELD_HOLD
        with self.run.context.database.write() as connection:
            settling.hold(connection, message_id, self.owner, until, "cannot-render", str(error))
