"""The transport that the settings name is the connector that sends, and what it lacks is named with its remedy."""

from __future__ import annotations

from typing import Any

import pytest

from nurture.errors import BadSetting
from tasks.email_transport import email_connector
from tasks.settings import EmailSettings, Settings

KEY = "a-key-of-the-tests"
COMPLETE: dict[str, dict[str, Any]] = {
    "eml": {},
    "console": {},
    "memory": {},
    "smtp": {"host": "mail.example.com"},
    "postmark": {"api_key": KEY, "batch": 10},
    "sendgrid": {"api_key": KEY},
    "mailgun": {"api_key": KEY, "domain": "mail.example.com"},
    "ses": {"region": "eu-north-1", "access_key_id": "AKIAEXAMPLE", "secret_access_key": KEY},
    "resend": {"api_key": KEY},
    "brevo": {"api_key": KEY},
}


def made(tmp_path, kind, **options):
    return email_connector(Settings(home=tmp_path, email=EmailSettings(transport=kind, **options)))


def test_every_transport_of_the_settings_is_tried_here():
    assert set(COMPLETE) == set(EmailSettings.model_fields["transport"].annotation.__args__)


@pytest.mark.parametrize("kind", COMPLETE)
def test_each_transport_is_built_from_the_settings(tmp_path, kind):
    connector = made(tmp_path, kind, **COMPLETE[kind])
    assert connector.name == kind
    assert KEY not in repr(connector)


@pytest.mark.parametrize(
    ("kind", "missing"),
    [(kind, name) for kind, each in COMPLETE.items() for name in each if name not in ("host", "batch")],
)
def test_what_a_provider_needs_is_named_with_its_variable(tmp_path, kind, missing):
    given = {name: value for name, value in COMPLETE[kind].items() if name != missing}
    with pytest.raises(BadSetting, match=f"RIPEN_EMAIL__{missing.upper()}"):
        made(tmp_path, kind, **given)


def test_the_number_of_connections_reaches_the_connector(tmp_path):
    assert made(tmp_path, "smtp", host="mail.example.com", connections=7).abilities.connections == 7
    assert made(tmp_path, "postmark", api_key=KEY, connections=2, batch=10).abilities.connections == 2
    assert made(tmp_path, "postmark", api_key=KEY, connections=2, batch=10).abilities.batch == 10
