"""Rules about the DMARC policy that counts for a domain (RFC 7489)."""

from __future__ import annotations

from nurture.deliverability.domains import organisation_of
from nurture.deliverability.rules import Rule, Seen, several
from nurture.deliverability.zone import Zone, publish

_POLICIES = ("none", "quarantine", "reject")


def _reports_to(zone: Zone) -> str:
    return f"mailto:dmarc@{organisation_of(zone.domain)}"


def _dmarc(zone: Zone) -> Seen:
    name, records = zone.dmarc
    found = f"{len(records)} records at {name}"
    if len(records) > 1:
        return Seen(False, found, f"leave one record at {name}; with two, receivers take none")
    return Seen(len(records) == 1, found, publish(name, f"v=DMARC1; p=none; rua={_reports_to(zone)}"))


def _dmarc_policy(zone: Zone) -> Seen | None:
    name, records = zone.dmarc
    if not records:
        return None
    policy = zone.policy.get("p", "").lower()
    remedy = publish(name, f"v=DMARC1; p=none; rua={_reports_to(zone)}")
    return Seen(policy in _POLICIES, f"p={policy}" if policy else "no p=", remedy)


def _dmarc_enforced(zone: Zone) -> Seen | None:
    name, records = zone.dmarc
    if not records:
        return None
    policy = zone.policy.get("p", "").lower()
    if name != f"_dmarc.{zone.domain}":
        policy = zone.policy.get("sp", policy).lower()
    record = publish(name, f"v=DMARC1; p=quarantine; rua={_reports_to(zone)}")
    remedy = f"when the reports show no mail of yours that fails, {record}"
    return Seen(policy in ("quarantine", "reject"), f"{policy or 'nothing'} for {zone.domain}", remedy)


def _dmarc_reports(zone: Zone) -> Seen | None:
    name, records = zone.dmarc
    if not records:
        return None
    rua = zone.policy.get("rua", "")
    policy = zone.policy.get("p") or "none"
    remedy = publish(name, f"v=DMARC1; p={policy}; rua={_reports_to(zone)}")
    return Seen(rua.lower().startswith(("mailto:", "https:")), "rua is set" if rua else "no rua", remedy)


def _dmarc_alignment(zone: Zone) -> Seen | None:
    if not zone.dmarc[1]:
        return None
    strict = [f"{tag}=s" for tag in ("adkim", "aspf") if zone.policy.get(tag, "r").lower() == "s"]
    if strict:
        return Seen(False, f"{several(strict)}: From, signature and envelope need the very same domain")
    return Seen(True, "relaxed: a subdomain of the same organisation is enough")


RULES: tuple[Rule[Zone], ...] = (
    Rule(
        "dmarc",
        "must",
        "exactly one DMARC record, at the domain or above (Gmail, Yahoo, Microsoft)",
        "publish a DMARC record",
        _dmarc,
    ),
    Rule("dmarc-policy", "must", "a policy `p=` of none, quarantine or reject", "set p=", _dmarc_policy),
    Rule(
        "dmarc-enforced",
        "should",
        "a policy that stops forgeries: quarantine or reject",
        "set p=quarantine",
        _dmarc_enforced,
    ),
    Rule("dmarc-reports", "should", "somewhere to send reports, `rua=`", "set rua=", _dmarc_reports),
    Rule(
        "dmarc-alignment",
        "info",
        "relaxed alignment, by which subdomains count",
        "leave adkim and aspf out unless you mean them",
        _dmarc_alignment,
    ),
)
