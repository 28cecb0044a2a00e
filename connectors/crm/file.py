"""The file CRM: each task as JSON and as a Markdown brief that a salesperson can read."""

from __future__ import annotations

import os
import re
from pathlib import Path

import orjson

from connectors.crm.base import CrmTask
from nurture.errors import OutsideFailed

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*\Z")


class FileCrm:
    """Writes `<folder>/<external id>.json` and `.md`, each atomically, the brief last."""

    name = "file"

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def upsert(self, task: CrmTask) -> str:
        """Write both files; a repeated revision writes the same."""
        if not _NAME.match(task.external_id):
            raise OutsideFailed(f"the task id {task.external_id!r} cannot be a file name")
        content = {"external_id": task.external_id, "revision": task.revision, **task.facts}
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._write(
                f"{task.external_id}.json", orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z)
            )
            self._write(f"{task.external_id}.md", task.brief.encode())
        except OSError as error:
            raise OutsideFailed(
                f"cannot write into {self.folder}: {error.strerror}; make the folder writable, or set crm_folder"
            ) from None
        return str(self.folder / f"{task.external_id}.md")

    def forget(self, external_id: str, reference: str | None) -> None:
        """Delete both files, and what a write that was cut short has left."""
        if not _NAME.match(external_id):
            raise OutsideFailed(f"the task id {external_id!r} cannot be a file name")
        names = (f"{external_id}.json", f"{external_id}.md")
        try:
            for name in (*names, *(f".{each}.part" for each in names)):
                (self.folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise OutsideFailed(
                f"cannot delete in {self.folder}: {error.strerror}; make the folder writable, or set crm_folder"
            ) from None

    def _write(self, name: str, content: bytes) -> None:
        half = self.folder / f".{name}.part"
        half.write_bytes(content)
        os.replace(half, self.folder / name)
