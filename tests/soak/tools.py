"""The programs of the soak that no Python package brings: found, or installed by `python -m tests.soak.tools`."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOME = ROOT / ".soak"
SCREENS = HOME / "screens"
VNU_VERSION = "26.9.27"
VNU = HOME / "node_modules" / "vnu-jar" / "build" / "dist" / "vnu.jar"


@dataclass(frozen=True)
class Program:
    """A program of the machine: the names it goes by, and the Debian package that has it."""

    names: tuple[str, ...]
    package: str

    def find(self) -> str | None:
        """Where it lies, None when the machine does not have it."""
        return next((found for name in self.names if (found := shutil.which(name))), None)


CHROMIUM = Program(("chromium", "chromium-browser", "google-chrome"), "chromium")
SPAMASSASSIN = Program(("spamassassin",), "spamassassin")
JAVA = Program(("java",), "default-jre-headless")
NPM = Program(("npm",), "npm")
PROGRAMS = (CHROMIUM, SPAMASSASSIN, JAVA)


def need(program: Program) -> str:
    """The path of a program; without it the soak has failed, for a proof that did not run is none."""
    found = program.find()
    assert found, f"there is no {program.names[0]}: run `make soak` as root on Debian, or install `{program.package}`"
    return found


def need_checker() -> list[str]:
    """The command of the Nu HTML Checker."""
    assert VNU.is_file(), f"there is no {VNU.relative_to(ROOT)}: run `make soak` with npm at hand"
    return [need(JAVA), "-jar", str(VNU)]


def main() -> None:
    """Install what is missing and say so; what cannot be had is named by the tests that need it."""
    missing = [program.package for program in PROGRAMS if not program.find()]
    if not VNU.is_file() and not NPM.find():
        missing.append(NPM.package)
    if missing:
        _apt(missing)
    if not VNU.is_file() and (npm := NPM.find()):
        HOME.mkdir(exist_ok=True)
        # Without its script: that one fetches a Java, and Debian's is here.
        options = ["--prefix", str(HOME), "--no-save", "--no-audit", "--no-fund", "--ignore-scripts"]
        _run([npm, "install", *options, f"vnu-jar@{VNU_VERSION}"])
    for program in PROGRAMS:
        print(f"soak: {program.names[0]}: {program.find() or 'MISSING'}")
    print(f"soak: Nu HTML Checker: {VNU.relative_to(ROOT) if VNU.is_file() else 'MISSING'}")


def _apt(packages: list[str]) -> None:
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        print(f"soak: cannot install {' '.join(packages)} here (needs apt-get and root)")
        return
    _run([apt, "update", "-qq"])
    _run([apt, "install", "-y", "-qq", "--no-install-recommends", *packages])


def _run(command: list[str]) -> None:
    print(f"soak: {' '.join(command)}", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    done = subprocess.run(command, env=environment, check=False)
    if done.returncode:
        print(f"soak: that failed ({done.returncode})")


if __name__ == "__main__":
    main()
