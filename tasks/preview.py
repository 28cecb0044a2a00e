"""Render one e-mail of the working tree as it would be sent."""

from __future__ import annotations

from typing import Any

from db import hand_over
from db.explain import find_lead
from nurture.definitions.bundle import bundle_from_documents
from nurture.errors import BadInput, RenderRefused, SkipThis, UnknownLead
from nurture.keys import message_key
from nurture.problems import did_you_mean
from nurture.rendering.fields import with_profile_fields
from nurture.rendering.page_lint import size_remark
from nurture.rendering.render import Renderer
from tasks.context import Context
from tasks.mail import mail_context
from tasks.publish import read_tree

_SAMPLE: dict[str, Any] = {
    "first_name": "Ada",
    "last_name": "Example",
    "name": "Ada Example",
    "company": "Example Ltd",
    "country": "DK",
    "city": "Aarhus",
    "job_title": "Head of Operations",
    "language": "en",
    "attributes": {},
    "account_name": "Example Ltd",
}


def preview_email(context: Context, email: str, lead: str | None, locale: str | None) -> dict[str, Any]:
    """Subject, text, HTML, size in bytes and problems; raises BadInput, and UnknownLead for the lead."""
    bundle = bundle_from_documents(read_tree(context), context.settings.profile)
    if email not in bundle.emails:
        raise BadInput(f"there is no e-mail `{email}`; {did_you_mean(email, bundle.emails)}")
    row = dict(_SAMPLE)
    if lead is not None:
        with context.database.read() as connection:
            found = find_lead(connection, [lead])
            if found is None:
                raise UnknownLead(f"no lead is known as `{lead}`; give an id, an address or another identifier")
            row = hand_over.reader(connection, found)
    row |= {"email": email, "topic": bundle.emails[email].topic}
    data = mail_context(row, bundle, message_key(context.settings.secret_bytes(), 0, "preview"), context.settings)
    try:
        shown = Renderer(bundle.emails.values(), with_profile_fields(bundle.catalogue.fields)).render(
            email,
            locale or row["language"],
            data,
            time_zone=row.get("time_zone") or context.settings.project.time_zone,
        )
    except (SkipThis, RenderRefused) as error:
        return {"subject": "", "text": "", "html": "", "size": 0, "problems": [str(error)], "locale": locale}
    large = size_remark(shown.html)
    return {
        "subject": shown.subject,
        "text": shown.text,
        "html": shown.html,
        "size": len(shown.html.encode()),
        "problems": [large] if large else [],
        "locale": shown.locale,
    }
