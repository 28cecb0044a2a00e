"""`ripen letters`: records that could not be used, and trying them again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from cli.output import print_json, print_table, say
from db.engine import Database
from nurture.definitions.catalogue import Catalogue
from nurture.definitions.mappings import Mapping
from nurture.errors import BadInput
from tasks.letters import replay, waiting_letters
from tasks.mappers import load_mapping

_SHOWN = 50
_COLUMNS = ("id", "source", "kind", "place", "reason", "message", "seen", "received_at", "release_at")


def letters_command(json: bool, *, database: Database) -> int:
    """List the letters that wait."""
    found = waiting_letters(database)
    if json:
        print_json({"letters": [{name: each[name] for name in _COLUMNS} for each in found]})
        return 0
    reasons = Counter(each["reason"] for each in found)
    title = "Dead letters: " + (", ".join(f"{count} {reason}" for reason, count in reasons.most_common()) or "none")
    rows = [
        (each["id"], each["place"] or each["source"], each["reason"], each["message"], each["release_at"])
        for each in found[:_SHOWN]
    ]
    print_table(title, ["id", "place", "reason", "what is wrong", "until"], rows)
    if len(found) > _SHOWN:
        say(f"... and {len(found) - _SHOWN} more; --json shows all of them")
    return 0


def replay_command(
    home: Path,
    ids: Sequence[int],
    now: datetime,
    json: bool,
    *,
    database: Database,
    catalogue: Catalogue,
    secret: bytes,
) -> int:
    """Try letters again, all that wait when no id is named; 1 when some are refused again."""

    def mapping_of(name: str) -> Mapping | None:
        try:
            return load_mapping(name, home / "templates")
        except BadInput as error:
            say(f"{error}")
            return None

    done = replay(database, list(ids) or None, now=now, catalogue=catalogue, secret=secret, mapping_of=mapping_of)
    if json:
        print_json(done)
    else:
        say(
            f"{len(done['replayed'])} letters went in ({done['events_created']} new events), "
            f"{len(done['refused'])} were refused again."
        )
    return 1 if done["refused"] else 0
