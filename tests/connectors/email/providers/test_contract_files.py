"""What is sent holds to the vendors' own contract files, where there are some beside the checkout."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from connectors.email import build_email_connector
from tests.connectors.email.providers.test_fidelity import planned
from tests.connectors.email.providers.vendors import VENDORS

TYPES = {"object": dict, "array": list, "string": str, "integer": int, "boolean": bool}


@pytest.fixture(scope="session")
def contracts(shared_data: Path) -> Path:
    """The folder of the vendors' contract files."""
    folder = shared_data / "contracts"
    if not folder.is_dir():
        pytest.skip("NOT RUN: needs the contract files in ../shared/data/contracts, beside this checkout")
    return folder


def taken(kind: str, count: int = 1) -> list[Any]:
    """The form that the provider gets of full messages."""
    with VENDORS[kind]() as stand_in:
        with build_email_connector(kind, **stand_in.options()).open() as session:
            for number in range(count):
                assert session.stage(planned(message_key=f"{number:04x}")) is None
                session.commit()
        return [each.form for each in stand_in.accepted]


def problems(value: Any, schema: dict[str, Any], whole: dict[str, Any], where: str = "") -> list[str]:
    """What a value does that its schema does not allow: names, types, lengths."""
    if reference := schema.get("$ref"):
        found: Any = whole
        if not reference.startswith("#/"):
            return []  # in a file that is not part of the excerpt
        for name in reference[2:].split("/"):
            found = found[name]
        return problems(value, found, whole, where)
    if choices := schema.get("oneOf"):
        tried = [problems(value, each, whole, where) for each in choices]
        return [] if any(not each for each in tried) else tried[0]
    kind = TYPES.get(schema.get("type", ""))
    if kind is not None and not isinstance(value, kind):
        return [f"{where}: not {schema['type']}"]
    if isinstance(value, dict) and "properties" in schema:
        missing = [f"{where}.{name}: missing" for name in schema.get("required", []) if name not in value]
        unknown = [f"{where}.{name}: unknown" for name in value if name not in schema["properties"]]
        known = [(name, schema["properties"][name]) for name in value if name in schema["properties"]]
        return (
            missing
            + unknown
            + [line for name, each in known for line in problems(value[name], each, whole, f"{where}.{name}")]
        )
    if isinstance(value, list):
        long = [f"{where}: too many"] if len(value) > schema.get("maxItems", len(value)) else []
        return long + [line for each in value for line in problems(each, schema.get("items", {}), whole, f"{where}[]")]
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        return [f"{where}: too long"]
    return []


def test_the_schema_reader_sees_what_is_wrong():
    schema = {
        "type": "object",
        "required": ["a"],
        "properties": {"a": {"type": "string", "maxLength": 2}, "b": {"type": "array", "maxItems": 1, "items": {}}},
    }
    assert problems({"a": "xy", "b": [1]}, schema, {}) == []
    assert problems({"a": "xyz", "b": [1, 2], "c": 1}, schema, {}) == [".c: unknown", ".a: too long", ".b: too many"]
    assert problems({"b": 1}, schema, {}) == [".a: missing", ".b: not array"]


def test_sendgrid_gets_what_its_open_api_describes(contracts: Path):
    whole = json.loads((contracts / "sendgrid/openapi/mail_send.json").read_text(encoding="utf-8"))
    schema = whole["mail_send"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    (form,) = taken("sendgrid")
    assert problems(form, schema, whole) == []
    reserved = set(
        re.findall(
            r"`([\w-]+)`", schema["properties"]["personalizations"]["items"]["properties"]["headers"]["description"]
        )
    )
    assert "x-sg-eid" in reserved
    assert {name.lower() for name in form["headers"]} & {name.lower() for name in reserved} == set()


def test_resend_gets_what_its_open_api_describes(contracts: Path):
    whole = YAML(typ="safe").load((contracts / "resend/resend.yaml").read_text(encoding="utf-8"))
    (form,) = taken("resend")
    assert problems(form, whole["components"]["schemas"]["SendEmailRequest"], whole) == []
    for path in ("/emails", "/emails/batch"):
        (key,) = whole["paths"][path]["post"]["parameters"]
        assert (key["name"], key["schema"]["maxLength"]) == ("Idempotency-Key", 256)


def test_mailgun_gets_the_fields_that_its_documentation_lists(contracts: Path):
    page = (contracts / "mailgun/docs/api-sending.rst").read_text(encoding="utf-8")
    listed = page.partition("/messages.mime")[2].replace("\\", "")
    (form,) = taken("mailgun")
    names = set(form) - {"raw", "v:ripen"}  # `v:` takes any name
    assert names == {"to", "message", "o:tracking", "o:tracking-clicks", "o:tracking-opens", "o:tag"}
    assert {name for name in names if not re.search(rf"^ {name} ", listed, re.MULTILINE)} == set()
    assert re.search(r"^ v:my-var ", listed, re.MULTILINE)
    events = (contracts / "mailgun/docs/api-events.rst").read_text(encoding="utf-8")
    assert re.search(r"^ message-id ", events, re.MULTILINE)


def test_brevo_gets_the_fields_that_its_documentation_lists(contracts: Path):
    page = (contracts / "brevo/docs/SendSmtpEmail.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\*\*(\w+)\*\* \|", page, re.MULTILINE))
    (form,) = taken("brevo")
    assert {re.sub(r"(?<!^)([A-Z])", r"_\1", name).lower() for name in form} <= listed
    assert "idempotencyKey" in page
    versions = (contracts / "brevo/docs/SendSmtpEmailMessageVersions.md").read_text(encoding="utf-8")
    assert "**headers**" not in versions  # why there are no batches


def test_what_carries_our_key_comes_back_with_the_events(contracts: Path):
    carriers = {"postmark": "Metadata", "mailgun": "user-variables", "amazon_ses": "tags", "brevo": "X-Mailin-custom"}
    for vendor, carrier in carriers.items():
        assert f'"{carrier}"' in (contracts / vendor / "webhook_payloads.json").read_text(encoding="utf-8")
