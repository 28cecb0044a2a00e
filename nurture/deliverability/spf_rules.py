"""Rules about the SPF record of a domain (RFC 7208)."""

from __future__ import annotations

from collections.abc import Sequence

from nurture.deliverability.rules import Rule, Seen, several
from nurture.deliverability.spf import MAX_LOOKUPS, MAX_VOID, ending, terms_of
from nurture.deliverability.zone import Zone, publish


def _spf(zone: Zone) -> Seen:
    remedy = publish(zone.domain, "v=spf1 include:_spf.your-provider.example -all")
    if len(zone.spf) > 1:
        remedy = "make one record of all, such as " + publish(zone.domain, _merged(zone.spf))
    return Seen(len(zone.spf) == 1, f"{len(zone.spf)} records", remedy)


def _merged(records: Sequence[str]) -> str:
    words = [word for record in records for word in record.split()[1:] if not word.lower().endswith("all")]
    return " ".join(["v=spf1", *dict.fromkeys(words), "~all"])


def _spf_syntax(zone: Zone) -> Seen | None:
    if not zone.spf:
        return None
    broken = list(dict.fromkeys([f"`{word}`" for word in terms_of(zone.spf[0])[1]] + zone.evaluation.broken))
    return Seen(not broken, several(broken) if broken else zone.spf[0][:200])


def _spf_lookups(zone: Zone) -> Seen | None:
    if not zone.spf:
        return None
    found = zone.evaluation
    lost = f", {len(found.void)} without answer ({several(found.void)})" if found.void else ""
    return Seen(found.lookups <= MAX_LOOKUPS and len(found.void) <= MAX_VOID, f"{found.lookups} of {MAX_LOOKUPS}{lost}")


def _spf_end(zone: Zone) -> Seen | None:
    if not zone.spf:
        return None
    terms, _ = terms_of(zone.spf[0])
    found = ending(terms)
    words = [word for word in zone.spf[0].split() if word.lower().lstrip("+-?~") != "all"]
    return Seen(found in ("-all", "~all", "redirect"), found, publish(zone.domain, " ".join([*words, "~all"])))


RULES: tuple[Rule[Zone], ...] = (
    Rule("spf", "must", "exactly one SPF record (RFC 7208, 3.2)", "publish one SPF record", _spf),
    Rule(
        "spf-syntax",
        "must",
        "terms that receivers can read, in every included record too",
        "correct the terms named; receivers give up at the first",
        _spf_syntax,
    ),
    Rule(
        "spf-lookups",
        "must",
        f"at most {MAX_LOOKUPS} look-ups, {MAX_VOID} of them without answer (RFC 7208, 4.6.4)",
        "take out includes of providers that no longer send, and `mx` or `a` where `ip4:` does",
        _spf_lookups,
    ),
    Rule(
        "spf-end", "must", "an end by `-all` or `~all`; `+all` lets everybody send", "end the record by ~all", _spf_end
    ),
)
