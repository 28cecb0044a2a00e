"""Values made comparable, and those that are refused."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import given
from hypothesis import strategies as st

from nurture import normalise
from nurture.countries import country_code
from nurture.errors import RefusedRow


@pytest.mark.parametrize(
    ("given_", "written", "recognised"),
    [
        ("Bo.Berg@Example.COM", "Bo.Berg@example.com", "bo.berg@example.com"),
        ("  bo@example.com ", "bo@example.com", "bo@example.com"),
        ("bo+news@sub.example.com", "bo+news@sub.example.com", "bo+news@sub.example.com"),
        ("bo@example.test", "bo@example.test", "bo@example.test"),
        ("BO@ÆRØ.example.com", "BO@ærø.example.com", "bo@xn--r-3fa9c.example.com"),
        ("søren@example.com", "søren@example.com", "søren@example.com"),
    ],
)
def test_an_address_is_kept_as_written_and_recognised_in_lower_case(given_: str, written: str, recognised: str) -> None:
    assert normalise.email(given_) == (written, recognised)


@pytest.mark.parametrize(
    "given_",
    [
        "",
        "bo",
        "bo@",
        "@example.com",
        "bo@localhost",
        "bo@example",
        "bo@host.local",
        "bo@example.invalid",
        "b..o@example.com",
        ".bo@example.com",
        "bo@exa mple.com",
        "Bo <bo@example.com>",
        "bo@example.com, al@example.com",
        "bo@-example.com",
        "bo@1.2.3.4",
        "x" * 65 + "@example.com",
        "bo@" + "x" * 250 + ".com",
        "bo@example.com\nBcc: al@example.com",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_it(given_: str) -> None:
    with pytest.raises(RefusedRow) as caught:
        normalise.email(given_)
    assert caught.value.reason == "bad-email"
    assert not given_ or given_ not in str(caught.value)


LOCAL = st.text("abAB01._+-'", min_size=1, max_size=8)
DOMAIN = st.text("abA0.-x", min_size=1, max_size=12).map(lambda text: text + ".com")


@given(local=LOCAL, domain=DOMAIN)
def test_the_quick_way_to_read_an_address_agrees_with_the_library(local: str, domain: str) -> None:
    address = f"{local}@{domain}"
    try:
        valid = validate_email(address, check_deliverability=False, test_environment=True, strict=True)
        expected = f"{valid.local_part}@{valid.ascii_domain}".lower()
    except EmailNotValidError:
        expected = None
    try:
        found = normalise.email(address).identity
    except RefusedRow:
        found = None
    assert found == expected


@pytest.mark.parametrize(
    ("given_", "country", "number"),
    [
        ("+45 12 34 56 78", None, "+4512345678"),
        ("12 34 56 78", "DK", "+4512345678"),
        ("(030) 123456", "DE", "+4930123456"),
        ("0045 12345678", "DK", "+4512345678"),
        ("12345678", None, None),
        ("call me", "DK", None),
        ("1", "DK", None),
    ],
)
def test_a_phone_number_needs_a_country_when_it_has_no_plus(
    given_: str, country: str | None, number: str | None
) -> None:
    assert normalise.phone(given_, country) == number


@pytest.mark.parametrize(
    "names",
    [
        ("Ørsted A/S", "ØRSTED", "ørsted a/s "),
        ("ACME, Inc.", "Acme", "acme inc"),
        ("Müller GmbH & Co. KG", "Müller", "MÜLLER GMBH"),
        ("Ferrari S.p.A.", "ferrari spa"),
        ("Smith-Jones Ltd", "Smith Jones"),
    ],
)
def test_ways_of_writing_one_company_share_a_key(names: tuple[str, ...]) -> None:
    assert len({normalise.company_key(name) for name in names}) == 1


def test_companies_that_are_not_the_same_have_different_keys() -> None:
    names = ("Ørsted", "Orsted", "Acme", "Acme Nord", "AB Volvo", "AB Electrolux", "Co", "")
    keys = [normalise.company_key(name) for name in names]

    assert len(set(keys[:6])) == 6
    assert keys[6:] == ["", ""], "a legal form alone names nobody"


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("DK", "DK"),
        ("dk", "DK"),
        ("Danmark", "DK"),
        ("Denmark", "DK"),
        ("Deutschland", "DE"),
        ("USA", "US"),
        ("U.S.A.", "US"),
        ("United States", "US"),
        ("UK", "GB"),
        ("Holland", "NL"),
        ("Viet Nam", "VN"),
        ("Asia/Pacific Region", None),
        ("XX", None),
    ],
)
def test_countries_by_code_and_by_name(name: str, code: str | None) -> None:
    assert country_code(name) == code
    assert normalise.country(name) == (code or name), "what is not known is kept"


NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "zone", "expected"),
    [
        ("2026-03-01T12:00:00Z", "UTC", NOON),
        ("2026-03-01T13:00:00+01:00", "America/New_York", NOON),
        ("2026-03-01 13:00", "Europe/Copenhagen", NOON),
        ("2026-03-01 12:00:00 UTC", "Europe/Copenhagen", NOON),
        ("2026-03-01 12:00:00.250", "UTC", NOON.replace(microsecond=250_000)),
        ("2026-3-1 9:05", "UTC", NOON.replace(hour=9, minute=5)),
        ("2026-03-01", "Europe/Copenhagen", NOON - timedelta(hours=13)),
        ("20260301", "UTC", NOON.replace(hour=0)),
        ("1772366400", "Europe/Copenhagen", NOON),
        ("1772366400000", "UTC", NOON),
        (1772366400, "UTC", NOON),
        (1772366400.5, "UTC", NOON.replace(microsecond=500_000)),
        (NOON.astimezone(timezone(timedelta(hours=5))), "UTC", NOON),
        # Twice in the night when the clocks go back: the first of the two.
        ("2026-10-25 02:30", "Europe/Copenhagen", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
    ],
)
def test_instants_are_read_in_many_forms(value: Any, zone: str, expected: datetime) -> None:
    assert normalise.instant(value, zone) == expected


def test_an_instant_may_have_a_pattern_or_a_unit() -> None:
    assert normalise.instant("01/03/2026 12:00", pattern="%d/%m/%Y %H:%M") == NOON
    assert normalise.instant("1772366400000", unit=1_000) == NOON


@pytest.mark.parametrize(
    "value",
    ["", "yesterday", "2026-02-30", "2026-13-01", "12", "99999999999999999999", True, float("nan"), "0001-01-01"],
)
def test_what_is_no_date_is_refused(value: Any) -> None:
    with pytest.raises(RefusedRow, match=r"the date cannot be read|the date lies in the year"):
        normalise.instant(value)


@pytest.mark.parametrize("value", ["1970-01-01", "0000000000", "9999-12-31"])
def test_an_empty_date_is_recognised_as_one(value: str) -> None:
    with pytest.raises(RefusedRow, match="an empty date, or another unit"):
        normalise.instant(value)


def test_text_is_composed_and_trimmed_and_line_breaks_are_spaces() -> None:
    assert normalise.text("  Soeren A\u030a\r\nberg \t") == "Soeren Å berg"
    assert normalise.text("two\nlines ", lines=True) == "two\nlines"


@pytest.mark.parametrize("bad", ["a\x00b", "a\x1bb", "a\x7f", "\ud800", "a\x9f"])
def test_characters_that_cannot_be_stored_are_refused(bad: str) -> None:
    with pytest.raises(RefusedRow, match=r"holds (the control character|a lone surrogate) U\+[0-9A-F]{4}"):
        normalise.text(bad)


def test_a_text_that_is_too_long_is_refused() -> None:
    assert normalise.text("x" * 300 + "   ", "the name", 300) == "x" * 300
    with pytest.raises(RefusedRow, match="the name is longer than 300 characters"):
        normalise.text("x" * 301, "the name", 300)


@given(st.text(max_size=60))
def test_normalising_twice_changes_nothing(raw: str) -> None:
    try:
        once = normalise.text(raw)
    except RefusedRow:
        return
    assert normalise.text(once) == once
