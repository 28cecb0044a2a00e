"""E-mail connectors behind one protocol: SMTP, six providers by HTTP, a folder of `.eml` files, the console, memory."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable
from typing import Any

from connectors.email.amazon_ses import AmazonSes
from connectors.email.base import (
    Abilities,
    BatchSession,
    EmailConnector,
    EmailSession,
    FindingSession,
    OutgoingMail,
    Phase,
    Receipt,
    Verdict,
)
from connectors.email.brevo import Brevo
from connectors.email.console import Console
from connectors.email.eml_folder import EmlFolder
from connectors.email.mailgun import Mailgun
from connectors.email.memory import MemoryOutbox
from connectors.email.postmark import Postmark
from connectors.email.resend import Resend
from connectors.email.sendgrid import SendGrid
from connectors.email.smtp import SmtpConnector
from connectors.email.smtp_wire import SmtpSettings
from nurture.errors import BadSetting

__all__ = [
    "Abilities",
    "AmazonSes",
    "BatchSession",
    "Brevo",
    "Console",
    "EmailConnector",
    "EmailSession",
    "EmlFolder",
    "FindingSession",
    "Mailgun",
    "MemoryOutbox",
    "OutgoingMail",
    "Phase",
    "Postmark",
    "Receipt",
    "Resend",
    "SendGrid",
    "SmtpConnector",
    "SmtpSettings",
    "Verdict",
    "build_email_connector",
]

# What takes the options of each kind; its parameters are the settings' names.
_OPTIONS: dict[str, Callable[..., Any]] = {
    "smtp": SmtpSettings,
    "postmark": Postmark,
    "sendgrid": SendGrid,
    "mailgun": Mailgun,
    "ses": AmazonSes,
    "resend": Resend,
    "brevo": Brevo,
    "eml": EmlFolder,
    "console": Console,
    "memory": MemoryOutbox,
}


def build_email_connector(kind: str, **options: Any) -> EmailConnector:
    """Make the connector of this kind from its settings; raises BadSetting, never showing a value."""
    if kind not in _OPTIONS:
        raise BadSetting(f"there is no e-mail connector '{kind}'; choose one of {', '.join(_OPTIONS)}")
    takes = inspect.signature(_OPTIONS[kind]).parameters
    for option in options.keys() - takes.keys():
        near = difflib.get_close_matches(option, takes, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"it has: {', '.join(takes) or 'none'}"
        raise BadSetting(f"the e-mail connector '{kind}' has no setting '{option}'; {hint}")
    for name, parameter in takes.items():
        if parameter.default is parameter.empty and name not in options:
            raise BadSetting(f"the e-mail connector '{kind}' needs the setting '{name}'")
    made = _OPTIONS[kind](**options)
    return SmtpConnector(made) if isinstance(made, SmtpSettings) else made
