"""From the settings of a source to the connector that reads it."""

from __future__ import annotations

import os

from connectors.events.base import EventSource, FileSource
from connectors.events.folder import FolderSource
from connectors.events.http_json import HttpJsonSettings, HttpJsonSource
from connectors.events.imap_mailbox import ImapMailbox, ImapSettings
from nurture.errors import BadSetting
from tasks.mappers import load_mapping
from tasks.settings import FolderSourceSettings, HttpSourceSettings, ImapSourceSettings, Settings


def build_source(
    source: FolderSourceSettings | HttpSourceSettings | ImapSourceSettings, settings: Settings
) -> EventSource | FileSource:
    """The connector of one source; raises BadSetting or BadInput when its settings cannot work."""
    if isinstance(source, ImapSourceSettings):
        return _mailbox(source, settings)
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


def _mailbox(source: ImapSourceSettings, settings: Settings) -> ImapMailbox:
    return ImapMailbox(
        source.name,
        ImapSettings(
            host=source.host,
            port=source.port,
            username=source.username,
            password=_secret(source.name, "password", source.password_env),
            folder=source.folder,
            move_to=source.move_to,
            security=source.security,
            certificates=str(settings.inside(source.certificates)) if source.certificates else None,
        ),
        silent=source.silent,
    )


def _token(source: HttpSourceSettings) -> str | None:
    return _secret(source.name, "token", source.token_env) if source.token_env else None


def _secret(source: str, what: str, variable: str) -> str:
    found = os.environ.get(variable)
    if not found:
        raise BadSetting(f"the source `{source}` needs its {what} in the environment variable {variable}")
    return found
