"""`ripen privacy`: show a person what is held about them, and forget them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from cli.output import print_counts, print_json, say
from cli.times import instant
from cli.workspace import Home, Json, Now, home_of
from nurture.errors import BadInput
from tasks.context import Context
from tasks.privacy.erase import Foreseen, erase_lead, foresee
from tasks.privacy.export import export_lead
from tasks.workspace import open_context

app = App(name="privacy", help="What is held about a person, and forgetting them.")


@app.command
def export(
    lead: str,
    /,
    *,
    out: Annotated[Path | None, Parameter(help="The folder; default: privacy/exports/lead-ID.")] = None,
    now: Now = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Write everything that is held about a lead into a folder, as JSON and CSV, with the mails.

    LEAD is an id, an e-mail address or any known identifier. Only you may read the folder.

    Example: `ripen privacy export ada@example.com`, or `ripen privacy export 12 --out ada --json`
    """
    context = open_context(home_of(home))
    at = instant(now, context.settings.project.time_zone)
    done = export_lead(context, lead, at, out.absolute() if out is not None else None)
    if json:
        print_json({"lead": done.lead, "folder": str(done.folder), "rows": dict(done.rows), "mails": done.mails})
        return 0
    print_counts(f"Lead {done.lead}", {**done.rows, "mails": done.mails})
    print(f"in {done.folder}; only you may read it. Hand it over and delete it.")
    return 0


@app.command
def erase(
    lead: str,
    /,
    *,
    yes: Annotated[bool, Parameter(negative="", help="Do not ask.")] = False,
    reason: Annotated[str | None, Parameter(help="Why, for the certificate; without a name.")] = None,
    now: Now = None,
    home: Home = None,
    json: Json = False,
) -> int:
    """Forget a person: everything but an empty row, counts, and a keyed hash by which no mail is ever sent again.

    It cannot be undone. It says first what will go, and asks. The certificate holds no name.

    Example: `ripen privacy erase ada@example.com`, or `ripen privacy erase 12 --yes --reason "asked by letter"`
    """
    context = open_context(home_of(home))
    at = instant(now, context.settings.project.time_zone)
    if not yes and not _agreed(context, lead, at):
        say("Nothing was erased.")
        return 1
    certificate = erase_lead(context, lead, at, reason=reason)
    if json:
        print_json(certificate)
    else:
        _show(certificate)
    return 0


def _agreed(context: Context, lead: str, at: Any) -> bool:
    """Show what will go, and ask; raises BadInput where nobody can be asked."""
    if not sys.stdin.isatty():
        raise BadInput("there is nobody to ask here; say --yes to erase without a question")
    _foreseen(foresee(context, lead, at))
    sys.stderr.write("Erase this person? It cannot be undone. Type `erase`: ")
    sys.stderr.flush()
    return sys.stdin.readline().strip() == "erase"


def _foreseen(found: Foreseen) -> None:
    if found.erased_at is not None:
        say(f"Lead {found.lead} was erased on {found.erased_at:%Y-%m-%d}; what has come in since goes.")
    rows = ", ".join(f"{number} {what.replace('_', ' ')}" for what, number in found.done.items() if number)
    say(f"Lead {found.lead} ({found.name or 'no name'}): {rows or 'nothing is left'}.")
    for each in found.files:
        say(f"not deleted, because it is not ours: {each}")


def _show(certificate: dict[str, Any]) -> None:
    if certificate.get("erased_before"):
        print(f"This address was erased before, on {certificate['requested_at'][:10]}; nothing of it is left.")
        return
    print(f"Lead {certificate['lead']} was erased: certificate {certificate['erasure']}.")
    print_counts("What was done", {what.replace("_", " "): number for what, number in certificate["done"].items()})
    for what, number in certificate["waits_for"].items():
        print(f"still to be told, or to end: {what.replace('_', ' ')}: {number}")
    for each in certificate["files_left"]:
        print(f"names the person, and is not ours to delete: {each}")
    for each in certificate["files_not_looked_into"]:
        print(f"could not be looked into: {each}")
    if not certificate["overwritten"]:
        print("the database's own file is in use; the next daily sync overwrites what is gone")
    done = certificate["completed_at"]
    print(f"completed {done}" if done else "The daily sync goes on with it and completes the certificate.")
