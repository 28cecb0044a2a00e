"""Consent: a double opt-in that can be given and is asked for, and periods that have a length."""

from __future__ import annotations

from collections.abc import Iterator

from nurture.lint.findings import Definitions, Finding


def lint_consent(definitions: Definitions) -> Iterator[Finding]:
    """The topics with a double opt-in, the e-mails that ask for it, and what bounces and complaints do."""
    yield from _double_opt_in(definitions)
    for name, email in definitions.emails.items():
        if email.asks_to_confirm and email.kind == "marketing":
            message = "it asks for a confirmation, and a marketing e-mail goes only to those who have given one"
            yield Finding(f"emails/{name}", ("kind",), "confirm-marketing", message, "write `kind: transactional`")
    catalogue, lifecycle = definitions.catalogue, definitions.lifecycle
    soft = catalogue.bounces.soft if catalogue is not None else False
    if soft and soft.within.seconds == 0:
        message, remedy = "no bounces come within no time", "write a duration like `14 days`"
        yield Finding("events", ("bounces", "soft", "within"), "zero-duration", message, remedy)
    if lifecycle is not None and lifecycle.deliverability.window.seconds == 0:
        message, remedy = "nothing is sent within no time, so no rate is ever seen", "write a duration like `30 days`"
        yield Finding("lifecycle", ("deliverability", "window"), "zero-duration", message, remedy)


def _double_opt_in(definitions: Definitions) -> Iterator[Finding]:
    if definitions.catalogue is None:
        return
    asked = {email.topic for email in definitions.emails.values() if email.asks_to_confirm}
    # An e-mail that is broken in another way may be the one that asks.
    complete = definitions.complete and set(definitions.emails) >= definitions.names.emails
    for name, topic in definitions.catalogue.topics.items():
        if not topic.double_opt_in:
            continue
        path = ("topics", name, "double_opt_in")
        if topic.channel != "email":
            message = f"a mail asks for the confirmation, and `{name}` is no topic of e-mails"
            yield Finding("events", path, "double-opt-in-channel", message, "leave it out", key=True)
        elif "consent" not in topic.bases:
            message = f"what is confirmed is a consent, and `{name}` does not take one"
            yield Finding("events", path, "double-opt-in-basis", message, "add `consent` to its `bases`", key=True)
        elif complete and name not in asked:
            message = f"no e-mail about `{name}` shows `links.confirm`, so nobody can confirm it"
            remedy = "copy emails/confirm-subscription and its sequence, and change their topic"
            yield Finding("events", path, "nobody-asks", message, remedy, key=True)
