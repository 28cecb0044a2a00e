"""Rules about DKIM signatures; a provider may sign after us, so that a file without one is no fault by itself."""

from __future__ import annotations

from nurture.deliverability.dkim import ALGORITHMS, BadSignature, Signature, fields_of, tags_of, verify
from nurture.deliverability.domains import aligned
from nurture.deliverability.letter import Letter
from nurture.deliverability.rules import Rule, Seen, several

MUST_COVER = ("from", "to", "subject", "date", "message-id", "mime-version", "content-type")
UNSUBSCRIBING = ("list-unsubscribe", "list-unsubscribe-post")
_NEEDED = ("v", "a", "b", "bh", "d", "h", "s")


def signatures_of(letter: Letter) -> list[Signature]:
    """The signatures of a mail, the outermost first."""
    return [Signature(tags_of(value)) for value in letter.all("dkim-signature")]


def _present(letter: Letter) -> Seen:
    found = signatures_of(letter)
    if not found:
        return Seen(False, "none; the provider may still sign")
    for each in found:
        missing = [tag for tag in _NEEDED if not each.tags.get(tag)]
        if missing:
            return Seen(False, f"a signature without {several(missing)}", "sign again; the header is damaged")
        if each.tags["a"] not in ALGORITHMS:
            return Seen(False, f"signed by {each.tags['a']}", "sign with rsa-sha256 or ed25519-sha256 (RFC 8301)")
        if "l" in each.tags:
            return Seen(False, "only a part of the body is signed (`l=`)", "sign the whole body: leave `l=` out")
        expiry = each.tags.get("x", "")
        if expiry.isdigit() and len(expiry) < 12 and int(expiry) < letter.given.now.timestamp():
            return Seen(False, "a signature has expired", "send the mail sooner, or sign with a later `x=`")
    return Seen(True, f"by {several([f'{each.domain} ({each.selector})' for each in found])}")


def _covers(letter: Letter) -> Seen | None:
    found = [each for each in signatures_of(letter) if aligned(each.domain, letter.domain("from"))]
    if not found:
        return None
    wanted = [*MUST_COVER, *(name for name in UNSUBSCRIBING if letter.all(name))]
    least = min(([name for name in wanted if name not in each.signed] for each in found), key=len)
    return Seen(
        not least, f"not signed: {several(least, 9)}" if least else f"{len(wanted)} headers that matter are signed"
    )


def _alignment(letter: Letter) -> Seen | None:
    found = [each.domain for each in signatures_of(letter)]
    sender = letter.domain("from")
    if not found or not sender:
        return None
    return Seen(any(aligned(domain, sender) for domain in found), f"signed by {several(found)}, from {sender}")


def _verifies(letter: Letter) -> Seen | None:
    lookup = letter.given.lookup
    fields = [each for each in fields_of(letter.raw) if each.lower().startswith(b"dkim-signature")][:5]
    if lookup is None or not fields:
        return None
    results: list[tuple[str, str]] = []
    for each in fields:
        signature = Signature(tags_of(each.partition(b":")[2].replace(b"\r\n", b"").decode("ascii", "replace")))
        results.append((signature.domain, _why_not(letter, each, lookup(signature.key_name, "TXT"))))
    wrong = [f"{domain or 'nobody'}: {why}" for domain, why in results if why]
    holds = any(not why and aligned(domain, letter.domain("from")) for domain, why in results)
    return Seen(holds, "; ".join(wrong) or ("holds" if holds else "holds, for another domain"))


def _why_not(letter: Letter, field: bytes, records: object) -> str:
    keys = [str(each) for each in records] if isinstance(records, (list, tuple)) else []
    if not keys:
        return "no key is published"
    try:
        verify(letter.raw, field, keys[0])
    except BadSignature as error:
        return str(error)
    return ""


RULES: tuple[Rule[Letter], ...] = (
    Rule(
        "dkim-signature",
        "should",
        "a complete DKIM signature over the whole body, by rsa-sha256 or ed25519-sha256, not expired",
        "sign, or look at a mail that has come through your provider",
        _present,
    ),
    Rule(
        "dkim-covers",
        "must",
        "what names the mail (From to Content-Type) and both List-Unsubscribe headers are signed (RFC 8058)",
        "name From, To, Subject, Date, Message-ID, MIME-Version, Content-Type and both List-Unsubscribe in `h=`",
        _covers,
    ),
    Rule(
        "dkim-alignment",
        "must",
        "a signature of the organisation in From (DMARC)",
        "let your provider sign with your own domain (custom DKIM)",
        _alignment,
    ),
    Rule(
        "dkim-verifies",
        "must",
        "the signature holds with the key that is published; looked at only with --dns",
        "publish the key that signs, and change nothing after signing",
        _verifies,
    ),
)
