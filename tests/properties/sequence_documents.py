"""Random sequences as they are written in YAML, and random edits of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

Body = dict[str, Any]
INDUSTRIES = ("steel", "paper")
WINDOWS = (
    {"days": ["mon", "tue", "wed", "thu", "fri"]},
    {"days": ["sat", "sun", "wed"], "from": "02:00", "to": "04:30"},
)
DURATIONS = ("1 day", "3 days", "24 h", "90 minutes", "10 days")
_AWAITED = ("email.clicked", "page.viewed", {"event": "page.viewed", "at_least": 2}, ["email.clicked", "video.watched"])

_facts = st.sampled_from(
    [
        {"did": "email.clicked"},
        {"did": "page.viewed"},
        {"did": {"event": "page.viewed", "at_least": 2}},
        {"did": {"event": "page.viewed", "within": "3 days"}},
        {"field": "industry", "is": "steel"},
        {"field": "industry", "is_not": "paper"},
        {"stage": {"at_least": "mql"}},
        {"stage": {"reached": "sql"}},
        {"stage": {"below": "sql"}},
        {"stage": "mql"},
    ]
)
conditions = st.one_of(
    _facts,
    st.builds(lambda each: {"not": each}, _facts),
    st.builds(lambda key, one, two: {key: [one, two]}, st.sampled_from(["all", "any"]), _facts, _facts),
)
_ends = st.sampled_from(
    [
        {"did": "video.watched"},
        {"did": {"event": "page.viewed", "at_least": 3}},
        {"stage": {"reached": "sql"}},
        {"field": "industry", "is": "paper"},
        {"all": [{"did": "email.clicked"}, {"field": "industry", "is": "steel"}]},
    ]
)
_entries = st.sampled_from(
    [
        *[{"did": "content.white_paper_downloaded"}] * 6,
        {"did": {"event": "page.viewed", "within": "3 days"}},
        {"all": [{"did": "content.white_paper_downloaded"}, {"not": {"did": "email.clicked"}}]},
        {"all": [{"did": "content.white_paper_downloaded"}, {"stage": {"below": "sql"}}]},
        {"field": "industry", "is": "steel"},
        {"not": {"did": {"event": "page.viewed", "within": "1 day"}}},
    ]
)


def _steps(depth: int) -> st.SearchStrategy[Body]:
    """A step without its id."""
    emails = st.builds(
        lambda email, late: {"email": email} | ({"max_lateness": late} if late else {}),
        st.sampled_from(["thanks", "more"]),
        st.sampled_from([None, None, "1 day", "90 minutes"]),
    )
    waits = st.builds(lambda wait: {"wait": wait}, waiting)
    others = st.sampled_from(
        [
            {"update": {"field": "industry", "to": "steel"}},
            {"update": {"field": "industry", "to": "paper"}},
            {"audience": {"add": "readers"}},
            {"audience": {"remove": "readers"}},
            {"task": {"title": "Call", "kind": "call"}},
        ]
    )
    kinds = [emails, emails, emails, waits, waits, waits, waits, others]
    if depth == 1:
        kinds.append(st.just({"exit": "enough"}))
    if depth:
        inner = st.lists(_steps(depth - 1), max_size=2)
        arms = st.lists(
            st.builds(lambda when, steps: {"if": when, "steps": steps}, conditions, inner), min_size=1, max_size=2
        )
        other = st.none() | st.builds(lambda steps: {"else": True, "name": "rest", "steps": steps}, inner)
        kinds.append(st.builds(lambda ways, rest: {"branch": [*ways, *([rest] if rest else [])]}, arms, other))
    return st.one_of(kinds)


waiting = st.one_of(
    st.sampled_from(DURATIONS),
    st.builds(lambda window: {"window": window}, st.sampled_from(WINDOWS)),
    st.builds(
        lambda until, timeout: {"until": until, "timeout": timeout},
        st.sampled_from(_AWAITED),
        st.sampled_from(DURATIONS),
    ),
)


def _numbered(steps: list[Body], prefix: str) -> list[Body]:
    """The same steps with ids, also inside of branches."""
    found = []
    for number, step in enumerate(steps):
        id_ = f"{prefix}{number}"
        branch = [
            {**arm, "steps": _numbered(arm["steps"], f"{id_}-{place}-")}
            for place, arm in enumerate(step.get("branch", []))
        ]
        found.append({"id": id_, **step, **({"branch": branch} if branch else {})})
    return found


@st.composite
def bodies(draw: st.DrawFn) -> Body:
    """A sequence of two to six steps."""
    body: Body = {
        "sequence": "papers",
        "title": "White papers",
        "topic": "nurture",
        "entry": {"when": draw(_entries)},
        "steps": _numbered(draw(st.lists(_steps(2), min_size=3, max_size=6)), "s"),
    }
    if draw(st.booleans()):
        body["entry"]["reentry"] = {"after": draw(st.sampled_from(["1 day", "3 days"]))}
    for name, value in (
        ("goal", _ends),
        ("exits", st.builds(lambda when: [{"reason": "enough-seen", "when": when}], _ends)),
        ("stay_after", st.just(["replied"])),
        ("in_sales_hands", st.just("pause")),
        ("holdout", st.just(40)),
        ("window", st.sampled_from(WINDOWS)),
    ):
        if draw(st.integers(0, 4)) == 4 or (name == "goal" and draw(st.booleans())):
            body[name] = draw(value)
    return body


@st.composite
def edits(draw: st.DrawFn, body: Body) -> Body:
    """The sequence with one thing changed that a marketer would change."""
    steps = list(body["steps"])
    place = draw(st.integers(0, len(steps) - 1))
    # An id that no earlier edit has taken: the check refuses the same one twice.
    number = next(each for each in range(draw(st.integers(0, 10_000)), 20_000) if f"'n{each}-" not in repr(body))
    fresh = f"n{number}-"
    match draw(st.sampled_from(["remove", "remove", "add", "move", "wait", "wait", "wait", "kind", "entry", "window"])):
        case "remove" if len(steps) > 1:
            steps.pop(place)
        case "add":
            steps.insert(place, *_numbered([draw(_steps(1))], fresh))
        case "move":
            steps.append(steps.pop(place))
        case "wait":
            steps = [{**step, "wait": draw(waiting)} if "wait" in step else step for step in steps]
        case "kind":
            steps[place] = {**_numbered([draw(_steps(0))], fresh)[0], "id": steps[place]["id"]}
        case "entry":
            return {**body, "entry": {**body["entry"], "when": draw(_entries)}}
        case "window":
            return {**body, "window": draw(st.sampled_from(WINDOWS))}
    return {**body, "steps": steps}
