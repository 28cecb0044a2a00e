"""Random scoring definitions that `ripen check` takes, over a catalogue of few types."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from nurture.lint.caps import WITHIN

TYPES = ("email.clicked", "email.opened", "page.viewed", "video.watched")
DERIVED = {
    "page.priced": {"from": "page.viewed", "where": {"kind": "price"}},
    "page.visited": {"from": "page.viewed", "at_least": 2, "visit_gap": "30 minutes"},
}
EVENTS: dict[str, Any] = {
    "events": {name: {"label": name, "channel": "other", "direction": "inbound"} for name in (*TYPES, *DERIVED)},
    "derived": DERIVED,
    "fields": {"employees": {"type": "number"}, "partner": {"type": "boolean"}},
    "topics": {"nurture": {"label": "Nurture"}},
}
# Lines of every dimension, for what fades.
ASKS = [{"score": {"dimension": "interest", "at_least": 4}}, {"score": {"dimension": "fit", "below": -1.5}}]
LIFECYCLE: dict[str, Any] = {
    "conversions": [{"id": "viewed", "to": "mql", "on": ["page.viewed"]}],
    "profiles": {"b2b": {"account_scores": True, "thresholds": {"mql": 7, "sql": 33.5, "only_if": {"any": ASKS}}}},
}
KINDS = ("price", "blog", "")
PERIODS = ("ever", "day", "week", "month")
# What fits into a story of some months, with some that end within an hour.
LENGTHS = ("45 minutes", "1 day", "36 hours", "7 days", "30 days", "3 months")

points = st.sampled_from([-40, -3, -0.5, 1, 2, 5, 7.5, 10, 25])
caps = st.sampled_from([0.5, 3, 10, 12.5])
decays = st.none() | st.builds(
    lambda kind, length: {kind: length}, st.sampled_from(["half_life", "linear"]), st.sampled_from(LENGTHS)
)
wheres = st.sampled_from(
    [
        {},
        {},
        {"kind": "price"},
        {"kind": ["price", "blog"]},
        {"kind": {"is_not": "price"}},
        {"kind": {"is_set": True}},
        {"kind": {"contains": "LO"}},
        {"percent": {"at_least": 50}},
        {"percent": {"less_than": 50}},
        {"whole": True},
    ]
)


@st.composite
def conditions(draw: st.DrawFn, depth: int = 2) -> dict[str, Any]:
    """What a fit rule may ask; half of it is about periods."""
    kinds = ["field", "age", "did", "did", "did"] + (["not", "all", "any"] if depth else [])
    match draw(st.sampled_from(kinds)):
        case "field":
            return draw(
                st.sampled_from(
                    [
                        {"field": "country", "is": "DK"},
                        {"field": "country", "not_in": ["DK", "SE"]},
                        {"field": "employees", "more_than": 49},
                        {"field": "employees", "at_most": 50},
                        {"field": "company", "is_set": False},
                        {"field": "partner", "is": True},
                    ]
                )
            )
        case "age":
            return {"field": "created_at", draw(st.sampled_from(["older_than", "newer_than"])): draw(lengths)}
        case "did":
            test: dict[str, Any] = {
                "event": draw(st.lists(st.sampled_from((*TYPES, *DERIVED)), min_size=1, max_size=2))
            }
            test["at_least"] = draw(st.sampled_from([1, 1, 2, 3]))
            test["where"] = draw(wheres)
            return {"did": test | ({"within": draw(lengths)} if draw(st.integers(0, 3)) else {})}
        case "not":
            return {"not": draw(conditions(depth - 1))}
        case kind:
            return {kind: draw(st.lists(conditions(depth - 1), min_size=1, max_size=2))}


lengths = st.sampled_from(LENGTHS)
dimensions = st.sampled_from(["interest", "fit"])


@st.composite
def groups(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    """Groups; under `rules` whether event rules, fit rules or both may be in it, and of which dimension."""
    made = {}
    for name in draw(st.sampled_from([[], ["g"], ["g", "h"]])):
        holds_fit = draw(st.booleans())
        group: dict[str, Any] = {"fit": holds_fit, "dimension": draw(dimensions)}
        if draw(st.integers(0, 3)):
            group["cap"] = {"points": draw(caps), "per": "ever" if holds_fit else draw(st.sampled_from(PERIODS))}
        if not holds_fit and (decay := draw(decays)):
            group["decay"] = decay
        made[name] = group
    return made


@st.composite
def scoring(draw: st.DrawFn) -> dict[str, Any]:
    """A whole scoring.yaml."""
    shared = draw(groups())
    rules = []
    for number in range(draw(st.integers(0, 4))):
        rule = {"id": f"r{number}", "event": draw(st.sampled_from((*TYPES, *DERIVED))), "points": draw(points)}
        rule["where"] = draw(wheres)
        rule["dimension"] = draw(dimensions)
        fitting = list(PERIODS)
        if (name := draw(st.sampled_from([None, *shared]))) is not None:
            rule |= {"group": name, "dimension": shared[name]["dimension"]}
            of_group = shared[name].get("cap", {"per": "ever"})["per"]
            fitting = [period for period in PERIODS if of_group in WITHIN[period]]
        if draw(st.booleans()):
            rule["cap"] = {"points": draw(caps), "per": draw(st.sampled_from(fitting))}
        if decay := draw(decays):
            rule["decay"] = decay
        rules.append(rule)
    fit = []
    for number in range(draw(st.sampled_from([0, 1, 1, 2, 3]))):
        rule = {"id": f"f{number}", "points": draw(points), "when": draw(conditions()), "dimension": draw(dimensions)}
        if (name := draw(st.sampled_from([None, *(each for each in shared if shared[each]["fit"])]))) is not None:
            rule |= {"group": name, "dimension": shared[name]["dimension"]}
        fit.append(rule)
    kept = {name: {key: group[key] for key in ("cap", "decay") if key in group} for name, group in shared.items()}
    return {"rules": rules, "fit": fit, "groups": kept, "floor": draw(st.sampled_from([None, None, 0, -5]))}


def documents(rules: dict[str, Any]) -> dict[str, Any]:
    """A whole tree around a scoring.yaml: nobody is mailed, nobody changes stage."""
    return {"events": EVENTS, "scoring": rules, "lifecycle": LIFECYCLE}
