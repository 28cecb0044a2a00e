"""Local time: whose zone counts, when a window opens, and where daylight saving skips or repeats an hour."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from functools import cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from nurture.definitions.sequences import WEEKDAYS, Window

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
    naive = datetime.combine(day.date(), clock)
    instant = naive.replace(tzinfo=local, fold=0).astimezone(UTC)
    if instant.astimezone(local).replace(tzinfo=None) == naive:
        return instant
    # The clocks jump over it: the first valid minute is the first one that shows the offset after the jump.
    before, after = (naive.replace(tzinfo=local, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    candidate = naive.replace(tzinfo=UTC) - after
    while candidate.astimezone(local).utcoffset() == before and candidate < instant:
        candidate += timedelta(minutes=1)
    return candidate


def next_open(window: Window, local: ZoneInfo, now: datetime, closed_days: Iterable[str] = ()) -> datetime:
    """The first instant from `now` on at which the window is open; `closed_days` are local ISO dates."""
    closed = set(closed_days)
    today = now.astimezone(local)
    for ahead in range(400):
        day = today.replace(tzinfo=None) + timedelta(days=ahead)
        if WEEKDAYS[day.weekday()] not in window.days or day.date().isoformat() in closed:
            continue
        start, end = at_local(day, window.from_, local), at_local(day, window.to, local)
        if now < end:
            return max(now, start)
    return now


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
