"""`make serve`: `ripen serve` for the demo's workspace, or for a new one when there is no demo yet."""

from __future__ import annotations

import sys
from pathlib import Path

from cli.main import run
from cli.output import say
from tasks.workspace import CHECKOUT, init_workspace

_SETTINGS = "ripen.toml"


def main() -> None:
    """Serve the workspace named by `--home`, else `demo`, else `workspace`, which is laid out when it is missing."""
    arguments = sys.argv[1:]
    if not any(each.split("=")[0] == "--home" for each in arguments):
        arguments = [*arguments, "--home", str(_workspace(CHECKOUT))]
    sys.exit(run(["serve", *arguments]))


def _workspace(checkout: Path) -> Path:
    demo, own = checkout / "demo", checkout / "workspace"
    if (demo / _SETTINGS).exists():
        return demo
    if not (own / _SETTINGS).exists():
        init_workspace(own)
        say(f"A new workspace lies in {own}.")
    return own


if __name__ == "__main__":
    main()
