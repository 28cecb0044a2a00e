"""Random lifecycles for the property tests of stages, each as the reference takes it and as documents."""

from __future__ import annotations

from copy import deepcopy
from datetime import timedelta
from random import Random
from typing import Any

from tests.reference.stages import RANK, Rules
from tests.world import DOCUMENTS

TYPES = (
    "page.viewed",
    "content.white_paper_downloaded",
    "webinar.attended",
    "demo.requested",
    "deal.won",
    "video.watched",
)
ANSWERS = ("sales.accepted", "sales.rejected", "deal.lost", "purchase.made")
REASONS = (None, "too_early", "no_budget")


def lifecycle(seed: int) -> Rules:
    """One of many lifecycles; the same seed gives the same one."""
    random = Random(seed)
    # Somebody always asks for a demo; otherwise sales would seldom have anything to answer.
    conversions: list[Any] = [("asked", "sql", ("lead", "mql"), ("demo.requested",), None)]
    for number in range(random.randint(0, 4)):
        to = random.choice(("mql", "mql", "sql", "sql", "customer"))
        lower = [stage for stage in RANK if RANK[stage] < RANK[to]]
        starts = tuple(lower if random.random() < 0.5 else random.sample(lower, random.randint(1, len(lower))))
        types = tuple(random.sample(TYPES, random.randint(1, 2)))
        reason = random.choice(REASONS) if random.random() < 0.3 else None
        conversions.insert(random.randint(0, 1), (f"rule-{9 - number}", to, starts, types, reason))
    points = tuple((kind, random.choice((5, 10, 25, -5))) for kind in random.sample(TYPES, 3))
    durations = (timedelta(0), timedelta(minutes=20), timedelta(hours=3), timedelta(days=2))
    return Rules(
        conversions=tuple(conversions),
        points=points,
        mql=random.choice((None, 10, 20)),
        sql=random.choice((None, 25, 30)),
        recycle_on=random.choice((("sales.rejected",), ("sales.rejected", "deal.lost"))),
        recycle_to=random.choice(("mql", "mql", "lead")),
        cool_down=random.choice(durations),
        cool_downs=tuple((reason, random.choice(durations)) for reason in REASONS[1:] if random.random() < 0.5),
        per_account=random.random() < 0.7,
    )


def documents(rules: Rules) -> dict[str, Any]:
    """The same as a marketer writes it."""
    found = deepcopy(DOCUMENTS)
    found["events"]["events"]["purchase.made"] = {"label": "purchase.made", "channel": "store", "direction": "inbound"}
    found["scoring"] = {"rules": [{"event": kind, "points": points} for kind, points in rules.points]}
    thresholds = {name: value for name, value in (("mql", rules.mql), ("sql", rules.sql)) if value is not None}
    found["lifecycle"] = {
        "conversions": [
            {
                "id": id_,
                "to": to,
                "from": list(starts),
                "on": list(types),
                **({"where": {"reason": reason}} if reason else {}),
            }
            for id_, to, starts, types, reason in rules.conversions
        ],
        "profiles": {"b2b": {"thresholds": thresholds, "task_per": "account" if rules.per_account else "lead"}},
        "recycle": {
            "on": list(rules.recycle_on),
            "to": rules.recycle_to,
            "cool_down": _minutes(rules.cool_down),
            "reasons": {reason: {"cool_down": _minutes(pause)} for reason, pause in rules.cool_downs},
        },
    }
    return found


def _minutes(pause: timedelta) -> str:
    return f"{int(pause.total_seconds() // 60)} minutes"
