"""Each rule about a domain: a zone that keeps them all, and zones that break one each."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.deliverability.domain import DOMAIN_RULES, check_domain
from nurture.deliverability.domains import aligned, ascii_domain, organisation_of
from nurture.deliverability.spf import evaluate, terms_of
from nurture.errors import BadInput, RetryLater
from tests.nurture.deliverability.letters import ZONE, ed25519_record, key_record, looking_in

Zone = dict[tuple[str, str], list[str]]
DKIM, DMARC = "s1._domainkey.example.com", "_dmarc.example.com"


def checked(changed: Zone, domain: str = "example.com", selectors: tuple[str, ...] = ("s1",)):
    zone = {asked: found for asked, found in (ZONE | changed).items() if found}
    return {check.name: check for check in check_domain(domain, selectors, looking_in(zone))}


def spf(*records: str, **more: list[str]) -> Zone:
    return {("example.com", "TXT"): list(records)}


CHAIN: Zone = {
    **{(f"i{n}.example", "TXT"): [f"v=spf1 include:i{n + 1}.example ip4:192.0.2.{n} -all"] for n in range(11)},
    ("i11.example", "TXT"): ["v=spf1 ip4:192.0.2.99 -all"],
}
BAD: dict[str, list[Zone]] = {
    "mail-host": [
        {("example.com", "MX"): []},
        {("mx1.example.com", "A"): []},
        {("example.com", "MX"): ["0 ."]},
    ],
    "null-mx": [{("example.com", "MX"): ["0 ."]}],
    "spf": [spf(), spf("v=spf1 -all", "v=spf1 mx ~all"), spf("v=spf10 -all")],
    "spf-syntax": [
        spf("v=spf1 ip4:192.0.2.300 -all"),
        spf("v=spf1 ip6:192.0.2.1 -all"),
        spf("v=spf1 includes:x.example -all"),
        spf("v=spf1 include: -all"),
        spf("v=spf1 inculde:_spf.provider.example mx, -all"),
        spf("v=spf1 include:nothing.example -all"),
        spf("v=spf1 include:example.com -all"),
        spf("v=spf1 include:i0.example -all") | {("i0.example", "TXT"): ["v=spf1 ip4:x -all"]},
        spf("v=spf1 include:i0.example -all") | {("i0.example", "TXT"): ["v=spf1 -all", "v=spf1 ~all"]},
        spf("v=spf1 redirect=nothing.example"),
    ],
    "spf-lookups": [
        spf("v=spf1 include:i0.example -all") | CHAIN,
        spf("v=spf1 " + "a:mx1.example.com " * 11 + "-all"),
        spf("v=spf1 a:x.example a:y.example mx:z.example -all"),
        spf("v=spf1 " + "exists:%{i}.x.example " * 11 + "-all"),
    ],
    "spf-end": [spf("v=spf1 mx +all"), spf("v=spf1 mx all"), spf("v=spf1 mx ?all"), spf("v=spf1 mx")],
    "dkim-selector": [],
    "dkim-key": [{(DKIM, "TXT"): []}, {(DKIM, "TXT"): [key_record(), key_record(1_024)]}, {(DKIM, "TXT"): ["hello"]}],
    "dkim-key-size": [{(DKIM, "TXT"): [key_record(1_023)]}, {(DKIM, "TXT"): ["v=DKIM1; p=AAAA"]}],
    "dkim-key-strong": [{(DKIM, "TXT"): [key_record(1_024)]}],
    "dkim-key-revoked": [{(DKIM, "TXT"): ["v=DKIM1; k=rsa; p="]}],
    "dkim-key-testing": [{(DKIM, "TXT"): [key_record().replace("k=rsa;", "k=rsa; t=y;")]}],
    "dmarc": [{(DMARC, "TXT"): []}, {(DMARC, "TXT"): ["v=DMARC1; p=none", "v=DMARC1; p=reject"]}],
    "dmarc-policy": [{(DMARC, "TXT"): ["v=DMARC1; rua=mailto:a@example.com"]}, {(DMARC, "TXT"): ["v=DMARC1; p=maybe"]}],
    "dmarc-enforced": [{(DMARC, "TXT"): ["v=DMARC1; p=none; rua=mailto:a@example.com"]}],
    "dmarc-reports": [{(DMARC, "TXT"): ["v=DMARC1; p=reject"]}],
    "dmarc-alignment": [{(DMARC, "TXT"): ["v=DMARC1; p=reject; adkim=s; rua=mailto:a@example.com"]}],
    "mta-sts": [{("_mta-sts.example.com", "TXT"): []}],
    "tls-rpt": [{("_smtp._tls.example.com", "TXT"): []}],
    "bimi": [{("default._bimi.example.com", "TXT"): []}],
}
CASES = [(name, zone) for name, several in BAD.items() for zone in several]


def test_a_domain_that_is_set_up_well_keeps_every_rule():
    checks = checked({})
    assert set(checks) == {rule.name for rule in DOMAIN_RULES}
    assert [check for check in checks.values() if not check.ok] == []


def test_every_rule_has_a_zone_that_breaks_it():
    assert set(BAD) == {rule.name for rule in DOMAIN_RULES}
    assert not checked({}, selectors=())["dkim-selector"].ok


@pytest.mark.parametrize(("name", "zone"), CASES, ids=[f"{name}-{number}" for number, (name, _) in enumerate(CASES)])
def test_a_zone_that_breaks_a_rule_is_told_so_with_a_remedy(name, zone):
    check = checked(zone)[name]
    assert not check.ok
    assert check.found
    assert check.remedy


@pytest.mark.parametrize(
    ("name", "zone", "record"),
    [
        ("mail-host", {("example.com", "MX"): []}, "example.com. MX 10 mail.example.com."),
        ("spf", spf(), 'example.com. TXT "v=spf1 include:_spf.your-provider.example -all"'),
        ("spf", spf("v=spf1 mx -all", "v=spf1 include:p.example ~all"), '"v=spf1 mx include:p.example ~all"'),
        ("spf-end", spf("v=spf1 mx +all"), 'example.com. TXT "v=spf1 mx ~all"'),
        ("dkim-key", {(DKIM, "TXT"): []}, f'{DKIM}. TXT "v=DKIM1; k=rsa; p='),
        ("dmarc", {(DMARC, "TXT"): []}, f'{DMARC}. TXT "v=DMARC1; p=none; rua=mailto:dmarc@example.com"'),
        ("dmarc-reports", {(DMARC, "TXT"): ["v=DMARC1; p=reject"]}, '"v=DMARC1; p=reject; '
            'rua=mailto:dmarc@example.com"'),
    ],
)  # fmt: skip
def test_the_record_to_publish_is_told_literally(name, zone, record):
    assert record in checked(zone)[name].remedy


def test_ten_look_ups_are_allowed_and_the_eleventh_is_not():
    ten = spf("v=spf1 include:i2.example -all") | CHAIN
    assert checked(ten)["spf-lookups"].ok
    assert checked(ten)["spf-lookups"].found == "10 of 10"
    assert "11 of 10" in checked(spf("v=spf1 include:i1.example -all") | CHAIN)["spf-lookups"].found


def test_a_domain_without_mx_but_with_an_address_takes_mail():
    assert checked({("example.com", "MX"): [], ("example.com", "AAAA"): ["2001:db8::1"]})["mail-host"].ok


def test_a_redirect_is_an_end_and_is_followed():
    zone = spf("v=spf1 redirect=_spf.provider.example")
    assert checked(zone)["spf-end"].ok
    assert checked(zone)["spf-syntax"].ok
    assert checked(zone)["spf-lookups"].found == "1 of 10"


def test_a_subdomain_is_covered_by_the_policy_above_it():
    zone = {("mail.example.com", "TXT"): ["v=spf1 mx -all"], ("mail.example.com", "MX"): ["10 mx1.example.com."]}
    above = checked(zone, "mail.example.com", ())
    assert above["dmarc"].ok
    assert above["dmarc-enforced"].ok
    weaker = zone | {(DMARC, "TXT"): ["v=DMARC1; p=reject; sp=none; rua=mailto:a@example.com"]}
    assert not checked(weaker, "mail.example.com", ())["dmarc-enforced"].ok


def test_an_ed25519_key_is_strong():
    checks = checked({(DKIM, "TXT"): [ed25519_record()]})
    assert checks["dkim-key-size"].ok
    assert "dkim-key-strong" not in checks


def test_one_good_selector_does_not_hide_a_missing_one():
    assert not checked({}, selectors=("s1", "s2"))["dkim-key"].ok


def test_a_resolver_that_does_not_answer_is_not_taken_for_an_empty_zone():
    def silent(name: str, kind: str) -> list[str]:
        raise RetryLater(f"no answer for {name}")

    with pytest.raises(RetryLater):
        check_domain("example.com", (), silent)


@pytest.mark.parametrize(
    "domain", ["", "localhost", "a..b", "exa mple.com", "x" * 64 + ".com", "https://example.com", "a@b.c"]
)
def test_what_is_no_domain_is_said_to_be_none(domain):
    with pytest.raises(BadInput):
        check_domain(domain, (), looking_in({}))


def test_domains_of_one_organisation_are_aligned():
    assert aligned("mail.example.com", "example.com")
    assert aligned("a.example.co.uk", "b.example.co.uk")
    assert not aligned("a.co.uk", "b.co.uk")
    assert not aligned("example.com", "example.org")
    assert not aligned("", "")
    assert organisation_of("a.b.example.com") == "example.com"
    assert ascii_domain("Bücher.Example.") == "xn--bcher-kva.example"


WORDS = st.sampled_from(
    ["v=spf1", "include:a.example", "include:b.example", "redirect=a.example", "a", "mx/24", "a:b.example/24//64",
     "ptr", "exists:%{i}.x", "ip4:1.2.3.4", "-all", "?all", "=", "a:", "%", "exp=x"]
)  # fmt: skip
RECORDS = st.lists(WORDS, max_size=8).map(" ".join) | st.text(max_size=40)


@given(
    st.lists(RECORDS, min_size=3, max_size=3), st.lists(RECORDS, max_size=2), st.lists(st.text(max_size=60), max_size=3)
)
def test_any_zone_is_judged_in_bounded_work(own, others, more):
    asked = []
    zone: Zone = {
        ("example.com", "TXT"): own,
        ("a.example", "TXT"): others,
        ("b.example", "TXT"): own[:1],
        ("example.com", "MX"): more,
        (DKIM, "TXT"): more,
        (DMARC, "TXT"): more,
    }

    def lookup(name: str, kind: str) -> list[str]:
        asked.append((name, kind))
        return zone.get((name, kind), [])

    assert check_domain("example.com", ("s1",), lookup)
    assert len(asked) == len(set(asked)) < 100


@given(RECORDS)
def test_any_record_is_read(record):
    terms, wrong = terms_of(record)
    assert len(terms) + len(wrong) <= len(record.split())
    assert evaluate("example.com", record, looking_in({})).lookups <= 40
