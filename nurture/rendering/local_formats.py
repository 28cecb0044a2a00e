"""Dates, times and numbers as the readers of a language write them; the words and marks are those of Unicode's CLDR."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, tzinfo
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_currency, format_decimal, format_percent, list_currencies
from jinja2 import Undefined, pass_context
from jinja2.runtime import Context

FORMATS = "_formats"  # no template can name it: names that begin with `_` are no fields
DATE_STYLES = ("short", "long", "numeric", "iso", "time", "datetime")
TIME_STYLES = ("short", "zone")
DATETIME_STYLES = ("short", "long", "zone")
CURRENCIES = frozenset(list_currencies())
# English without a country: day before month and 24 hours, as the readers of most countries expect.
_PLAIN_ENGLISH = "en_150"
_LARGEST = 1e15


class BadValue(ValueError):
    """A value that a filter cannot format; the message never holds the value itself."""


@dataclass(frozen=True, slots=True)
class LocalFormats:
    """The manners of one language, and the zone in which clocks are read (None: the zone that a time carries)."""

    locale: Locale
    zone: tzinfo | None = None


@lru_cache(maxsize=256)
def local_formats(language: str, zone: str | None = None) -> LocalFormats:
    """The manners of a language like `da` or `en-US`; an unknown language gets English ones, an unknown zone none."""
    return LocalFormats(_locale(language), _zone(zone) if zone else None)


def _locale(language: str) -> Locale:
    name = language.replace("-", "_")
    if name.lower() == "en":
        return Locale.parse(_PLAIN_ENGLISH)
    for candidate in (name, name.partition("_")[0]):
        try:
            return Locale.parse(candidate)
        except (UnknownLocaleError, ValueError):
            continue
    return Locale.parse(_PLAIN_ENGLISH)


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError):
        return None


_DEFAULT = local_formats("en")


def _formats(context: Context) -> LocalFormats:
    found = context.get(FORMATS)
    return found if isinstance(found, LocalFormats) else _DEFAULT


# --- values -------------------------------------------------------------------------------------------------------


def as_moment(value: Any) -> date:
    """A date or time, also when it is written in ISO 8601; raises BadValue."""
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value) if len(value) > 10 else date.fromisoformat(value)
        except ValueError:
            pass
    raise BadValue("a value is no date")


def as_number(value: Any) -> int | float:
    """A number, also when it is written with a decimal point; raises BadValue."""
    if isinstance(value, str):
        try:
            value = float(value) if value.isascii() and "_" not in value else None
        except ValueError:
            value = None
    if type(value) not in (int, float) or not math.isfinite(value) or abs(value) > _LARGEST:
        raise BadValue("a value is no number")
    number: int | float = value
    return number


def _in_zone(value: Any, formats: LocalFormats) -> date:
    moment = as_moment(value)
    if isinstance(moment, datetime) and moment.tzinfo is not None and formats.zone is not None:
        try:
            return moment.astimezone(formats.zone)
        except OverflowError:
            raise BadValue("a value is no date") from None
    return moment


# --- filters ------------------------------------------------------------------------------------------------------


@pass_context
def date_filter(context: Context, value: Any, style: str = "short") -> Any:
    """A date: `5 March 2026`, long with the weekday, numeric as `05/03/2026`."""
    return _shown(_date_text, context, value, style)


@pass_context
def time_filter(context: Context, value: Any, style: str = "short") -> Any:
    """A time of day: `09:30`, in Danish `09.30`; `zone` adds the zone's short name."""
    return _shown(_time_text, context, value, style)


@pass_context
def datetime_filter(context: Context, value: Any, style: str = "short") -> Any:
    """Date and time of day: `5 March 2026, 09:30`; `long` with the weekday, `zone` with the zone's short name."""
    return _shown(_datetime_text, context, value, style)


Writer = Callable[[Any, LocalFormats, str], str]


def _shown(writer: Writer, context: Context, value: Any, style: str) -> Any:
    if isinstance(value, Undefined):
        return value
    # A date of the context is mostly the text of an event that many readers share. Values that are no text are not
    # kept: the same instant in two zones counts as the same key.
    return (_kept if type(value) is str else _fresh)(writer, value, _formats(context), style)


def _fresh(writer: Writer, value: Any, formats: LocalFormats, style: str) -> str:
    return writer(value, formats, style)


_kept = lru_cache(maxsize=1024)(_fresh)


def _date_text(value: Any, formats: LocalFormats, style: str) -> str:
    moment = _in_zone(value, formats)
    if style == "iso":
        return f"{moment:%Y-%m-%d}"
    if style in ("time", "datetime") and isinstance(moment, datetime):
        return _time(moment, formats) if style == "time" else _datetime(moment, formats, "short")
    return "" if style == "time" else _date(moment, formats, style)


def _time_text(value: Any, formats: LocalFormats, style: str) -> str:
    moment = _in_zone(value, formats)
    if not isinstance(moment, datetime):
        raise BadValue("a value has no time of day")
    return _time(moment, formats, style)


def _datetime_text(value: Any, formats: LocalFormats, style: str) -> str:
    moment = _in_zone(value, formats)
    if isinstance(moment, datetime):
        return _datetime(moment, formats, style)
    return _date(moment, formats, "long" if style == "long" else "short")


def _date(moment: date, formats: LocalFormats, style: str) -> str:
    width = {"long": "full", "numeric": "short"}.get(style, "long")
    return format_date(moment, width, locale=formats.locale)


def _time(moment: datetime, formats: LocalFormats, style: str = "short") -> str:
    return f"{format_time(moment, 'short', tzinfo=moment.tzinfo, locale=formats.locale)}{_name(moment, formats, style)}"


def _datetime(moment: datetime, formats: LocalFormats, style: str) -> str:
    day = _date(moment, formats, "long" if style == "long" else "short")
    pattern = str(formats.locale.datetime_formats["medium"])
    return pattern.replace("'", "").replace("{1}", day).replace("{0}", _time(moment, formats, style))


def _name(moment: datetime, formats: LocalFormats, style: str) -> str:
    if style != "zone" or moment.tzinfo is None:
        return ""
    name = format_datetime(moment, "z", tzinfo=moment.tzinfo, locale=formats.locale)
    # A bare offset has no name.
    return " " + (name if name[:1].isalpha() else format_datetime(moment, "ZZZZ", locale=formats.locale))


def _point(decimals: int) -> str:
    return "." + "0" * decimals if decimals else ""


@pass_context
def number_filter(context: Context, value: Any, decimals: int = 0) -> Any:
    """A number with the marks of the language: `1,234.50`, in Danish `1.234,50`."""
    if isinstance(value, Undefined):
        return value
    return format_decimal(as_number(value), "#,##0" + _point(decimals), locale=_formats(context).locale)


@pass_context
def percent_filter(context: Context, value: Any, decimals: int = 0) -> Any:
    """A share as percent: 0.25 is `25%`, in Danish `25 %`."""
    if isinstance(value, Undefined):
        return value
    locale = _formats(context).locale
    pattern = str(locale.percent_formats[None].pattern)
    return format_percent(as_number(value), pattern.replace("##0", "##0" + _point(decimals)), locale=locale)


@pass_context
def money_filter(context: Context, value: Any, currency: str = "EUR", decimals: int | None = None) -> Any:
    """An amount: `€1,234.50`, in Danish `1.234,50 €`; without `decimals` as many as the currency has."""
    if isinstance(value, Undefined):
        return value
    locale = _formats(context).locale
    amount = as_number(value)
    if decimals is None:
        return format_currency(amount, currency, locale=locale)
    pattern = str(locale.currency_formats["standard"].pattern).replace("##0.00", "##0" + _point(decimals))
    return format_currency(amount, currency, pattern, locale=locale, currency_digits=False)
