"""How many examples a property test runs: few by day, twenty times as many in the soak."""

from __future__ import annotations

from hypothesis import settings

_SOAK = 20


def examples(count: int) -> int:
    """So many examples, or twenty times as many under the Hypothesis profile `soak`."""
    return count * (_SOAK if settings.default.max_examples >= settings.get_profile("soak").max_examples else 1)
