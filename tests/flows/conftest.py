"""A small workspace full of canaries, and a look at everything that Prefect keeps."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from db.intake import store
from nurture import failpoints
from nurture.records import Consent, EventRecord, Identity, LeadRecord, Record
from tasks.live_catalogue import LiveCatalogue
from tasks.workspace import init_workspace, open_context

NOW = datetime(2026, 3, 3, 9, tzinfo=UTC)
# Each in a place of its own; none may ever be seen in anything that Prefect keeps.
CANARIES = (
    b"canary.mail",
    b"Canaryfirst",
    b"Canarylast",
    b"Canarycompany",
    b"canary-property",
    b"4520123456",
    b"canary-exception",
)
_FACTS = ("content.white_paper_downloaded", "demo.requested", "webinar.attended", "page.pricing_visited")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace as `ripen init` makes it, with eight leads who have done something; RIPEN_HOME names it."""
    folder = tmp_path / "workspace"
    init_workspace(folder)
    monkeypatch.setenv("RIPEN_HOME", str(folder))
    context = open_context(folder)
    catalogue = LiveCatalogue(context.database, context.settings).get()
    before = NOW - timedelta(hours=2)
    with context.database.write() as connection:
        store(
            connection,
            [record for number in range(8) for record in _person(number, before)],
            source="test",
            now=before,
            silent=False,
            catalogue=catalogue,
            secret=context.settings.secret_bytes(),
        )
    context.database.dispose()
    return folder


def _person(number: int, at: datetime) -> list[Record]:
    address = f"canary.mail{number}@example.com"
    who = (Identity("email", address), Identity("phone", f"+4520123456{number}"))
    fields = {
        "email": address,
        "phone": f"+4520123456{number}",
        "first_name": "Canaryfirst",
        "last_name": f"Canarylast{number}",
        "company": f"Canarycompany {number % 3}",
        "country": "DK",
    }
    consent = Consent("granted", "consent", "form", channel="email")
    fact = EventRecord("site", f"fact-{number}", _FACTS[number % 4], at, who, {"page": "canary-property"})
    return [LeadRecord(who, fields, consents=(consent,), created_at=at), fact]


@pytest.fixture
def interrupt() -> Iterator[Any]:
    """Lets a test raise at a named point of the steps: `interrupt(point, error)`; None raises nothing any more."""

    def at(point: str, *errors: Exception) -> None:
        waiting = list(errors)

        def listener(name: str) -> None:
            if name == point and waiting:
                raise waiting.pop(0)

        failpoints.listen(listener)

    yield at
    failpoints.listen(None)


@dataclass
class Kept:
    """What the Prefect server says, and everything that it and its clients have written to disk."""

    api_url: str

    def run(self, run_id: UUID) -> Any:
        """A flow run as the server knows it."""
        from prefect.client.orchestration import get_client

        with get_client(sync_client=True) as client:
            return client.read_flow_run(run_id)

    def task_runs(self, run_id: UUID, count: int) -> list[Any]:
        """The task runs of a flow run in their order, as soon as the server has written so many in a final state."""
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

        until = time.monotonic() + 60
        with get_client(sync_client=True) as client:
            while True:
                found = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run_id])))
                final = [each for each in found if each.state and each.state.is_final()]
                if len(final) >= count or time.monotonic() > until:
                    return sorted(final, key=lambda each: each.start_time)
                time.sleep(0.2)

    def artifacts(self, run_id: UUID) -> dict[str, Any]:
        """The artifacts of a flow run by their keys."""
        from prefect.client.orchestration import get_client
        from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

        wanted = ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
        with get_client(sync_client=True) as client:
            return {each.key: each for each in client.read_artifacts(artifact_filter=wanted)}

    def events(self, kind: str) -> list[dict[str, Any]]:
        """The events that begin so, as soon as the server has any."""
        import httpx

        url = f"{self.api_url}/events/filter"
        until = time.monotonic() + 60
        with httpx.Client(trust_env=False) as client:
            while True:
                answer = client.post(url, json={"filter": {"event": {"prefix": [f"prefect.{kind}"]}}, "limit": 50})
                found: list[dict[str, Any]] = answer.json()["events"]
                if found or time.monotonic() > until:
                    return found
                time.sleep(0.2)

    def files(self) -> list[Path]:
        """The files of the server's database and of PREFECT_HOME."""
        from prefect.settings import get_current_settings

        url = get_current_settings().server.database.connection_url
        database = Path(url.get_secret_value().removeprefix("sqlite+aiosqlite:///"))
        folders = {database.parent, Path(os.environ["PREFECT_HOME"])}
        found = [path for folder in folders for path in folder.rglob("*") if path.is_file()]
        assert database in found
        return found

    def canaries(self) -> list[tuple[str, bytes]]:
        """Every canary that was seen in any of the files."""
        return [(path.name, each) for path in self.files() for each in CANARIES if each in path.read_bytes()]


@pytest.fixture
def kept(prefect_server: str) -> Kept:
    """A real Prefect server, and a way to look into it."""
    return Kept(prefect_server)
