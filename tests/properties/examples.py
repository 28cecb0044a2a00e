"""How many examples a property test tries."""

from __future__ import annotations

from hypothesis import settings


def examples(n: int) -> int:
    """So many on a usual day, twenty times as many in a soak (`make soak`)."""
    return 20 * n if settings.get_current_profile_name() == "soak" else n
