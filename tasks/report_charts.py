"""The drawings of the report as inline SVG: pure functions from figures to markup, coloured by classes of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any

from markupsafe import Markup

STAGES = ("customer", "sql", "mql", "lead")
_NAMES = {"lead": "Lead", "mql": "MQL", "sql": "SQL", "customer": "Customer"}
_WIDE, _HIGH = 1060, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 100, 14, 30


def _svg(width: int, height: int, title: str, parts: Sequence[Markup], *, stretch: bool = False) -> Markup:
    """A drawing; one that may stretch fills its place, at the height that the page gives it."""
    how = Markup('class="bar" preserveAspectRatio="none"') if stretch else Markup('preserveAspectRatio="xMinYMin meet"')
    head = Markup('<svg viewBox="0 0 {} {}" role="img" aria-label="{}" {}>')
    return head.format(width, height, title, how) + Markup("").join(parts) + Markup("</svg>")


def _text(x: float, y: float, words: object, css: str = "axis", anchor: str = "start") -> Markup:
    return Markup('<text x="{:.1f}" y="{:.1f}" class="{}" text-anchor="{}">{}</text>').format(x, y, css, anchor, words)


def _rect(x: float, y: float, width: float, height: float, css: str, tip: str = "", round_: float = 0) -> Markup:
    shape = Markup('<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" rx="{}" class="{}">{}</rect>')
    return shape.format(x, y, max(width, 0.0), max(height, 0.0), round_, css, _tip(tip))


def _tip(words: str) -> Markup:
    return Markup("<title>{}</title>").format(words) if words else Markup("")


def _line(x1: float, y1: float, x2: float, y2: float, css: str) -> Markup:
    return Markup('<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" class="{}"/>').format(x1, y1, x2, y2, css)


def round_up(value: float) -> float:
    """The next round number, for the top of an axis: 1, 2, 2.5 or 5 times a power of ten."""
    if value <= 0:
        return 1.0
    power = 10.0 ** (len(str(int(value))) - 1) if value >= 1 else 1.0
    return next((step * power for step in (1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10) if step * power >= value), 10 * power)


def _scale(top: float, bottom: float, height: float) -> Callable[[float], float]:
    return lambda value: bottom - (value / top) * height


def _grid(top: float, y: Callable[[float], float], right: float, left: float = _LEFT) -> list[Markup]:
    parts: list[Markup] = []
    for part in range(5):
        value = top * part / 4
        parts.append(_line(left, y(value), right, y(value), "grid" if part else "base"))
        parts.append(_text(left - 8, y(value) + 4, f"{value:,.0f}", anchor="end"))
    return parts


def _months(days: Sequence[str], x: Callable[[int], float], bottom: float) -> list[Markup]:
    """A tick where a month begins; for a short time, every week."""
    parsed = [date.fromisoformat(each) for each in days]
    long = len(days) > 60
    parts = []
    for place, day in enumerate(parsed):
        if (day.day == 1) if long else (day.weekday() == 0):
            parts.append(_line(x(place), bottom, x(place), bottom + 5, "base"))
            parts.append(_text(x(place) + 3, bottom + 18, f"{day:%b %Y}" if long else f"{day:%d %b}"))
    # More labels than there is room for: keep every second, third, ...
    step = max(1, -(-len(parts) // 2 // 11))
    return [part for number, part in enumerate(parts) if number // 2 % step == 0]


def pipeline_over_time(days: Sequence[Mapping[str, Any]], live_since: str | None = None) -> Markup:
    """Stacked areas of the stages, the nearest to a sale at the bottom; hovering a day tells its figures.

    `live_since` is the date of the first run; what lies before it is imported history.
    """
    if len(days) < 2:
        return Markup("")
    top = round_up(max(sum(day[stage] for stage in STAGES) for day in days))
    right, bottom = _WIDE - _RIGHT, _HIGH - _BOTTOM
    y = _scale(top, bottom, bottom - _TOP)

    def x(place: int) -> float:
        return _LEFT + (right - _LEFT) * place / (len(days) - 1)

    parts = _grid(top, y, right)
    below = [0.0] * len(days)
    labels: list[tuple[float, str, str]] = []
    for stage in STAGES:
        above = [base + day[stage] for base, day in zip(below, days, strict=True)]
        there = [f"{x(place):.1f},{y(value):.1f}" for place, value in enumerate(above)]
        back = [f"{x(place):.1f},{y(below[place]):.1f}" for place in reversed(range(len(days)))]
        parts.append(Markup('<polygon points="{}" class="fill-{}"/>').format(" ".join(there + back), stage))
        labels.append((y((above[-1] + below[-1]) / 2), stage, f"{_NAMES[stage]} {days[-1][stage]:,}"))
        below = above
    parts += _months([day["date"] for day in days], x, bottom)
    parts += [_text(right + 10, height + 4, words, f"label ink-{stage}") for height, stage, words in _apart(labels)]
    first = next((place for place, day in enumerate(days) if live_since and day["date"] >= live_since), 0)
    if first > 0:
        parts.append(_line(x(first), _TOP, x(first), bottom, "limit"))
        parts.append(_text(x(first) - 7, _TOP + 12, "first run", anchor="end"))
    width = (right - _LEFT) / (len(days) - 1)
    for place, day in enumerate(days):
        tip = ", ".join(f"{_NAMES[stage]} {day[stage]:,}" for stage in reversed(STAGES))
        parts.append(_rect(x(place) - width / 2, _TOP, width, bottom - _TOP, "hover", f"{day['date']}: {tip}"))
    return _svg(_WIDE, _HIGH, "Leads in each stage, day by day", parts)


def _apart(labels: Sequence[tuple[float, str, str]], room: float = 17) -> list[tuple[float, str, str]]:
    """Labels from bottom to top, moved up where they would lie on each other."""
    placed: list[tuple[float, str, str]] = []
    for height, stage, words in labels:
        placed.append((min(height, placed[-1][0] - room) if placed else min(height, _HIGH - _BOTTOM - 4), stage, words))
    return placed


def funnel(reached: Mapping[str, int]) -> Markup:
    """How many ever reached each stage, as bars joined by what went on to the next one."""
    order = list(reversed(STAGES))
    width, bar, gap, left, room = 520, 44, 30, 84, 300.0
    most = max(reached[order[0]], 1)
    parts: list[Markup] = []
    middle = left + room / 2
    for place, stage in enumerate(order):
        long = max(room * reached[stage] / most, 3.0)
        top = place * (bar + gap)
        parts.append(
            _rect(middle - long / 2, top, long, bar, f"fill-{stage}", f"{_NAMES[stage]}: {reached[stage]:,}", 5)
        )
        parts.append(_text(left - 16, top + bar / 2 + 5, _NAMES[stage], "label", "end"))
        parts.append(_text(left + room + 16, top + bar / 2 + 5, f"{reached[stage]:,}", "value"))
        if place + 1 < len(order):
            share = reached[order[place + 1]] / reached[stage] if reached[stage] else 0.0
            after = max(room * reached[order[place + 1]] / most, 3.0)
            edge = top + bar + 1
            points = (
                f"{middle - long / 2:.1f},{edge} {middle + long / 2:.1f},{edge} "
                f"{middle + after / 2:.1f},{edge + gap - 2} {middle - after / 2:.1f},{edge + gap - 2}"
            )
            parts.append(Markup('<polygon points="{}" class="flow"/>').format(points))
            parts.append(_text(left + room + 16, edge + gap / 2 + 4, f"{share * 100:.0f} % go on", "axis"))
    return _svg(width, len(order) * (bar + gap) - gap, "How many leads ever reached each stage", parts)


def columns(days: Sequence[Mapping[str, Any]], key: str, title: str) -> Markup:
    """One thin column a day."""
    if not days:
        return Markup("")
    height = 170
    top = round_up(max(day[key] for day in days))
    right, bottom = _WIDE - 16, height - _BOTTOM
    y = _scale(top, bottom, bottom - _TOP)
    each = (right - _LEFT) / len(days)

    def x(place: int) -> float:
        return _LEFT + each * place

    parts = _grid(top, y, right)
    for place, day in enumerate(days):
        if day[key]:
            tip = f"{day['date']}: {day[key]:,}"
            parts.append(
                _rect(x(place) + each * 0.12, y(day[key]), each * 0.76, bottom - y(day[key]), "fill-accent", tip, 1)
            )
    parts += _months([day["date"] for day in days], x, bottom)
    return _svg(_WIDE, height, title, parts)


def histogram(bins: Sequence[tuple[str, int]], title: str, css: str = "fill-accent") -> Markup:
    """A few columns with their labels below and their numbers above."""
    width, height, bottom, top = 330, 150, 122, 20
    most = max([count for _, count in bins] + [1])
    each = width / max(len(bins), 1)
    parts = [_line(0, bottom, width, bottom, "base")]
    for place, (label, count) in enumerate(bins):
        tall = (bottom - top) * count / most
        parts.append(_rect(place * each + 5, bottom - tall, each - 10, tall, css, f"{label}: {count:,}", 2))
        parts.append(_text(place * each + each / 2, bottom - tall - 5, f"{count:,}" if count else "", "axis", "middle"))
        parts.append(_text(place * each + each / 2, bottom + 17, label, "axis", "middle"))
    return _svg(width, height, title, parts)


def scores(rows: Sequence[Mapping[str, Any]], thresholds: Mapping[str, Any], bin_: int) -> Markup:
    """Leads by score, stacked by stage; the thresholds are lines when the score that they count is shown."""
    if not rows:
        return Markup("")
    lowest = max(min(int(row["points"]) for row in rows), -50)
    highest = min(max(int(row["points"]) for row in rows), 250)
    found: dict[int, dict[str, int]] = {begin: dict.fromkeys(STAGES, 0) for begin in range(lowest, highest + 1, bin_)}
    for row in rows:
        found[min(max(int(row["points"]), lowest), highest)][row["stage"]] += int(row["leads"])
    height = 230
    top = round_up(max(sum(each.values()) for each in found.values()))
    right, bottom = _WIDE - 16, height - _BOTTOM
    y = _scale(top, bottom, bottom - _TOP)
    each_wide = (right - _LEFT) / len(found)

    def x(points: float) -> float:
        return _LEFT + each_wide * (points - lowest) / bin_

    parts = _grid(top, y, right)
    for begin, counts in found.items():
        base = 0
        tip = f"{begin} to {begin + bin_ - 1} points: " + ", ".join(
            f"{_NAMES[stage]} {counts[stage]:,}" for stage in reversed(STAGES) if counts[stage]
        )
        for stage in STAGES:
            if counts[stage]:
                parts.append(
                    _rect(
                        x(begin) + 1,
                        y(base + counts[stage]),
                        each_wide - 2,
                        y(base) - y(base + counts[stage]),
                        f"fill-{stage}",
                        tip,
                    )
                )
                base += counts[stage]
        if begin % (bin_ * 5) == 0:
            parts.append(_text(x(begin), bottom + 18, begin, anchor="middle"))
    for stage in ("mql", "sql"):
        limit = thresholds.get(stage)
        if limit is not None and lowest <= limit <= highest:
            parts.append(_line(x(limit), _TOP, x(limit), bottom, "limit"))
            parts.append(
                _text(x(limit) + 5, _TOP + 10, f"{_NAMES[stage]} from {limit:g} {thresholds['score']}", "axis")
            )
    return _svg(_WIDE, height, "Leads by score", parts)


def stacked(shares: Sequence[tuple[str, int, str]], width: int = 300) -> Markup:
    """One bar of a whole, cut into (label, number, class)."""
    total = sum(number for _, number, _ in shares)
    if not total:
        return Markup("")
    parts, at = [], 0.0
    for label, number, css in shares:
        long = width * number / total
        if number:
            parts.append(_rect(at, 0, max(long - 1, 1), 10, css, f"{label}: {number:,} ({number / total:.0%})"))
        at += long
    return _svg(width, 10, ", ".join(f"{label} {number}" for label, number, _ in shares), parts, stretch=True)


def nested(of: int, inside: Sequence[tuple[str, int, str]], whole: int, width: int = 260) -> Markup:
    """A bar for `of` (the longest is `whole`), and in it the parts (label, number, class), each within the last."""
    if not of:
        return Markup("")
    parts = [_rect(0, 0, max(width * of / max(whole, 1), 1), 10, "fill-soft", f"{of:,}")]
    for label, number, css in inside:
        if number:
            parts.append(_rect(0, 0, max(width * number / max(whole, 1), 1), 10, css, f"{label}: {number:,}"))
    return _svg(width, 10, f"{of}", parts, stretch=True)
