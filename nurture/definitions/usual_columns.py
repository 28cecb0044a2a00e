"""Files without a mapping: their columns have their usual names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from nurture.definitions.catalogue import BUILT_IN_FIELDS, Catalogue
from nurture.definitions.mappings import Mapping
from nurture.records import PROFILE

_WHO = {"email", "phone", "external_id", "anonymous_id"}
_LEAD_COLUMNS = (*_WHO, *[name for name in BUILT_IN_FIELDS if name not in _WHO], "updated_at")
_CONSENT_COLUMNS = ("consent_basis", "consent_source", "consent_wording", "consent_at")
_EVENT_COLUMNS = ("source", "source_event_id", *sorted(_WHO), "type", "occurred_at", "machine", "properties")
_YES_NO = {
    "granted": "granted",
    "withdrawn": "withdrawn",
    "pending": "pending",
    "yes": "granted",
    "no": "withdrawn",
    "true": "granted",
    "false": "withdrawn",
    "1": "granted",
    "0": "withdrawn",
}


def usual_columns(kind: str, catalogue: Catalogue) -> list[str]:
    """The columns that a file may have when no mapping explains them."""
    if kind == "events":
        return [*_EVENT_COLUMNS, *[name for name in PROFILE if name not in {*_WHO, "source", "source_detail"}]]
    own = [name for name in catalogue.fields if name not in BUILT_IN_FIELDS]
    return [*_LEAD_COLUMNS, *own, *[f"consent.{topic}" for topic in catalogue.topics], *_CONSENT_COLUMNS]


def is_usual(kind: str, name: str, catalogue: Catalogue) -> bool:
    """Whether a column needs no mapping; `attributes.x` of leads and `properties.x` of events are free."""
    return name in usual_columns(kind, catalogue) or name.startswith(
        "properties." if kind == "events" else "attributes."
    )


def usual_mapping(
    kind: str,
    columns: Iterable[str],
    catalogue: Catalogue,
    dialect: Mapping | None = None,
    *,
    about_leads: bool = False,
) -> Mapping:
    """The mapping of a file whose columns have their usual names.

    A row of events also says something about its lead where it has columns of a profile, or with `about_leads`.
    """
    present = set(columns)
    given = dialect.model_dump(exclude_unset=True, exclude={"identities", "lead", "events"}) if dialect else {}

    def column(name: str, **more: Any) -> dict[str, Any] | None:
        return {"column": name, "optional": True, **more} if name in present else None

    who: dict[str, Any] = {"email": column("email"), "phone": column("phone"), "anonymous": column("anonymous_id")}
    if "external_id" in present:
        who["external"] = {"import": [column("external_id")]}
    parts: dict[str, Any] = {**given, "identities": {key: value for key, value in who.items() if value}}
    fields = {
        name: column(name)
        for name in PROFILE
        if name in present and name not in _WHO and not (kind == "events" and name.startswith("source"))
    }
    if kind == "events":
        if fields or about_leads:
            parts["lead"] = {"fields": fields}
        parts["events"] = [_usual_event(present, column)]
    else:
        parts["lead"] = _usual_lead(present, fields, column, catalogue)
    return Mapping.model_validate(parts)


def _usual_event(present: set[str], column: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "type": {"column": "type"},
        "occurred_at": "occurred_at",
        "source": column("source"),
        "id": "source_event_id" if "source_event_id" in present else None,
        "more_properties": "properties" if "properties" in present else None,
        "properties": {
            name.partition(".")[2]: column(name) for name in sorted(present) if name.startswith("properties.")
        },
    }
    if "machine" in present:
        event["machine"] = {"machine": True}
    return {key: value for key, value in event.items() if value is not None}


def _usual_lead(present: set[str], fields: dict[str, Any], column: Any, catalogue: Catalogue) -> dict[str, Any]:
    lead: dict[str, Any] = {
        "fields": fields,
        "attributes": {
            name.removeprefix("attributes."): column(name, type=_attribute_type(name, catalogue))
            for name in sorted(present)
            if name.startswith("attributes.") or (name in catalogue.fields and name not in BUILT_IN_FIELDS)
        },
    }
    lead |= {name: name for name in ("created_at", "updated_at") if name in present}
    more = {key.partition("_")[2]: column(key) for key in _CONSENT_COLUMNS[:3] if key in present}
    if "consent_at" in present:
        more["occurred_at"] = "consent_at"
    lead["consents"] = [
        {"topic": topic, "status": {"column": f"consent.{topic}", "table": _YES_NO}, **more}
        for topic in catalogue.topics
        if f"consent.{topic}" in present
    ]
    return lead


def _attribute_type(name: str, catalogue: Catalogue) -> str | None:
    known = catalogue.fields.get(name)
    return {"text": None, "number": "number", "boolean": "boolean", "date": None}[known.type] if known else None
