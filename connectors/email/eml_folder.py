"""Mail as files: one `.eml` a message, placed by a rename, so a file is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from connectors.email.base import Abilities, OutgoingMail, Phase, Receipt, Verdict, refusal
from nurture.errors import TransportDown


@dataclass(frozen=True, slots=True)
class EmlFolder:
    """Messages written to `<folder>/<message_key>.eml`, readable by their owner only."""

    folder: Path | str
    fsync: bool = False  # True: a placed file survives a power cut

    @property
    def name(self) -> str:
        return "eml"

    @property
    def abilities(self) -> Abilities:
        return Abilities()

    def open(self) -> EmlSession:
        """Make the folder if it is missing and give a session; raises TransportDown."""
        folder = Path(self.folder)
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _folder_trouble(error) from None
        return EmlSession(folder, self.fsync)


class EmlSession:
    """Writes messages one after the other into one folder."""

    def __init__(self, folder: Path, fsync: bool) -> None:
        self._folder = folder
        self._fsync = fsync
        self._staged: tuple[Path, Path] | None = None

    def stage(self, mail: OutgoingMail) -> Receipt | None:
        """Write the message under a hidden name; raises TransportDown when the folder cannot be written."""
        if self._staged is not None:
            raise RuntimeError("a message is staged already: commit or abandon it first")
        if reason := refusal(mail):
            return Receipt(Verdict.REJECTED, reason, None, Phase.CHECK)
        # The name is new each time: a writer that lost its claim must not write into its successor's file.
        hidden = self._folder / f".{mail.message_key}.{secrets.token_hex(6)}.tmp"
        try:
            self._write(hidden, mail.raw)
        except OSError as error:
            _discard(hidden)
            raise _folder_trouble(error) from None
        self._staged = hidden, self._folder / f"{mail.message_key}.eml"
        return None

    def commit(self) -> Receipt:
        """Rename the file into place; a message that lies there already stays as it is."""
        if self._staged is None:
            raise RuntimeError("no message is staged")
        hidden, placed = self._staged
        if placed.exists():
            self.abandon()
            return Receipt(Verdict.ACCEPTED, "already in the folder", placed.name, Phase.DOT)
        self._staged = None
        try:
            os.replace(hidden, placed)
        except OSError as error:
            _discard(hidden)
            return Receipt(Verdict.RETRY, f"not placed: {type(error).__name__}", None, Phase.DOT)
        try:
            self._sync_folder()
        except OSError as error:
            return Receipt(Verdict.UNKNOWN, f"placed, not on disk: {type(error).__name__}", placed.name, Phase.DOT)
        return Receipt(Verdict.ACCEPTED, "placed in the folder", placed.name, Phase.DOT)

    def abandon(self) -> None:
        """Delete the hidden file."""
        if self._staged is not None:
            hidden, self._staged = self._staged[0], None
            _discard(hidden)

    def close(self) -> None:
        """Delete what is staged."""
        self.abandon()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(self, path: Path, raw: bytes) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with open(descriptor, "wb") as file:
            file.write(raw)
            file.flush()
            if self._fsync:
                os.fsync(file.fileno())

    def _sync_folder(self) -> None:
        if self._fsync:
            descriptor = os.open(self._folder, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


def _discard(hidden: Path) -> None:
    with contextlib.suppress(OSError):  # a leftover is hidden and harmless
        hidden.unlink()


def _folder_trouble(error: OSError) -> TransportDown:
    why = os.strerror(error.errno) if error.errno else type(error).__name__
    return TransportDown(f"the mail folder cannot be written ({why}); check the setting `folder`, its rights and space")
