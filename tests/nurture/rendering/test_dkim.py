"""Our own signatures hold for who verifies them: another library for RSA, the bare curve for Ed25519."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime
from hashlib import sha256

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from nurture.errors import BadSetting
from nurture.rendering.dkim import SIGNED, dkim_signer

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
ED25519 = Ed25519PrivateKey.generate()
HEAD = (
    b"From: Northwind <hello@example.com>\r\nTo: reader@example.org\r\nSubject: Hello\r\n"
    b"Date: Mon, 02 Mar 2026 09:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"
    b"List-Unsubscribe: <https://example.com/u/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain\r\n"
)


def pem(key, encryption=None) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption or NoEncryption()).decode()


def signed(raw: bytes, key=RSA) -> bytes:
    return dkim_signer("Example.com", "ripen", pem(key)).sign(raw, AT)


def holds(raw: bytes) -> bool:
    public = RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    record = b"v=DKIM1; k=rsa; p=" + b64encode(public)
    return bool(dkim.verify(raw, dnsfunc=lambda name, **_: record if name == b"ripen._domainkey.example.com." else b""))


BODIES = {
    "plain": b"Hello\r\n",
    "empty": b"",
    "only an empty line": b"\r\n",
    "only empty lines": b"\r\n\r\n\r\n",
    "only blanks": b" \t \r\n",
    "empty lines at its end": b"Hello\r\n\r\n\r\n",
    "lines of blanks at its end": b"Hello\r\n \t\r\n\t\r\n",
    "empty lines in between": b"Hello\r\n\r\n\r\nagain\r\n",
    "blanks at the ends of lines": b"Hello \t \r\nagain\t\r\n",
    "many blanks in a line": b"Hello \t  \t there\r\n",
    "blanks at the beginning": b"\t \tHello\r\n",
    "long lines": b"x" * 998 + b"\r\n" + b"y " * 499 + b"\r\n",
    "no end": b"Hello",
    "bytes": bytes(range(0x80, 0x100)) + b"\r\n",
    "what looks like a header": b"From: somebody\r\n\r\nHello\r\n",
    "dots": b".\r\n..\r\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
def test_a_signature_holds_over_any_body(body):
    assert holds(signed(HEAD + b"\r\n" + body))


@settings(max_examples=40)
@given(st.lists(st.sampled_from([b" ", b"\t", b"\r\n", b"a", b"b.", b"\xc3\xa9", b"  \r\n"]), max_size=30))
def test_a_signature_holds_over_bodies_of_any_blanks_and_lines(parts):
    assert holds(signed(HEAD + b"\r\n" + b"".join(parts)))


SUBJECTS = {
    "folded": b"Subject: Hello\r\n there\r\n\tand there\r\n",
    "folded at its beginning": b"Subject:\r\n Hello\r\n",
    "with tabs and blanks": b"Subject:\t Hello \t there \t\r\n",
    "with blanks at the fold": b"Subject: Hello \t\r\n \t there\r\n",
    "empty": b"Subject: \r\n",
    "without a blank": b"Subject:Hello\r\n",
    "in capitals": b"SUBJECT: Hello\r\n",
    "with colons": b"Subject: a: b: c\r\n",
    "encoded": b"Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n",
    "long": b"Subject: " + b"x" * 989 + b"\r\n",
}


@pytest.mark.parametrize("subject", SUBJECTS.values(), ids=SUBJECTS)
def test_a_signature_holds_over_any_header(subject):
    raw = HEAD.replace(b"Subject: Hello\r\n", subject) + b"\r\nHello\r\n"
    assert holds(signed(raw))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"Subject: Hello", b"Subject: Hell"),
        (b"/u/1>", b"/u/2>"),
        (b"One-Click", b"Two-Click"),
        (b"\r\n\r\nHello", b"\r\n\r\nHallo"),
        (b"From: Northwind", b"From: Somebody"),
        (b"MIME-Version", b"From: other@example.com\r\nMIME-Version"),
        (b"MIME-Version", b"Subject: another\r\nMIME-Version"),
        (b"MIME-Version", b"List-Unsubscribe: <https://example.net>\r\nMIME-Version"),
    ],
)
def test_whatever_is_changed_or_added_on_the_way_breaks_the_signature(before, after):
    raw = signed(HEAD + b"\r\nHello\r\n")
    assert holds(raw)
    head, _, rest = raw.partition(b"From: Northwind")
    changed = head + (b"From: Northwind" + rest).replace(before, after, 1)
    assert changed != raw
    assert not holds(changed)


def test_what_relays_may_change_leaves_it_whole():
    raw = signed(HEAD + b"\r\nHello  there\r\n")
    changed = raw.replace(b"Subject: Hello", b"subject:  Hello \r\n ").replace(b"Hello  there", b"Hello there ")
    assert holds(b"Received: from somewhere\r\n" + changed + b"\r\n")


def test_it_covers_what_mailbox_providers_ask_for_and_what_is_not_there_only_where_it_must_not_come():
    raw = signed(HEAD + b"\r\nHello\r\n")
    field = re.sub(rb"\r\n[ \t]+", b" ", raw.partition(b"\r\nFrom:")[0]).decode()
    names = re.sub(r"\s", "", re.search(r" h=([^;]*);", field)[1]).split(":")
    assert {"from", "subject", "date", "message-id", "list-unsubscribe", "list-unsubscribe-post"} <= set(names)
    assert set(names) <= set(SIGNED)
    assert (names.count("from"), names.count("list-unsubscribe"), names.count("mime-version")) == (2, 2, 1)
    assert "reply-to" not in names
    assert "d=example.com; s=ripen;" in field
    assert f"t={int(AT.timestamp())};" in field
    assert max(len(line) for line in raw.split(b"\r\n")) <= 100


def test_the_same_message_at_the_same_time_signs_the_same():
    raw = HEAD + b"\r\nHello\r\n"
    assert signed(raw) == signed(raw)
    assert signed(raw, ED25519) == signed(raw, ED25519)


def test_ed25519_signs_the_hash_of_the_headers_as_rfc_8463_says():
    raw = signed(HEAD + b"\r\nHello \r\n\r\n", ED25519)
    field, _, rest = raw.partition(b"\r\nFrom:")
    assert b"a=ed25519-sha256;" in field
    assert b"bh=" + b64encode(sha256(b"Hello\r\n").digest()) in field
    start, _, signature = field.rpartition(b"b=")
    lines = dict(line.split(b":", 1) for line in (b"From:" + rest).split(b"\r\n\r\n")[0].split(b"\r\n"))
    values = {name.lower(): value.strip() for name, value in lines.items()}
    names = re.sub(rb"\s", b"", re.search(rb" h=([^;]*);", field)[1]).split(b":")
    # Each occurs once, so that its second mention stands for nothing.
    chosen = [name for at, name in enumerate(names) if name not in names[:at]]
    over = b"".join(name + b":" + values[name] + b"\r\n" for name in chosen)
    over += b"dkim-signature:" + re.sub(rb"\s+", b" ", start.partition(b":")[2]).strip() + b" b="
    ED25519.public_key().verify(b64decode(signature), sha256(over).digest())


def short_key() -> rsa.RSAPrivateKey:
    """Of two primes that everybody knows, for nobody makes such keys any more."""
    p, q, e = 2**521 - 1, 2**127 - 1, 65537
    d = pow(e, -1, (p - 1) * (q - 1))
    more = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, *more, rsa.RSAPublicNumbers(e, p * q)).private_key()


KEYS = {
    "nothing": ("", "PEM"),
    "no key": ("hello", "PEM"),
    "a public key": (RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode(), "PEM"),
    "with a passphrase": (pem(RSA, BestAvailableEncryption(b"secret")), "passphrase"),
    "of another curve": (pem(ec.generate_private_key(ec.SECP256R1())), "neither"),
    "too short": (pem(short_key()), "648 bits"),
    "broken": ("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "PEM"),
}


@pytest.mark.parametrize(("key", "said"), KEYS.values(), ids=KEYS)
def test_a_key_that_cannot_sign_is_a_bad_setting_that_never_shows_the_key(key, said):
    with pytest.raises(BadSetting, match=said) as found:
        dkim_signer("example.com", "ripen", key)
    assert not key.strip() or key.strip() not in str(found.value)
    assert "BEGIN" not in str(found.value)


@pytest.mark.parametrize(
    ("domain", "selector"),
    [("", "ripen"), ("example.com; d=other.test", "ripen"), ("example.com", "ri pen"), ("example.com\r\nBcc: a", "x")],
)
def test_a_name_that_is_none_never_reaches_the_header(domain, selector):
    with pytest.raises(BadSetting, match="not a DNS name"):
        dkim_signer(domain, selector, pem(RSA))


def test_a_key_may_come_on_one_line_as_variables_have_it_and_is_not_shown():
    signer = dkim_signer("example.com", "ripen", pem(RSA).replace("\n", "\\n"))
    assert holds(signer.sign(HEAD + b"\r\nHello\r\n", AT))
    assert "key" not in repr(signer)
