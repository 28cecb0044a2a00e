"""Signatures of inbound webhooks: by the published rules, and closed for everything else."""

from __future__ import annotations

import base64
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.webhook_signatures import is_genuine, secrets_of, signature

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
