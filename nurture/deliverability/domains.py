"""Domains: which organisation one belongs to, where anybody has an address, and whose links are no longer believed."""

from __future__ import annotations

# Suffixes of two labels below which organisations register; enough for alignment, not the whole public list.
_SUFFIXES = (
    "co.uk org.uk ac.uk gov.uk ltd.uk plc.uk me.uk com.au net.au org.au edu.au co.nz org.nz com.br net.br org.br co.jp "
    "or.jp ne.jp ac.jp co.kr or.kr co.in net.in org.in co.za org.za com.mx com.ar com.tr com.cn net.cn org.cn com.hk "
    "com.sg com.tw co.il com.pl net.pl com.ua co.at or.at com.pt com.es com.gr co.id co.th com.my com.ph com.vn"
)
_FREE_MAIL = (
    "gmail.com googlemail.com yahoo.com yahoo.co.uk yahoo.de yahoo.fr ymail.com hotmail.com hotmail.co.uk hotmail.dk "
    "outlook.com outlook.dk outlook.de live.com live.dk msn.com aol.com icloud.com me.com mac.com gmx.de gmx.net "
    "gmx.at gmx.com web.de t-online.de freenet.de mail.com mail.ru yandex.ru yandex.com proton.me protonmail.com "
    "zoho.com mail.dk orange.fr laposte.net free.fr libero.it telia.com"
)
_SHORTENERS = (
    "bit.ly bitly.com tinyurl.com t.co goo.gl ow.ly is.gd v.gd buff.ly rebrand.ly cutt.ly t.ly rb.gy shorturl.at "
    "tiny.cc lnkd.in s.id bl.ink soo.gd adf.ly"
)
_TWO_LABELS = frozenset(_SUFFIXES.split())
FREE_MAIL = frozenset(_FREE_MAIL.split())
SHORTENERS = frozenset(_SHORTENERS.split())


def organisation_of(domain: str) -> str:
    """The part of a domain that an organisation registers."""
    labels = domain.lower().strip(".").split(".")
    keep = 3 if ".".join(labels[-2:]) in _TWO_LABELS else 2
    return ".".join(labels[-keep:])


def aligned(one: str, other: str) -> bool:
    """Whether two domains belong to one organisation, which is DMARC's relaxed alignment (RFC 7489, 3.1)."""
    return bool(one) and organisation_of(one) == organisation_of(other)


def ascii_domain(domain: str) -> str:
    """A domain as DNS knows it; empty when it can be none."""
    try:
        found = domain.strip().strip(".").lower().encode("idna").decode("ascii")
    except UnicodeError:
        return ""
    labels = found.split(".")
    fits = all(1 <= len(label) <= 63 and label.replace("-", "").replace("_", "").isalnum() for label in labels)
    return found if fits and len(labels) > 1 and len(found) <= 253 else ""
