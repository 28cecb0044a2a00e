"""DKIM: what we sign, another hand verifies; whatever is changed afterwards breaks it; a key never shows."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from datetime import UTC, datetime, timedelta
from hashlib import sha256

import dkim
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from nurture.errors import BadSetting
from nurture.rendering.dkim import SIGNED, dkim_signer
from nurture.rendering.mime import MailPlan, build_mime

AT = datetime(2026, 3, 2, 9, tzinfo=UTC)
RSA = generate_rsa(public_exponent=65537, key_size=2048)
PUBLIC = b64encode(RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def pem(key):
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


SIGNER = dkim_signer("example.com", "ripen", pem(RSA))


def mail(**changed):
    key = "ab" * 20
    plan = {
        "message_id": f"<{key}@example.com>",
        "message_key": key,
        "from_name": "Blåbær ApS",
        "from_address": "hello@example.com",
        "to_name": "Søren",
        "to_address": "soren@example.net",
        "subject": "Så er guiden her " * 6,
        "text": "Hej\n\n. \ttab  \n\n\n",
        "html": "<p>Hej  æ</p>\n",
        "date": AT,
        "reply_to": "answers@example.com",
        "list_unsubscribe_url": "https://example.com/u/" + "x" * 90,
        "feedback_id": "a:b:c:ripen",
    }
    return build_mime(MailPlan(**{**plan, **changed}))


def verified(raw):
    return dkim.verify(raw, dnsfunc=lambda name, timeout=5: b"v=DKIM1; k=rsa; p=" + PUBLIC)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(mail(), id="a mail"),
        pytest.param(mail(reply_to=None, list_unsubscribe_url=None, feedback_id=None), id="few headers"),
        pytest.param(mail(text="x" * 5_000), id="long lines"),
        pytest.param(b"From: a@example.com\r\nTo: b@example.com\r\n\r\n", id="an empty body"),
        pytest.param(b"From: a@example.com\r\nTo: b@example.com\r\n\r\nx\r\n\r\n\r\n", id="empty lines at the end"),
        pytest.param(b"From: a@example.com\r\nTo: b@example.com\r\n\r\n \t\r\nx \t y\t\r\n", id="blanks"),
        pytest.param(b"From: a@example.com\r\nSubject: one\r\n\ttwo\r\n  three\r\n\r\nx\r\n", id="folded headers"),
    ],
)
def test_another_hand_verifies_what_we_sign(raw):
    signed = SIGNER.sign(raw, AT)
    assert verified(signed)
    assert signed.endswith(raw)
    assert max(map(len, signed.partition(b"From:")[0].split(b"\r\n"))) < 90


def test_the_same_mail_signs_the_same_and_another_time_another():
    assert SIGNER.sign(mail(), AT) == SIGNER.sign(mail(), AT)
    assert SIGNER.sign(mail(), AT) != SIGNER.sign(mail(), AT + timedelta(seconds=1))


@pytest.mark.parametrize(
    ("what", "becomes"),
    [
        (b"Feedback-ID: a:b:c:ripen", b"Feedback-ID: z:b:c:ripen"),
        (b"List-Unsubscribe=One-Click", b"List-Unsubscribe=Two-Click"),
        (b"<hello@example.com>", b"<hallo@example.com>"),
        (b"<p>Hej", b"<p>Nej"),
    ],
)
def test_whatever_is_changed_breaks_it(what, becomes):
    signed = SIGNER.sign(mail(), AT)
    assert what in signed
    assert not verified(signed.replace(what, becomes, 1))


@pytest.mark.parametrize("added", [b"Subject: another\r\n", b"From: b@example.com\r\n", b"To: c@example.com\r\n"])
def test_a_header_that_is_added_later_breaks_it_too(added):
    start, _, rest = SIGNER.sign(mail(), AT).partition(b"From: ")
    assert not verified(start + added + b"From: " + rest)


def test_it_covers_what_mailbox_providers_ask_for():
    signed = SIGNER.sign(mail(), AT)
    head = re.sub(rb"\s+", b"", signed.partition(b"From:")[0])
    names = re.search(rb";h=([^;]+);", head)[1].decode().split(":")
    assert set(names) == set(SIGNED)
    assert names.count("from") == 2
    assert b"d=example.com;s=ripen;" in head


def test_an_ed25519_key_signs_by_rfc_8463():
    key = Ed25519PrivateKey.generate()
    raw = b"From: a@example.com\r\n\r\nx\r\n"
    signed = dkim_signer("Example.com", "ed", pem(key)).sign(raw, AT).decode()
    assert "a=ed25519-sha256" in signed
    field = signed.partition("From:")[0].removesuffix("\r\n")
    value, _, signature = field.partition(":")[2].rpartition("b=")
    said = "dkim-signature:" + " ".join((value + "b=").replace("\r\n", "").split())
    data = b"from:a@example.com\r\n" + said.encode()
    key.public_key().verify(b64decode("".join(signature.split())), sha256(data).digest())


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("no key at all", "not a private key"),
        (pem(RSA)[:200], "not a private key"),
        (pem(generate_private_key(SECP256R1())), "neither an RSA nor an Ed25519"),
    ],
    # Keys are new each time; names of tests must not be.
    ids=["no key", "half a key", "a key of another kind"],
)
def test_a_key_that_cannot_sign_is_named_and_never_shown(key, hint):
    with pytest.raises(BadSetting, match=hint) as caught:
        dkim_signer("example.com", "ripen", key)
    assert "BEGIN" not in str(caught.value)
    assert key[4:40] not in str(caught.value)


@pytest.mark.parametrize("name", ["", "a b", "x;y", "-x", "x\r\nBcc: y"])
def test_a_domain_or_selector_that_is_no_name_is_refused(name):
    for given in ((name, "ripen"), ("example.com", name)):
        with pytest.raises(BadSetting, match="DNS name"):
            dkim_signer(*given, pem(RSA))


def test_the_signer_does_not_show_its_key():
    assert "key=" not in repr(SIGNER)


def test_a_key_in_one_line_with_written_line_ends_is_read():
    assert dkim_signer("example.com", "ripen", pem(RSA).replace("\n", "\\n")).sign(mail(), AT) == SIGNER.sign(
        mail(), AT
    )
