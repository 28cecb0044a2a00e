"""The sales desk's business hours as a window."""

from __future__ import annotations

from datetime import time

from nurture.definitions.lifecycle import SalesDesk
from nurture.definitions.sequences import Window


def desk_window(desk: SalesDesk) -> Window:
    """When sales is at work, in the project's time zone."""
    start, end = (time.fromisoformat(clock) for clock in desk.business_hours)
    return Window.model_validate({"days": list(desk.business_days), "from": start, "to": end})
