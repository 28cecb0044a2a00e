"""`ripen serve`: Prefect server, deployments, worker and web door of one workspace, on this machine alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from cli.output import say
from cli.processes import Child, Household
from cli.workspace import Home, home_of
from connectors.prefect_server import PrefectServer, answers, port_is_free
from nurture.errors import OutsideFailed
from nurture.strict_yaml import load_yaml
from tasks.prefect_home import EMAIL_RATE, FOLDER, prefect_environment
from tasks.settings import Settings
from tasks.workspace import CHECKOUT, open_database, settings_of

HOST = "127.0.0.1"
POOL = "ripen"
PREFECT_PORT = 4200
_START_SECONDS = 180.0
_AUTOMATIONS = CHECKOUT / "flows" / "automations.yaml"


def serve_command(
    *,
    home: Home = None,
    port: Annotated[int | None, Parameter(help="Of the web door; default: [web] port in ripen.toml.")] = None,
    prefect_port: Annotated[int, Parameter(help="Of the Prefect server.")] = PREFECT_PORT,
) -> int:
    """Start everything that a workspace needs to run by itself, and stop it all on Ctrl-C.

    Example: `ripen serve --home demo`
    """
    return serve(home_of(home), port=port, prefect_port=prefect_port)


def serve(home: Path, *, port: int | None = None, prefect_port: int = PREFECT_PORT) -> int:
    """Serve until SIGINT or SIGTERM.

    Raises BadInput for a folder that is no workspace, and OutsideFailed when a part cannot start or keeps dying.
    """
    settings = settings_of(home)
    open_database(settings).dispose()
    house = _House(home, settings, port or settings.web.port, prefect_port)
    house.refuse_taken_ports()
    say("Starting the Prefect server and the web door; the first time takes half a minute ...")
    with house.household.open():
        if house.start():
            say(house.greeting())
            house.household.watch()
    say("Stopped. Everything done so far stands.")
    return 0


class _House:
    """The processes of one workspace and how they find each other."""

    def __init__(self, home: Path, settings: Settings, port: int, prefect_port: int) -> None:
        self.web_url = f"http://{_shown(settings.web.host)}:{port}"
        self.prefect_url = f"http://{HOST}:{prefect_port}"
        self.ports = ((settings.web.host, port, "--port"), (HOST, prefect_port, "--prefect-port"))
        self.rate = settings.email.rate_per_second
        self.logs = home / FOLDER
        self.logs.mkdir(mode=0o700, exist_ok=True)
        self.environment = {
            **prefect_environment(home, f"{self.prefect_url}/api"),
            "PYTHONPATH": str(CHECKOUT),
            "RIPEN_PREFECT_URL": self.prefect_url,
            # What prefect.yaml says of the daily sync's time zone.
            "RIPEN_PROJECT__TIME_ZONE": settings.project.time_zone,
        }
        self.household = Household()
        self.server = self._child(
            "The Prefect server", "server.log", f"prefect --no-prompt server start --host {HOST} --port {prefect_port}"
        )
        # It only keeps what it is told; no secret of the workspace has a place there.
        self.server.environment = {
            name: value for name, value in self.environment.items() if not name.startswith("RIPEN_")
        }
        self.worker = self._child(
            "The worker",
            "worker.log",
            f"prefect --no-prompt worker start --pool {POOL} --type process --name {POOL}-{prefect_port}",
        )
        self.web = self._child(
            "The web door",
            "web.log",
            f"uvicorn web.app:create_app --factory --host {settings.web.host} --port {port} "
            "--no-access-log --no-server-header --log-level warning",
        )

    def _child(self, name: str, log: str, module: str) -> Child:
        command = (sys.executable, "-m", *module.split())
        return Child(name, command, CHECKOUT, self.environment, self.logs / log)

    def refuse_taken_ports(self) -> None:
        """Say at once when somebody else listens where we want to."""
        for host, port, option in self.ports:
            if not port_is_free(host, port):
                raise OutsideFailed(
                    f"port {port} on {host} is taken; end what listens there, or choose another: {option} N"
                )

    def start(self) -> bool:
        """Start all parts in the order in which they need each other; False when we are told to end meanwhile."""
        for child in (self.server, self.worker, self.web):
            child.log.write_bytes(b"")
        prefect = PrefectServer(f"{self.prefect_url}/api")
        try:
            household = self.household
            household.start(self.server)
            household.start(self.web)
            if not household.wait_until(prefect.is_healthy, self.server, _START_SECONDS):
                return False
            household.start(self.worker)
            if not household.wait_until(lambda: answers(f"{self.web_url}/health"), self.web, _START_SECONDS):
                return False
            # The worker makes the pool; deployments need it.
            if not household.wait_until(lambda: prefect.has_pool(POOL), self.worker, _START_SECONDS):
                return False
            self._deploy()
            for automation in _automations():
                prefect.ensure_automation(automation)
            if self.rate is not None:
                prefect.ensure_rate(EMAIL_RATE, self.rate)
            self.deployments = prefect.deployments()
        finally:
            prefect.close()
        return not household.over.is_set()

    def _deploy(self) -> None:
        ran = subprocess.run(
            (sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"),
            cwd=CHECKOUT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            # Ctrl-C is for us; this ends by itself in a few seconds.
            start_new_session=True,
        )
        (self.logs / "deploy.log").write_text(ran.stdout + ran.stderr, encoding="utf-8")
        if ran.returncode:
            raise OutsideFailed(
                f"the deployments of prefect.yaml were refused; see {self.logs / 'deploy.log'}:\n"
                + "\n".join((ran.stdout + ran.stderr).splitlines()[-12:])
            )

    def greeting(self) -> str:
        """Where everything is."""
        return (
            f"Ripen serves {self.logs.parent}\n"
            f"  runs and schedules   {self.prefect_url}\n"
            f"  web door             {self.web_url}\n"
            f"  deployments          {', '.join(self.deployments)}\n"
            f"  logs                 {self.logs}\n"
            "Ctrl-C stops everything."
        )


def _automations() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = load_yaml(_AUTOMATIONS.read_text(encoding="utf-8"), _AUTOMATIONS.name).data[
        "automations"
    ]
    return found


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host
