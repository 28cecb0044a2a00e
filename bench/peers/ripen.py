"""The workload with Ripen, on SQLite: `python -m bench.peers.ripen CONTACTS`.

Events are taken in by their door and scored; then two daily syncs, three days apart, send the two mails. What a mail
costs is everything in these two but rescoring: consent, caps, the ledger, hand-over, audit and report.
"""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson

from bench.business import NOW, documents
from bench.people import agree, settle
from bench.stores import Store, store
from connectors.email import SmtpConnector, SmtpSettings
from tasks.context import Context, Run
from tasks.day import Counts, Step, run_flow
from tasks.import_file import import_file
from tasks.publish import publish

_SEQUENCE = {
    "sequence": "two-mails",
    "title": "Two mails",
    "topic": "nurture",
    "entry": {"when": {"score": {"dimension": "interest", "at_least": 30}}, "reentry": "never"},
    "steps": [
        {"id": "thanks", "email": "wp-thanks"},
        {"id": "pause", "wait": "3 days"},
        {"id": "case-study", "email": "wp-case-study"},
    ],
}


def main(contacts: int) -> None:
    """Print CPU milliseconds a mail and an event as JSON."""
    folder = Path(os.environ["BENCH_FOLDER"])
    with store("sqlite", folder) as made:
        context = _context(made, contacts)
        _import(context, _file(folder, "leads", contacts, 1), "leads")
        agree(made, "nurture")
        settle(made)
        events = _file(folder, "events", contacts, 10)
        began = time.process_time()
        _import(context, events, "events")
        event_s = time.process_time() - began
        mail_s, mails, parts = 0.0, 0, Counter[str]()

        def seam(name: str, step: Step, run: Run) -> Counts:
            start = time.process_time()
            counts = step(run)
            parts[name] += time.process_time() - start  # type: ignore[assignment]
            return counts

        for day in (0, 3):
            began = time.process_time()
            outcome = run_flow(context, "daily-sync", NOW + timedelta(days=day), seam)
            mail_s += time.process_time() - began
            mails += outcome.counts.get("messages_accepted", 0)
    event_s, mail_s = event_s + parts["rescore"], mail_s - parts["rescore"]
    dearest = ", ".join(f"{name} {cost / mails * 1000:.2f}" for name, cost in parts.most_common(4) if name != "rescore")
    answer: dict[str, Any] = {"mail_ms": mail_s / mails * 1000, "event_ms": event_s / contacts / 10 * 1000}
    print(orjson.dumps(answer | {"mails": mails, "note": f"ms a mail: {dearest}"}).decode())


def _context(made: Store, contacts: int) -> Context:
    texts = documents()
    texts["scoring"] |= {"groups": {}, "rules": [{"id": "visited", "event": "page.pricing_visited", "points": 5}]}
    texts["sequences/two-mails"] = _SEQUENCE
    smtp = SmtpSettings("127.0.0.1", int(os.environ["BENCH_PORT"]), security="none")
    context = made.context(email=SmtpConnector(smtp))
    publish(context, NOW, documents=texts)
    context.settings.email.limit_per_run = contacts
    return context


def _import(context: Context, path: Path, kind: Any) -> None:
    catalogue = context.compiled().bundle.catalogue
    import_file(context.database, path, kind, None, now=NOW, catalogue=catalogue, secret=b"bench", enroll=True)


def _file(folder: Path, kind: str, contacts: int, each: int) -> Path:
    path = folder / f"{kind}.jsonl"
    with path.open("wb") as file:
        for number in range(contacts * each):
            row: dict[str, Any] = {"email": f"lead{number // each}@example.com"}
            if kind == "leads":
                row |= {"name": f"Lead {number}", "country": "DK"}
            else:
                at = NOW - timedelta(minutes=10 + number % each)
                row |= {"source": "peers", "source_event_id": f"e{number}", "type": "page.pricing_visited"}
                row |= {"occurred_at": at.isoformat()}
            file.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
    return path


if __name__ == "__main__":
    main(int(sys.argv[1]))
