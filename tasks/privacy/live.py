"""The live definitions, where there are any: a person may ask before anything was ever published."""

from __future__ import annotations

from db import definitions
from tasks.context import Compiled, Context


def compiled_if_live(context: Context) -> Compiled | None:
    """The live definitions; none as long as no run has looked at anybody."""
    with context.database.read() as connection:
        if definitions.live_hash(connection) is None:
            return None
    return context.compiled()
