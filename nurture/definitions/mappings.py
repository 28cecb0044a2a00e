"""The mapping file: how one row of a file or one item of a source becomes a lead and any number of events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, field_validator, model_validator

from nurture.conditions import OperatorsOrValue, Part, Scalar
from nurture.definitions.catalogue import Catalogue
from nurture.errors import BadInput
from nurture.normalise import time_zone
from nurture.problems import as_text, did_you_mean, errors_in
from nurture.records import PROFILE
from nurture.strict_yaml import load_yaml
from nurture.validation import validated

IMPORT_NOW = "import_now"
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}


def _column_or(key: str) -> BeforeValidator:
    """A bare text stands for the one key that is usual there."""
    return BeforeValidator(lambda value: {key: value} if isinstance(value, (str, int, float, bool)) else value)


class Value(Part):
    """One value: from a column, a constant, or the number of the row; through a table where the words differ."""

    column: str | None = None
    constant: Scalar | None = None
    row: Literal[True] | None = None  # the number of the row in its file
    table: dict[str, Scalar] | None = None
    # What happens to a value that the table does not name.
    otherwise: Literal["refuse", "keep", "skip"] = "refuse"
    type: Literal["text", "number", "boolean", "instant"] | None = None
    optional: bool = False  # the file may lack the column
    split: str | None = None  # several values in one cell, and what stands between them

    @field_validator("table", mode="before")
    @classmethod
    def _text_keys(cls, table: Any) -> Any:
        return {str(key): value for key, value in table.items()} if isinstance(table, dict) else table

    @model_validator(mode="after")
    def _one_origin(self) -> Value:
        if sum(each is not None for each in (self.column, self.constant, self.row)) != 1:
            raise ValueError("give exactly one of: column, constant, row")
        return self


Column = Annotated[Value, _column_or("column")]
Constant = Annotated[Value, _column_or("constant")]
Columns = Annotated[list[Column], BeforeValidator(lambda value: value if isinstance(value, list) else [value])]
When = dict[str, OperatorsOrValue]


class DateParts(Part):
    """A date in several columns; with `rollover` the rows are in order and a month that goes back begins a year."""

    day: str
    month: str  # a number, or the first three letters of the English name
    year: str | None = None
    start_year: int | None = None
    rollover: bool = False

    @model_validator(mode="after")
    def _some_year(self) -> DateParts:
        if (self.year is None) == (self.start_year is None):
            raise ValueError("give either `year`, a column, or `start_year` with `rollover: true`")
        if self.start_year is not None and not self.rollover:
            raise ValueError("`start_year` needs `rollover: true`: the year goes up when the month goes back")
        return self


class Instant(Part):
    """When it happened: a column, a date in parts, or `import_now` for a snapshot without dates."""

    column: str | None = None
    format: str | None = None  # strptime, for what is not ISO 8601
    unit: Literal["seconds", "milliseconds", "microseconds"] | None = None  # of an epoch number
    time_zone: str | None = None
    date: DateParts | None = None
    import_now: Literal[True] | None = None

    @model_validator(mode="after")
    def _one_origin(self) -> Instant:
        if sum(each is not None for each in (self.column, self.date, self.import_now)) != 1:
            raise ValueError("give exactly one of: column, date, import_now")
        return self


def _instant(value: Any) -> Any:
    if value == IMPORT_NOW:
        return {"import_now": True}
    return {"column": value} if isinstance(value, str) else value


InstantFrom = Annotated[Instant, BeforeValidator(_instant)]


class Identities(Part):
    """Which columns say who it is; `external` holds ids of other systems by the system's name."""

    email: Column | None = None
    phone: Column | None = None
    external: dict[str, Columns] = Field(default_factory=dict)
    anonymous: Column | None = None

    @model_validator(mode="after")
    def _somebody(self) -> Identities:
        if not (self.email or self.phone or self.external or self.anonymous):
            raise ValueError("give at least one of: email, phone, external, anonymous")
        return self


class ConsentPart(Part):
    """A consent that each row gives or withdraws while `when` holds, for a topic or for every topic of a channel."""

    topic: str | None = None
    channel: Literal["email", "ads", "phone"] | None = None
    status: Annotated[Value, _column_or("constant")] = Value(constant="granted")
    basis: Annotated[Value, _column_or("constant")] = Value(constant="consent")
    source: Annotated[Value, _column_or("constant")] | None = None
    wording: Annotated[Value, _column_or("constant")] | None = None
    occurred_at: InstantFrom | None = None
    confirmed: bool = False  # these people have confirmed it already: a double opt-in asks nobody again
    when: When = Field(default_factory=dict)

    @model_validator(mode="after")
    def _topic_or_channel(self) -> ConsentPart:
        if (self.topic is None) == (self.channel is None):
            raise ValueError("give either `topic` or `channel` (every topic of that channel)")
        return self


class LeadPart(Part):
    """What a row says about the person."""

    fields: dict[str, Column] = Field(default_factory=dict)
    attributes: dict[str, Column] = Field(default_factory=dict)
    consents: list[ConsentPart] = Field(default_factory=list)
    created_at: InstantFrom | None = None
    updated_at: InstantFrom | None = None

    @field_validator("fields")
    @classmethod
    def _built_in(cls, fields: dict[str, Value]) -> dict[str, Value]:
        for name in fields:
            if name not in PROFILE or name in ("email", "phone"):
                known = [each for each in PROFILE if each not in ("email", "phone")]
                hint = did_you_mean(name, known) or "keep it under `attributes`"
                raise ValueError(f"`{name}` is no profile field ({hint})")
        return fields


class EventPart(Part):
    """An event that each row gives while `when` holds; with `count`, so many of them."""

    type: Constant
    # A column is the source's own id. A list is an id made of these columns, the type and the number of `count`.
    # Without it, the content is the id.
    id: str | list[str] | None = None
    source: Column | None = None
    occurred_at: InstantFrom
    count: Column | None = None
    properties: dict[str, Column] = Field(default_factory=dict)
    more_properties: str | None = None  # a column with a JSON object, or an object
    machine: When = Field(default_factory=dict)
    when: When = Field(default_factory=dict)

    @model_validator(mode="after")
    def _stable_id(self) -> EventPart:
        if self.occurred_at.import_now and self.id is None:
            raise ValueError("`occurred_at: import_now` needs `id`: without it the next import counts the row again")
        if self.count is not None and isinstance(self.id, str):
            raise ValueError("`count` needs `id` to be a list: several events cannot share one id")
        return self


class Mapping(Part):
    """How to read one kind of file."""

    source: str = Field("import", pattern=r"[a-z0-9][a-z0-9_.-]{0,99}")
    delimiter: str | None = None
    encoding: Literal["utf-8", "windows-1252", "iso-8859-1", "iso-8859-15"] = "utf-8"
    missing: list[str] = Field(default_factory=list)  # words that mean "no value", beside the empty one
    time_zone: str = "UTC"  # of times without offset
    phone_country: str | None = Field(None, pattern=r"[A-Z]{2}")  # of numbers without +, where the row has no country
    other_columns: Literal["refuse", "ignore", "attributes"] = "refuse"
    identities: Identities | None = None
    lead: LeadPart | None = None
    events: list[EventPart] = Field(default_factory=list)

    @field_validator("delimiter", mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        value = _DELIMITERS.get(value, value)
        if value is not None and (not isinstance(value, str) or len(value) != 1 or value in '"\r\n'):
            raise ValueError("a delimiter is one character, or one of: " + ", ".join(_DELIMITERS))
        return value

    @field_validator("missing", mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        return [str(each) for each in value] if isinstance(value, list) else value

    @field_validator("time_zone")
    @classmethod
    def _zone(cls, value: str) -> str:
        time_zone(value)
        return value

    @model_validator(mode="after")
    def _whose(self) -> Mapping:
        if self.identities is None and (self.lead or self.events):
            raise ValueError("give `identities`: which columns say whose row it is")
        return self

    @property
    def is_only_dialect(self) -> bool:
        """Whether it says how the file is written and nothing about its columns."""
        return self.identities is None

    def values(self) -> Iterator[Value]:
        """Every value that it reads."""
        who = self.identities
        if who is not None:
            yield from [each for each in (who.email, who.phone, who.anonymous) if each]
            for group in who.external.values():
                yield from group
        if self.lead is not None:
            yield from [*self.lead.fields.values(), *self.lead.attributes.values()]
            for consent in self.lead.consents:
                yield from [each for each in (consent.status, consent.basis, consent.source, consent.wording) if each]
        for event in self.events:
            yield from [each for each in (event.type, event.source, event.count) if each]
            yield from event.properties.values()

    def instants(self) -> Iterator[Instant]:
        """Every instant that it reads."""
        if self.lead is not None:
            yield from [each for each in (self.lead.created_at, self.lead.updated_at) if each]
            yield from [each.occurred_at for each in self.lead.consents if each.occurred_at]
        yield from [event.occurred_at for event in self.events]

    def columns(self) -> dict[str, bool]:
        """Every column that it names, and whether the file must have it."""
        found: dict[str, bool] = {}
        for value in self.values():
            if value.column is not None:
                found[value.column] = found.get(value.column, False) or not value.optional
        needed: list[str | None] = [each.column for each in self.instants()]
        for each in self.instants():
            if each.date is not None:
                needed += [each.date.day, each.date.month, each.date.year]
        for event in self.events:
            needed += event.id if isinstance(event.id, list) else [event.id]
            needed += [*event.when, *event.machine, event.more_properties]
        for consent in self.lead.consents if self.lead else ():
            needed += list(consent.when)
        for name in needed:
            if name is not None:
                found.setdefault(name, True)
        return found


def mapping_from_text(text: str, file: str) -> Mapping:
    """Read a mapping file; raises BadInput with file, line and remedy."""
    loaded = load_yaml(text, file)
    mapping, problems = validated(Mapping, loaded, file) if loaded.readable else (None, [])
    wrong = errors_in([*loaded.problems, *problems])
    if mapping is None or wrong:
        raise BadInput(as_text(wrong))
    return mapping


def unknown_types(mapping: Mapping, catalogue: Catalogue) -> list[str]:
    """What is wrong with the event types and topics that a mapping names, one sentence each."""
    known = [*catalogue.events, *catalogue.derived]
    named: list[Any] = []
    for event in mapping.events:
        named += [event.type.constant, *(event.type.table or {}).values()]
    wrong = [
        f"`{name}` is no event type of events.yaml" + _in_brackets(did_you_mean(name, known))
        for name in dict.fromkeys(named)
        if name is not None and name not in known
    ]
    for consent in mapping.lead.consents if mapping.lead else ():
        if consent.topic is not None and consent.topic not in catalogue.topics:
            wrong.append(
                f"`{consent.topic}` is no topic of events.yaml"
                + _in_brackets(did_you_mean(consent.topic, catalogue.topics))
            )
    return wrong


def _in_brackets(hint: str) -> str:
    return f" ({hint})" if hint else ""
