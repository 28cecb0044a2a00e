"""Signatures of inbound webhooks: by the published rules, and closed for everything else."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.webhook_signatures import (
    has_credentials,
    has_hex_signature,
    has_path_secret,
    is_fresh,
    is_genuine,
    secrets_of,
    signature,
)

# The example of the Standard Webhooks specification.
SECRET = "whsec_plJ3nmyCDGBKInavdOK15jsl"
MESSAGE_ID, BODY = "msg_loFOjxBNrRLzqYUf", b'{"event_type":"ping","data":{"success":true}}'
SENT = datetime.fromtimestamp(1731705121, UTC)
PUBLISHED = "v1,rAvfW3dJ/X/qxhsaXPOyyCGmRKsaKWcsNccKXlIktD0="


def headers(**changed: str) -> dict[str, str]:
    """The headers of the example, with some of them changed."""
    given = {"webhook-id": MESSAGE_ID, "webhook-timestamp": "1731705121", "webhook-signature": PUBLISHED}
    return given | {name.replace("_", "-"): value for name, value in changed.items()}


def genuine(secrets: str = SECRET, body: bytes = BODY, now: datetime = SENT, **changed: str) -> bool:
    """Whether the example, changed a little, is taken for genuine."""
    return is_genuine(secrets_of(secrets), headers(**changed), body, now)


def test_the_example_of_the_specification_is_genuine():
    assert genuine()


@pytest.mark.parametrize(
    "secrets",
    ["a new secret, that is long enough".replace(" ", "-") + f" {SECRET}", f"{SECRET},another-secret-of-ours"],
)
def test_while_a_secret_is_rotated_both_are_good(secrets):
    assert genuine(secrets)


def test_a_sender_may_sign_with_two_secrets_at_once():
    assert genuine(webhook_signature=f"v1,{base64.b64encode(b'x' * 32).decode()} {PUBLISHED}")


def test_a_secret_may_be_plain_text():
    plain = "a-plain-secret-of-our-own"
    assert genuine(plain, webhook_signature=signature(plain.encode(), MESSAGE_ID, "1731705121", BODY))


@pytest.mark.parametrize("late", [timedelta(minutes=6), -timedelta(minutes=6), timedelta(days=900)])
def test_an_old_or_early_message_is_refused(late):
    assert not genuine(now=SENT + late)


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook_id": ""},
        {"webhook_id": "msg_another"},
        {"webhook_timestamp": ""},
        {"webhook_timestamp": "now"},
        {"webhook_timestamp": "١٧٣١٧٠٥١٢١"},
        {"webhook_timestamp": "-1"},
        {"webhook_timestamp": "9" * 400},
        {"webhook_signature": ""},
        {"webhook_signature": "v1"},
        {"webhook_signature": "v1,"},
        {"webhook_signature": PUBLISHED.removeprefix("v1,")},
        {"webhook_signature": PUBLISHED.replace("v1,", "v2,")},
        {"webhook_signature": PUBLISHED[:-2] + "A="},
        {"webhook_signature": "v1,é"},
    ],
)
def test_a_missing_wrong_or_malformed_header_is_refused(changed):
    assert not genuine(**changed)


def test_another_body_is_refused():
    assert not genuine(body=BODY + b" ")


@pytest.mark.parametrize("setting", ["", "  ", "short", "whsec_", "whsec_c2hvcnQ=", "whsec_%%%%%%%%%%%%%%%%%%%%%%%%"])
def test_without_a_usable_secret_nothing_is_genuine(setting):
    assert secrets_of(setting) == ()
    assert not genuine(setting)


@given(
    st.dictionaries(st.sampled_from(["webhook-id", "webhook-timestamp", "webhook-signature"]), st.text()), st.binary()
)
def test_nothing_malformed_ever_raises(found, body):
    assert not is_genuine(secrets_of(SECRET), found, body, SENT)


# --- Senders without such signatures ----------------------------------------------------------------------------------


def test_a_sender_may_call_the_headers_otherwise():
    renamed = {name.replace("webhook", "svix"): value for name, value in headers().items()}
    assert is_genuine(secrets_of(SECRET), renamed, BODY, SENT, prefix="svix")
    assert not is_genuine(secrets_of(SECRET), renamed, BODY, SENT)
    assert not is_genuine(secrets_of(SECRET), headers(), BODY, SENT, prefix="svix")


@pytest.mark.parametrize("name", ["webhook_id", "webhook_timestamp", "webhook_signature"])
def test_half_of_a_surrogate_pair_is_refused_without_raising(name):
    assert not genuine(**{name: "\ud800"})


@pytest.mark.parametrize(("late", "fresh"), [(300, True), (-300, True), (301, False), (-301, False)])
def test_five_minutes_are_fresh(late, fresh):
    assert is_fresh("1731705121", SENT + timedelta(seconds=late)) is fresh


def test_more_can_be_allowed_and_what_is_no_number_is_never_fresh():
    assert is_fresh("1731705121", SENT + timedelta(hours=1), timedelta(hours=2))
    assert not any(
        is_fresh(each, SENT) for each in ("", "now", "1731705121.0", "-1731705121", "9" * 400, "1731705121\n")
    )


def test_a_hexadecimal_signature_is_that_of_one_of_the_secrets():
    made = hmac.new(b"second", b"1731705121token", hashlib.sha256).hexdigest()
    assert has_hex_signature([b"first", b"second"], "1731705121token", made)
    assert not has_hex_signature([b"first"], "1731705121token", made)
    assert not has_hex_signature([], "1731705121token", made)
    for wrong in (made.upper(), made[:-1], "", "\ud800", made + "\n"):
        assert not has_hex_signature([b"second"], "1731705121token", wrong)


@pytest.mark.parametrize(
    "given", ["Basic cmlwZW46c2VjcmV0", "basic  cmlwZW46c2VjcmV0 ", "Bearer a-token", "BEARER a-token"]
)
def test_credentials_are_those_of_one_of_the_secrets(given):
    assert has_credentials(["ripen:secret", "a-token"], given)
    assert not has_credentials(["ripen:other", "another"], given)
    assert not has_credentials([], given)


@pytest.mark.parametrize(
    "given",
    ["", "Basic", "Bearer", "Basic a-token", "Bearer ripen:secret", "Basic cmlwZW4", "Bearer \ud800", "a-token"],
)
def test_other_credentials_are_refused(given):
    assert not has_credentials(["ripen:secret", "a-token"], given)


def test_a_secret_path_ends_with_one_of_the_secrets():
    assert has_path_secret(["one", "two"], "/hooks/somebody/two")
    for wrong in ("/hooks/somebody/two/", "/hooks/two/somebody", "/hooks/somebody/TWO", "", "\ud800"):
        assert not has_path_secret(["one", "two"], wrong)
    assert not has_path_secret([], "/hooks/somebody/")
