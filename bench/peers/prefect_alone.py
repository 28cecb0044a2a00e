"""The mails with Prefect as the engine, a task run for each lead: `python -m bench.peers.prefect_alone TASK_RUNS`.

Each task run reads its lead's points, renders a mail with Jinja2, builds it, and writes down that it was sent. It runs
in the Prefect that Ripen is locked to, on a server of its own.
"""

from __future__ import annotations

import os
import sqlite3
import sys
import time
from email.message import EmailMessage
from pathlib import Path

import jinja2
import orjson

from bench.cost import server_cpu
from tasks.prefect_home import prefect_environment

_TEXT = "<p>Hi {{ name }},</p>" + "<p>This is what most readers find useful, and it takes five minutes.</p>" * 8


def main(leads: int) -> None:
    """Print CPU milliseconds a mail, in the flow and in the server, as JSON."""
    folder = Path(os.environ["BENCH_FOLDER"])
    os.environ.update(prefect_environment(folder / "prefect"), PREFECT_LOGGING_LEVEL="ERROR")
    # Imported here: Prefect reads its settings when it is imported.
    from prefect import flow, task
    from prefect.cache_policies import NO_CACHE
    from prefect.server.api.server import SubprocessASGIServer
    from prefect.testing.utilities import prefect_test_harness

    connection = sqlite3.connect(folder / "prefect-alone.db", isolation_level=None)
    connection.execute("CREATE TABLE leads (id INTEGER PRIMARY KEY, points INTEGER, sent INTEGER DEFAULT 0)")
    connection.executemany("INSERT INTO leads (id, points) VALUES (?, 50)", [(number,) for number in range(leads)])
    template = jinja2.Environment(autoescape=True).from_string(_TEXT)
    outbox: list[bytes] = []

    @task(cache_policy=NO_CACHE, persist_result=False)
    def mail(number: int) -> None:
        points = connection.execute("SELECT points FROM leads WHERE id = ?", (number,)).fetchone()[0]
        if points < 30:
            return
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "hello@example.com", f"lead{number}@example.com", "Thanks"
        html = template.render(name=f"Lead {number}")
        message.set_content("This is what most readers find useful.")
        message.add_alternative(html, subtype="html")
        outbox.append(message.as_bytes())
        connection.execute("UPDATE leads SET sent = 1 WHERE id = ?", (number,))

    @flow(persist_result=False)
    def send() -> None:
        for number in range(leads):
            mail(number)

    with prefect_test_harness(server_startup_timeout=180):
        process = SubprocessASGIServer._instances[None].server_process
        assert process is not None
        before, began = server_cpu(process.pid), time.process_time()
        send()
        flow_s = time.process_time() - began
        # The server writes task runs down a little later.
        while (seen := server_cpu(process.pid)) > before:
            time.sleep(2)
            if server_cpu(process.pid) - seen < 0.2:
                break
        server_s = server_cpu(process.pid) - before
    sent = len(outbox)
    note = f"of that {server_s / sent * 1000:.0f} ms in the server; points are given, nothing is scored"
    print(orjson.dumps({"mail_ms": (flow_s + server_s) / sent * 1000, "mails": sent, "note": note}).decode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
