"""How Prefect is set up for a workspace: its own home there, nothing sent anywhere, no personal data kept."""

from __future__ import annotations

import os
from pathlib import Path

FOLDER = ".prefect"
# The global concurrency limit that says how fast mails leave; `ripen serve` makes it of the settings.
EMAIL_RATE = "ripen-email"

_SETTINGS = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
    # Results stay in memory; and nothing that has to be written is ever a pickle.
    "PREFECT_RESULTS_PERSIST_BY_DEFAULT": "false",
    "PREFECT_RESULTS_DEFAULT_SERIALIZER": "json",
    # A server inside the process, when no other is named; it starts slowly on a busy machine.
    "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "180",
    # Task runs are written in batches: a third of the server's work.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "200",
    # Runs and events older than Prefect's 90 days go; the business's own history is in its own database.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    # A run whose process died says so within two minutes, see flows/automations.yaml.
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}


def prefect_environment(home: Path, api_url: str | None = None) -> dict[str, str]:
    """This process's environment with Prefect set up for the workspace `home`, for a process that starts now.

    What the operator has set stands. `api_url` names the server; without one and without `PREFECT_API_URL` a flow
    starts a server of its own on the same database.
    """
    own = {"RIPEN_HOME": str(home), "PREFECT_HOME": str(home / FOLDER), **_SETTINGS}
    if api_url is not None:
        own["PREFECT_API_URL"] = api_url
    given = {name: value for name, value in os.environ.items() if name != "RIPEN_HOME"}
    if api_url is not None:
        given.pop("PREFECT_API_URL", None)
        given.pop("PREFECT_HOME", None)
    return {**own, **given}
