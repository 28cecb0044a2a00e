"""The webhooks of the e-mail providers behind one protocol: proof that they are genuine, and one neutral fact each."""

from __future__ import annotations

import difflib
import inspect
from collections.abc import Callable, Sequence
from typing import Any

from connectors.email.webhooks.amazon_ses import AmazonSesWebhooks
from connectors.email.webhooks.base import Delivered, FactKind, ProviderFact, RefusedFact, WebhookReader
from connectors.email.webhooks.brevo import BrevoWebhooks
from connectors.email.webhooks.mailgun import MailgunWebhooks
from connectors.email.webhooks.postmark import PostmarkWebhooks
from connectors.email.webhooks.resend import ResendWebhooks
from connectors.email.webhooks.sendgrid import SendGridWebhooks
from nurture.errors import BadSetting

__all__ = [
    "PROVIDERS",
    "AmazonSesWebhooks",
    "BrevoWebhooks",
    "Delivered",
    "FactKind",
    "MailgunWebhooks",
    "PostmarkWebhooks",
    "ProviderFact",
    "RefusedFact",
    "ResendWebhooks",
    "SendGridWebhooks",
    "WebhookReader",
    "build_webhook_reader",
]

_READERS: dict[str, Callable[..., WebhookReader]] = {
    "amazon_ses": AmazonSesWebhooks,
    "brevo": BrevoWebhooks,
    "mailgun": MailgunWebhooks,
    "postmark": PostmarkWebhooks,
    "resend": ResendWebhooks,
    "sendgrid": SendGridWebhooks,
}
PROVIDERS = tuple(_READERS)


def build_webhook_reader(provider: str, secrets: Sequence[str], **options: Any) -> WebhookReader:
    """Make the reader of a provider's webhooks; raises BadSetting, never showing a value.

    Without any secret the reader is made and takes nothing for genuine; a secret that cannot be one is refused.
    """
    if provider not in _READERS:
        near = difflib.get_close_matches(provider, _READERS, n=1)
        hint = f"did you mean '{near[0]}'?" if near else f"choose one of {', '.join(_READERS)}"
        raise BadSetting(f"there are no webhooks of a provider '{provider}'; {hint}")
    takes = [name for name in inspect.signature(_READERS[provider]).parameters if name != "secrets"]
    for option in options.keys() - set(takes):
        raise BadSetting(
            f"the webhooks of '{provider}' have no setting '{option}'; they have: {', '.join(takes) or 'none'}"
        )
    if isinstance(secrets, str):
        raise BadSetting(f"the secrets of the webhooks of '{provider}' must be a list, also when there is one")
    return _READERS[provider](tuple(secrets), **options)
