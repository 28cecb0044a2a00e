"""All rules about a sending domain, each with the record to publish, literally."""

from __future__ import annotations

from collections.abc import Sequence

from nurture.deliverability import dkim_key_rules, dmarc_rules, spf_rules
from nurture.deliverability.domains import ascii_domain
from nurture.deliverability.rules import Check, Lookup, Rule, Seen, checks_of, several
from nurture.deliverability.zone import Zone, publish
from nurture.errors import BadInput


def _mail_host(zone: Zone) -> Seen:
    hosts = [host for _, host in zone.exchangers if host]
    remedy = publish(zone.domain, f"10 mail.{zone.domain}.", "MX")
    if hosts:
        lost = [host for host in hosts if not zone.has_address(host)]
        more = f"; without address: {several(lost)}" if lost else ""
        return Seen(len(lost) < len(hosts), f"MX {several(hosts)}{more}", remedy)
    if zone.exchangers:
        return Seen(False, "a null MX: the domain takes no mail", remedy)
    found = zone.has_address(zone.domain)
    return Seen(found, "no MX, but an address" if found else "neither MX nor address", remedy)


def _null_mx(zone: Zone) -> Seen:
    null = any(not host for _, host in zone.exchangers)
    remedy = f"take the record `{zone.domain}. MX 0 .` out: answers have nowhere to go, and receivers refuse you"
    return Seen(not null, "a null MX (RFC 7505)" if null else "none", remedy)


def _has(zone: Zone, prefix: str, version: str) -> tuple[bool, str]:
    name = f"{prefix}.{zone.domain}"
    found = any(text.replace(" ", "").lower().startswith(f"v={version}") for text in zone.lookup(name, "TXT"))
    return found, name


def _mta_sts(zone: Zone) -> Seen:
    found, name = _has(zone, "_mta-sts", "stsv1")
    return Seen(found, "published" if found else "none", publish(name, "v=STSv1; id=1"))


def _tls_rpt(zone: Zone) -> Seen:
    found, name = _has(zone, "_smtp._tls", "tlsrptv1")
    return Seen(found, "published" if found else "none", publish(name, f"v=TLSRPTv1; rua=mailto:tls@{zone.domain}"))


def _bimi(zone: Zone) -> Seen:
    found, name = _has(zone, "default._bimi", "bimi1")
    return Seen(found, "published" if found else "none", publish(name, f"v=BIMI1; l=https://{zone.domain}/logo.svg"))


DOMAIN_RULES: tuple[Rule[Zone], ...] = (
    Rule("mail-host", "must", "an MX with an address, or an address", "publish an MX record", _mail_host),
    Rule("null-mx", "must", "no null MX (RFC 7505)", "take the null MX out", _null_mx),
    *spf_rules.RULES,
    *dkim_key_rules.RULES,
    *dmarc_rules.RULES,
    Rule("mta-sts", "info", "MTA-STS for mail to the domain (RFC 8461)", "publish it with its policy file", _mta_sts),
    Rule("tls-rpt", "info", "reports about failing TLS (RFC 8460)", "publish it", _tls_rpt),
    Rule(
        "bimi",
        "info",
        "a logo beside the sender (BIMI); needs p=quarantine or reject",
        "publish it when DMARC is enforced",
        _bimi,
    ),
)


def check_domain(domain: str, selectors: Sequence[str], lookup: Lookup) -> list[Check]:
    """Every rule about a sending domain; raises BadInput when it is none, RetryLater when DNS does not answer."""
    name = ascii_domain(domain)
    if not name:
        raise BadInput("that is no domain; write one such as example.com")
    chosen = tuple(dict.fromkeys(each.strip().lower() for each in selectors if each.strip()))
    wrong = [each for each in chosen if not ascii_domain(f"{each}.example")]
    if wrong:
        raise BadInput("a selector is a word such as `s1`, as in the `s=` of a DKIM signature")
    return checks_of(DOMAIN_RULES, Zone(name, chosen, lookup))
