"""Local time: whose zone counts, when a window opens, and where daylight saving skips or repeats an hour."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import cache
from itertools import pairwise
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nurture.closed_days import closed_days, has_holidays
from nurture.definitions.sequences import WEEKDAYS, Window
from nurture.durations import Duration

# A window that is closed for so long is looked at again then.
_FURTHEST_DAYS = 400

# The zone of the capital or of most people, for countries that a lead's own zone is unknown for.
COUNTRY_ZONES = {
    "AE": "Asia/Dubai",
    "AR": "America/Argentina/Buenos_Aires",
    "AT": "Europe/Vienna",
    "AU": "Australia/Sydney",
    "BE": "Europe/Brussels",
    "BG": "Europe/Sofia",
    "BH": "Asia/Bahrain",
    "BR": "America/Sao_Paulo",
    "CA": "America/Toronto",
    "CH": "Europe/Zurich",
    "CL": "America/Santiago",
    "CN": "Asia/Shanghai",
    "CO": "America/Bogota",
    "CZ": "Europe/Prague",
    "DE": "Europe/Berlin",
    "DK": "Europe/Copenhagen",
    "EE": "Europe/Tallinn",
    "EG": "Africa/Cairo",
    "ES": "Europe/Madrid",
    "FI": "Europe/Helsinki",
    "FO": "Atlantic/Faroe",
    "FR": "Europe/Paris",
    "GB": "Europe/London",
    "GL": "America/Nuuk",
    "GR": "Europe/Athens",
    "HK": "Asia/Hong_Kong",
    "HR": "Europe/Zagreb",
    "HU": "Europe/Budapest",
    "ID": "Asia/Jakarta",
    "IE": "Europe/Dublin",
    "IL": "Asia/Jerusalem",
    "IN": "Asia/Kolkata",
    "IS": "Atlantic/Reykjavik",
    "IT": "Europe/Rome",
    "JP": "Asia/Tokyo",
    "KE": "Africa/Nairobi",
    "KR": "Asia/Seoul",
    "KW": "Asia/Kuwait",
    "LT": "Europe/Vilnius",
    "LU": "Europe/Luxembourg",
    "LV": "Europe/Riga",
    "MX": "America/Mexico_City",
    "MY": "Asia/Kuala_Lumpur",
    "NG": "Africa/Lagos",
    "NL": "Europe/Amsterdam",
    "NO": "Europe/Oslo",
    "NZ": "Pacific/Auckland",
    "OM": "Asia/Muscat",
    "PH": "Asia/Manila",
    "PK": "Asia/Karachi",
    "PL": "Europe/Warsaw",
    "PT": "Europe/Lisbon",
    "QA": "Asia/Qatar",
    "RO": "Europe/Bucharest",
    "RS": "Europe/Belgrade",
    "SA": "Asia/Riyadh",
    "SE": "Europe/Stockholm",
    "SG": "Asia/Singapore",
    "SI": "Europe/Ljubljana",
    "SK": "Europe/Bratislava",
    "TH": "Asia/Bangkok",
    "TR": "Europe/Istanbul",
    "TW": "Asia/Taipei",
    "UA": "Europe/Kyiv",
    "US": "America/New_York",
    "VN": "Asia/Ho_Chi_Minh",
    "ZA": "Africa/Johannesburg",
}


@cache
def zone(name: str) -> ZoneInfo | None:
    """The zone of a name, None when there is none such."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone_of(lead_zone: str | None, country: str | None, *fallbacks: str | None) -> ZoneInfo:
    """The lead's own zone, else its country's, else the sequence's, else the project's, else UTC."""
    country_zone = COUNTRY_ZONES.get((country or "").upper())
    for name in (lead_zone, country_zone, *fallbacks):
        found = zone(name) if name else None
        if found is not None:
            return found
    return ZoneInfo("UTC")


def at_local(day: datetime, clock: time, local: ZoneInfo) -> datetime:
    """The instant of a local time on a local day, in UTC: one that is skipped moves to the next valid minute, one that
    occurs twice means the first."""
    return instant_of(datetime.combine(day.date(), clock), local)


def instant_of(naive: datetime, local: ZoneInfo) -> datetime:
    """The first instant at which the local clocks show this time or, where they jump over it, a later one; in UTC."""
    instant = naive.replace(tzinfo=local, fold=0).astimezone(UTC)
    if instant.astimezone(local).replace(tzinfo=None) == naive:
        return instant
    # `fold` says by which offset to read what does not exist: the jump lies between the two readings.
    return _change(naive.replace(tzinfo=local, fold=1).astimezone(UTC), instant, local)


def after(base: datetime, length: Duration, local: ZoneInfo) -> datetime:
    """The instant so long after `base`: days at the same local time, then hours and minutes as exact ones; in UTC."""
    moved = base.astimezone(UTC)
    if length.days:
        shown = base.astimezone(local).replace(tzinfo=None)
        moved = instant_of(shown + timedelta(days=length.days), local)
    return moved + timedelta(minutes=length.minutes)


@dataclass(frozen=True, slots=True)
class OffsetPeriod:
    """A time during which a zone's clocks stay the same; `until` None means as far as was asked."""

    since: datetime
    until: datetime | None
    offset: timedelta


def offset_periods(local: ZoneInfo, start: datetime, end: datetime) -> list[OffsetPeriod]:
    """The periods of a zone that touch the time from `start` to `end`; the first begins at `start`."""
    changes = [
        change
        for year in range(start.year, end.year + 1)
        for change in _changes_of_year(local.key, year)
        if start < change <= end
    ]
    begins = [start.astimezone(UTC), *changes]
    ends: list[datetime | None] = [*changes, None]
    return [
        OffsetPeriod(since, until, since.astimezone(local).utcoffset() or timedelta())
        for since, until in zip(begins, ends, strict=True)
    ]


@cache
def _changes_of_year(key: str, year: int) -> tuple[datetime, ...]:
    """When the clocks of a zone change in a year, in UTC; no zone ever changed them twice within a day."""
    local = ZoneInfo(key)
    begin = datetime(year, 1, 1, tzinfo=UTC)
    days = [begin + timedelta(days=number) for number in range(367)]
    found = (
        _change(before, behind, local)
        for before, behind in pairwise(days)
        if before.astimezone(local).utcoffset() != behind.astimezone(local).utcoffset()
    )
    return tuple(change for change in found if change.year == year)


def _change(before: datetime, behind: datetime, local: ZoneInfo) -> datetime:
    """The second at which the clocks change, between two instants with different offsets."""
    old = before.astimezone(local).utcoffset()
    low, high = int(before.timestamp()), -int(-behind.timestamp() // 1)
    while high - low > 1:
        middle = (low + high) // 2
        if datetime.fromtimestamp(middle, UTC).astimezone(local).utcoffset() == old:
            low = middle
        else:
            high = middle
    return datetime.fromtimestamp(high, UTC)


def next_open(window: Window, local: ZoneInfo, now: datetime, closed: Iterable[str] = ()) -> datetime:
    """The first instant from `now` on at which the window is open; `closed` are local ISO dates.

    Where it does not open within 400 days, that is the instant to look again: nothing happens before.
    """
    shut = set(closed)
    today = now.astimezone(local).replace(tzinfo=None)
    for ahead in range(_FURTHEST_DAYS):
        day = today + timedelta(days=ahead)
        if WEEKDAYS[day.weekday()] not in window.days or day.date().isoformat() in shut:
            continue
        start, end = at_local(day, window.from_, local), at_local(day, window.to, local)
        # On the day on which the clocks jump over the whole window it does not open at all.
        if start < end and now < end:
            return max(now, start)
    return now + timedelta(days=_FURTHEST_DAYS)


def closed_days_of(window: Window, country: str | None, local: ZoneInfo, now: datetime) -> frozenset[str]:
    """The local dates on which a window stays closed, as far ahead as `next_open` looks.

    `country` is the lead's, else the project's; of one whose holidays are not known, there are none.
    """
    code = window.holidays if isinstance(window.holidays, str) else country
    if not window.holidays or not code or not has_holidays(code):
        code = None
    if code is None and not window.closed:
        return frozenset()
    today = now.astimezone(local)
    years = range(today.year, (today + timedelta(days=_FURTHEST_DAYS)).year + 1)
    return closed_days(code, years, window.closed)


def business_due(
    now: datetime, minutes: int, window: Window, local: ZoneInfo, closed_days: Iterable[str] = ()
) -> datetime:
    """The instant by which so many minutes of business hours have passed; `closed_days` are local ISO dates."""
    left = timedelta(minutes=minutes)
    moment = now
    for _ in range(400):
        moment = next_open(window, local, moment, closed_days)
        end = at_local(moment.astimezone(local).replace(tzinfo=None), window.to, local)
        if moment + left <= end:
            return moment + left
        left -= end - moment
        moment = end
    return moment
