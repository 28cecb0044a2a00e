"""The pieces of work that are measured, in the order of a day; each finds what the earlier ones left."""

from __future__ import annotations

from typing import Any

from bench.measures import advancing, audiences, changes, day, loading, rendering, scoring, sending

# Each has `measure(store, business, files)`, which yields rows, and where later ones build on it
# `prepare(store, business, files)`, which does the same unmeasured.
MEASURES: dict[str, Any] = {
    "loading": loading,
    "scoring": scoring,
    "changes": changes,
    "advancing": advancing,
    "rendering": rendering,
    "sending": sending,
    "audiences": audiences,
    "day": day,
}
