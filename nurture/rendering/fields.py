"""What a template may name: every root, its fields, and what kind of value each holds."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

FieldType = Literal["text", "number", "boolean", "date"]


class Typed(Protocol):
    """A declared field, as the catalogue holds it."""

    @property
    def type(self) -> FieldType:
        """What its values are."""


@dataclass(frozen=True, slots=True)
class Value:
    """A plain value; `certain` ones are there for every lead, the others may be missing.

    `given` values come from the lead (a form, a list): they are cut to a length and lose their links.
    `url` values are http(s) addresses, or else count as missing. `type` is what a project declares of its own fields.
    """

    kind: Literal["text", "given", "url"] = "text"
    certain: bool = False
    type: FieldType = "text"


@dataclass(frozen=True, slots=True)
class Record:
    """Named fields."""

    fields: Mapping[str, Shape]


@dataclass(frozen=True, slots=True)
class ListOf:
    """Any number of items of one shape; the only thing that a template can loop over."""

    item: Shape


Shape = Value | Record | ListOf
Fields = Mapping[str, Shape]

_SURE = Value(certain=True)
_GIVEN = Value("given")
_SURE_URL = Value("url", certain=True)


def record(names: Iterable[str] = (), value: Value | None = None, **others: Shape) -> Record:
    """A record whose `names` all hold the same kind of value, and whose others are said one by one."""
    return Record({**dict.fromkeys(names, value or Value()), **others})


EMAIL_FIELDS: Fields = {
    "lead": record(
        ("first_name", "last_name", "name", "company", "country", "city", "job_title", "interest_topic", "language"),
        _GIVEN,
    ),
    "account": record(("name",), _GIVEN),
    "sender": record(("title", "phone"), name=_SURE),
    "project": record(("name", "postal_address"), _SURE, url=_SURE_URL),
    "links": record(("unsubscribe", "preferences", "view", "confirm", "website"), _SURE_URL),
    "event": record(("title", "starts_at"), url=Value("url")),
}
"""The roots of every e-mail. The body also sees `email`, see MESSAGE_FIELDS."""

MESSAGE_FIELDS: Fields = {"email": record(("subject", "locale"), _SURE, preheader=Value())}
"""What text and HTML know of their own message."""

BRIEF_FIELDS: Fields = {
    "lead": record(("name", "email", "phone", "company", "job_title", "country", "source", "created_at", "language")),
    "task": record(("title", "reason", "due_at", "owner", "priority", "opened_at", "escalated_at")),
    "score": record(("interest", "fit", "total"), contributions=ListOf(record(("rule", "label", "points", "times")))),
    "stage": record(("name", "since", "cause")),
    "timeline": ListOf(record(("at", "type", "label", "detail"))),
    "content": ListOf(record(("at", "type", "label", "title"))),
    "mails": ListOf(record(("at", "subject", "status"))),
    "consent": ListOf(record(("topic", "status", "basis", "at", "source"))),
    "colleagues": ListOf(record(("name", "job_title", "stage", "score", "email"))),
    "next_step": Value(),
}
"""The roots of the sales brief, which sees more of a lead than any e-mail."""


def with_profile_fields(names: Iterable[str] | Mapping[str, Typed], fields: Fields = EMAIL_FIELDS) -> Fields:
    """The same fields, and these of the project's own profile fields under `lead`, by their type where it is given."""
    lead = fields["lead"]
    known = lead.fields if isinstance(lead, Record) else {}
    types = {name: each.type for name, each in names.items()} if isinstance(names, Mapping) else {}
    own = {name: Value("given", type=types.get(name, "text")) for name in names}
    return {**fields, "lead": Record({**own, **known})}
