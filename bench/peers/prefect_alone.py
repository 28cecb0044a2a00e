"""The mails with Prefect as the engine, a task run for each lead: `python -m bench.peers.prefect_alone TASK_RUNS`.

Each task run reads its lead's points, renders a mail with Jinja2, sends it, and writes that down. It runs
in the Prefect that Ripen is locked to, on a server of its own.
"""

from __future__ import annotations

import os
import smtplib
import sqlite3
import sys
import time
from email.message import EmailMessage
from pathlib import Path

import jinja2
import orjson

from bench.cost import server_cpu
from bench.in_prefect import task_runs_recorded
from tasks.prefect_home import prefect_environment

# As long as Ripen's, 4 KB.
_TEXT = "<p>Hi {{ name }},</p>" + "<p>This is what most readers find useful, and it takes five minutes.</p>" * 55


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
    sent: list[int] = []
    port = int(os.environ["BENCH_PORT"])

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
        with smtplib.SMTP("127.0.0.1", port) as server:
            server.send_message(message)
        sent.append(number)
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
        assert task_runs_recorded(leads) == leads
        server_s = server_cpu(process.pid) - before
    mails = len(sent)
    note = f"of that {server_s / mails * 1000:.0f} ms in the server; points are given, nothing is scored"
    print(orjson.dumps({"mail_ms": (flow_s + server_s) / mails * 1000, "mails": mails, "note": note}).decode())


if __name__ == "__main__":
    main(int(sys.argv[1]))
