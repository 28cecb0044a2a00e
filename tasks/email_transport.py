"""The way mails leave, as the settings name it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import SecretStr

from connectors.email import build_email_connector
from connectors.email.base import EmailConnector
from nurture.errors import BadSetting
from tasks.settings import EmailSettings, Settings

# What each provider is told of the settings, beyond what all of them are told.
_OF_PROVIDER: Mapping[str, tuple[str, ...]] = {
    "postmark": ("api_key", "stream", "batch"),
    "sendgrid": ("api_key",),
    "mailgun": ("api_key", "domain"),
    "ses": ("region", "access_key_id", "secret_access_key", "session_token", "configuration_set"),
    "resend": ("api_key", "batch"),
    "brevo": ("api_key",),
}
_ALL = ("api_url", "connections", "test_mode")


def email_connector(settings: Settings) -> EmailConnector:
    """The connector of the transport in the settings; raises BadSetting that names what is missing."""
    email = settings.email
    if email.transport in _OF_PROVIDER:
        return build_email_connector(email.transport, **_options_of_provider(settings))
    builders: Mapping[str, Callable[[EmailSettings], EmailConnector]] = {
        "eml": lambda e: build_email_connector("eml", folder=settings.inside(e.folder)),
        "console": lambda e: build_email_connector("console"),
        "memory": lambda e: build_email_connector("memory"),
        "smtp": lambda e: build_email_connector(
            "smtp",
            host=e.host,
            port=e.port,
            username=e.username,
            password=_plain(e.password),
            security=e.security,
            timeout_s=e.timeout_seconds,
            dot_timeout_s=e.reply_timeout_seconds,
            connections=e.connections,
        ),
    }
    return builders[email.transport](email)


def _options_of_provider(settings: Settings) -> dict[str, Any]:
    email = settings.email
    options = {name: _plain(getattr(email, name)) for name in (*_OF_PROVIDER[email.transport], *_ALL)}
    needed = {"api_key", "domain", "region", "access_key_id", "secret_access_key"}
    for name in (each for each in options if each in needed and not options[each]):
        raise BadSetting(
            f"the transport `{email.transport}` needs `email.{name}`; set RIPEN_EMAIL__{name.upper()} "
            f"(see docs/connectors/{'amazon_ses' if email.transport == 'ses' else email.transport}.md)"
        )
    if email.transport == "mailgun":
        # The domain of our Message-ID, by which Mailgun is asked for messages in doubt.
        options["message_domain"] = settings.sender.address.rpartition("@")[2]
    return {"timeout_s": email.timeout_seconds, **{name: value for name, value in options.items() if value is not None}}


def _plain(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value
