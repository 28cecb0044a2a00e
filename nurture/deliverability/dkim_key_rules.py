"""Rules about the DKIM keys that a domain publishes (RFC 6376, RFC 8301)."""

from __future__ import annotations

from nurture.deliverability.rules import Rule, Seen, several
from nurture.deliverability.zone import Zone, publish

LEAST_BITS, GOOD_BITS = 1_024, 2_048


def _dkim_named(zone: Zone) -> Seen:
    return Seen(bool(zone.selectors), several(zone.selectors) if zone.selectors else "no selector is named")


def _dkim_key(zone: Zone) -> Seen | None:
    if not zone.keys:
        return None
    missing = [name for name, records in zone.keys if len(records) != 1]
    found = f"not exactly one key at {several(missing)}" if missing else several([name for name, _ in zone.keys])
    remedy = publish(missing[0], "v=DKIM1; k=rsa; p=<the public key of your provider>") if missing else ""
    return Seen(not missing, found, remedy)


def _dkim_size(zone: Zone) -> Seen | None:
    keys = [(name, key) for name, key in zone.read_keys if not key.revoked]
    if not keys:
        return None
    unread = [f"no key that can be read at {name}" for name, key in keys if not key.bits]
    short = [f"{key.bits} bits at {name}" for name, key in keys if key.kind == "rsa" and 0 < key.bits < LEAST_BITS]
    wrong = [*unread, *short]
    return Seen(not wrong, several(wrong or [f"{key.bits} bits" for _, key in keys]))


def _dkim_strong(zone: Zone) -> Seen | None:
    bits = [key.bits for _, key in zone.read_keys if key.bits and key.kind == "rsa"]
    return Seen(min(bits) >= GOOD_BITS, several([f"{each} bits" for each in bits])) if bits else None


def _dkim_revoked(zone: Zone) -> Seen | None:
    wrong = [name for name, key in zone.read_keys if key.revoked]
    return (
        Seen(not wrong, f"revoked (p= is empty) at {several(wrong)}" if wrong else "none") if zone.read_keys else None
    )


def _dkim_testing(zone: Zone) -> Seen | None:
    wrong = [name for name, key in zone.read_keys if key.testing]
    return Seen(not wrong, f"t=y at {several(wrong)}" if wrong else "none") if zone.read_keys else None


RULES: tuple[Rule[Zone], ...] = (
    Rule(
        "dkim-selector",
        "info",
        "a selector to look at",
        "name it: --selector, or --message with a signed mail",
        _dkim_named,
    ),
    Rule("dkim-key", "must", "exactly one key record for each selector", "publish the key", _dkim_key),
    Rule(
        "dkim-key-size",
        "must",
        f"a key of at least {LEAST_BITS} bits (RFC 8301)",
        f"make a key of {GOOD_BITS} bits and publish it under a new selector",
        _dkim_size,
    ),
    Rule(
        "dkim-key-strong",
        "should",
        f"a key of {GOOD_BITS} bits",
        f"make a key of {GOOD_BITS} bits and publish it under a new selector",
        _dkim_strong,
    ),
    Rule(
        "dkim-key-revoked",
        "must",
        "no empty key, which revokes it",
        "sign with another selector, or publish the key again",
        _dkim_revoked,
    ),
    Rule(
        "dkim-key-testing",
        "should",
        "no t=y: it lets receivers ignore the signature",
        "take `t=y` out of the record",
        _dkim_testing,
    ),
)
