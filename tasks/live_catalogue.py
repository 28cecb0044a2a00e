"""The catalogue in force, for those who record facts between runs."""

from __future__ import annotations

from db import definitions
from db.engine import Database
from nurture.check import check_documents
from nurture.definitions.catalogue import Catalogue
from nurture.errors import DefinitionError
from tasks.definition_files import load_tree
from tasks.settings import Settings


class LiveCatalogue:
    """Reads the catalogue once per publication; before the first one, the working tree's."""

    def __init__(self, database: Database, settings: Settings) -> None:
        self.database = database
        self.settings = settings
        self._hash: str | None = None
        self._catalogue: Catalogue | None = None

    def get(self) -> Catalogue:
        """The catalogue; raises DefinitionError when nothing is published and the working tree has errors."""
        with self.database.read() as connection:
            hash_ = definitions.live_hash(connection)
            if self._catalogue is not None and hash_ == self._hash:
                return self._catalogue
            live = definitions.live(connection)
        documents = live.documents if live else check_documents(load_tree(self.settings.templates)).documents
        if "events" not in documents:
            raise DefinitionError("events.yaml cannot be used, and nothing is published; run `ripen check`")
        self._hash, self._catalogue = hash_, Catalogue.model_validate(documents["events"])
        return self._catalogue
