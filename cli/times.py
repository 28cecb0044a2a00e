"""Instants on the command line, and the one place where a command reads the clock."""

from __future__ import annotations

from datetime import UTC, datetime

from nurture import local_time
from nurture.errors import BadInput, BadSetting


def instant(text: str | None, zone: str = "UTC") -> datetime:
    """An ISO 8601 instant, local to `zone` when it has no offset; without one, the clock; raises BadInput."""
    if text is None:
        return datetime.now(UTC)
    try:
        value = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"`{text}` is not an instant; write it like 2026-03-02T08:30:00+01:00") from None
    local = local_time.zone(zone)
    if local is None:
        raise BadSetting(f"project.time_zone: there is no time zone `{zone}`; write one like Europe/Copenhagen")
    return (value if value.tzinfo else value.replace(tzinfo=local)).astimezone(UTC)
