"""Rendering: from a marketer's templates and plain data to the bytes of one message, or to a reason why not."""

from nurture.rendering.brief import render_markdown
from nurture.rendering.fields import BRIEF_FIELDS, EMAIL_FIELDS, Fields, with_profile_fields
from nurture.rendering.headers import wire_address
from nurture.rendering.lint import email_problems, template_problems
from nurture.rendering.mime import MailPlan, build_mime, verify_mime
from nurture.rendering.page_lint import size_remark
from nurture.rendering.render import RenderedEmail, Renderer

__all__ = [
    "BRIEF_FIELDS",
    "EMAIL_FIELDS",
    "Fields",
    "MailPlan",
    "RenderedEmail",
    "Renderer",
    "build_mime",
    "email_problems",
    "render_markdown",
    "size_remark",
    "template_problems",
    "verify_mime",
    "wire_address",
    "with_profile_fields",
]
