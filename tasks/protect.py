"""Let a sequence rest whose mails are marked as spam, or bounce, too often; only a person lets it go on."""

from __future__ import annotations

from db import sending_rates, sequences
from nurture.sending_rates import findings
from tasks.context import Run


def protect(run: Run) -> dict[str, int]:
    """Look at the rates when something has come in that may have raised one, and hold what is past its limit."""
    with run.context.database.read() as connection:
        if not sending_rates.may_have_risen(connection):
            return {}
    limits = run.context.compiled().bundle.lifecycle.deliverability
    with run.context.database.write() as connection:
        # Before the mark: intake waits for the mark, and who hands over waits for intake.
        sequences.take_alone(connection)
        sending_rates.looked(connection)
        found = findings(sending_rates.sendings(connection, limits.window, run.now), limits)
        held: dict[str, str] = {}
        for each in found:
            for name in each.sequences if each.hold else ():
                if name not in held:
                    sequences.set_state(connection, name, "hold", each.reason, run.now)
                    held[name] = each.reason
    if found:
        run.notes["rates"] = [
            {"sequences": list(each.sequences), "code": each.code, "figures": each.figures, "hold": each.hold}
            for each in found
        ]
    warned = sum(not each.hold for each in found)
    return {key: value for key, value in (("sequences_held", len(held)), ("rate_warnings", warned)) if value}
