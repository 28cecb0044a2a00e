"""E-mails against the rest: a topic that exists, and a step that sends them."""

from __future__ import annotations

from collections.abc import Iterator

from nurture.definitions.program import all_steps
from nurture.definitions.sequences import EmailStep
from nurture.lint.findings import Definitions, Finding, unknown


def lint_emails(definitions: Definitions) -> Iterator[Finding]:
    """Every e-mail; whether one is used can only be said when all sequences are here."""
    sent = {
        email
        for sequence in definitions.sequences.values()
        for step in all_steps(sequence.steps)
        if isinstance(step, EmailStep)
        for email in step.emails
    }
    # With a misspelled name in a step, the e-mail that it means would be called unused.
    complete = definitions.complete and sent <= definitions.names.emails
    topics = definitions.names.topics
    for name, email in definitions.emails.items():
        document = f"emails/{name}"
        yield from unknown(document, ("topic",), "topic", email.topic, topics, "events.yaml, `topics`")
        if topics is not None and topics.get(email.topic, "email") != "email":
            yield Finding(
                document,
                ("topic",),
                "topic-channel",
                f"consent to `{email.topic}` does not cover e-mail",
                "use a topic whose channel is `email`",
            )
        if complete and name not in sent:
            yield Finding(
                document,
                (),
                "unused-email",
                f"no sequence sends `{name}`",
                "send it in a step, or delete its folder",
                "warning",
            )
