"""What a refusal says about the address: it does not exist, or the provider has it on its own list of stops.

A fact of its own, so that it is an event like one that comes back later, with the same effect.
"""

from __future__ import annotations

from collections.abc import Iterable

from connectors.email.base import Phase, Receipt, Verdict
from db.intake import store
from nurture.inbound.statuses import enhanced_status, is_hard
from nurture.records import EventRecord
from tasks.context import Compiled, Run
from tasks.mail import Mail

# How a connector begins what it says of an address that the provider has stopped.
_SUPPRESSED = "suppressed:"
# Where an SMTP server speaks of the recipient; what we refuse ourselves says nothing about any mailbox.
_ABOUT_THE_RECIPIENT = (Phase.RCPT, Phase.DOT)


def mirror_refusals(run: Run, compiled: Compiled, receipts: Iterable[tuple[Mail, Receipt]]) -> None:
    """Store what refusals say about addresses; the stop is in that transaction."""
    catalogue = compiled.bundle.catalogue
    facts = [
        fact for mail, receipt in receipts if (fact := _fact(run, mail, receipt)) and fact.type in catalogue.events
    ]
    if not facts:
        return
    name, secret = run.context.email.name, run.context.settings.secret_bytes()
    with run.context.database.write() as connection:
        store(connection, facts, source=name, now=run.now, silent=False, catalogue=catalogue, secret=secret)


def _fact(run: Run, mail: Mail, receipt: Receipt) -> EventRecord | None:
    said = receipt.response
    if receipt.verdict is not Verdict.REJECTED:
        return None
    if said.startswith(_SUPPRESSED):
        kind, properties = "email.rejected", {"suppressed": True, "reason": said}
    elif receipt.phase in _ABOUT_THE_RECIPIENT and is_hard(enhanced_status(said), said):
        kind, properties = "email.bounced", {"kind": "hard", "reason": said}
    else:
        return None
    return EventRecord(
        run.context.email.name,
        f"{kind}:{mail.key}",
        kind,
        run.now,
        properties=properties,
        contact={"email": mail.recipient},
        lead_id=mail.lead_id,
        message_id=mail.message_id,
    )
