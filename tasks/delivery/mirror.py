"""Whom the provider has on its own list of stops is on ours from now on."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.email.base import Receipt, Verdict
from db.intake import store
from nurture.records import EventRecord
from tasks.context import Compiled, Run
from tasks.mail import Mail

# How a connector begins what it says of an address that the provider has stopped, and what that is to a lead.
_SUPPRESSED, _REFUSED = "suppressed:", "email.rejected"


def mirror_stops(run: Run, compiled: Compiled, receipts: Iterable[tuple[Mail, Receipt]]) -> None:
    """Store as a fact of its own that the provider delivers nothing to an address; the stop is in that transaction."""
    catalogue = compiled.bundle.catalogue
    name = run.context.email.name
    facts = [
        EventRecord(
            name,
            f"suppressed:{mail.key}",
            _REFUSED,
            run.now,
            properties={"suppressed": True, "reason": receipt.response},
            contact={"email": mail.recipient},
            lead_id=mail.lead_id,
            message_id=mail.message_id,
        )
        for mail, receipt in receipts
        if receipt.verdict is Verdict.REJECTED and receipt.response.startswith(_SUPPRESSED)
    ]
    if not facts or _REFUSED not in catalogue.events:
        return
    secret = run.context.settings.secret_bytes()
    with run.context.database.write() as connection:
        store(connection, facts, source=name, now=run.now, silent=False, catalogue=catalogue, secret=secret)
