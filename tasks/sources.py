"""From the settings of a source to the connector that reads it."""

from __future__ import annotations

import os

from connectors.events.base import EventSource, FileSource
from connectors.events.folder import FolderSource
from connectors.events.http_json import HttpJsonSettings, HttpJsonSource
from nurture.errors import BadSetting
from tasks.mappers import load_mapping
from tasks.settings import FolderSourceSettings, HttpSourceSettings, Settings


def build_source(source: FolderSourceSettings | HttpSourceSettings, settings: Settings) -> EventSource | FileSource:
    """The connector of one source; raises BadSetting or BadInput when its settings cannot work."""
    mapping = load_mapping(source.mapping, settings.templates) if source.mapping else None
    if isinstance(source, FolderSourceSettings):
        return FolderSource(
            source.name,
            settings.inside(source.path),
            mapping=mapping,
            mapping_name=source.mapping,
            settle_seconds=source.settle_seconds,
            silent=source.silent,
        )
    pages = HttpJsonSettings(
        url=source.url,
        items=source.items,
        cursor=source.cursor,
        cursor_parameter=source.cursor_parameter,
        token=_token(source),
    )
    return HttpJsonSource(source.name, pages, mapping=mapping, mapping_name=source.mapping, silent=source.silent)


def _token(source: HttpSourceSettings) -> str | None:
    if source.token_env is None:
        return None
    token = os.environ.get(source.token_env)
    if not token:
        raise BadSetting(f"the source `{source.name}` needs its token in the environment variable {source.token_env}")
    return token
