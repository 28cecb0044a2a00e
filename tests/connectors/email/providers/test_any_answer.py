"""No answer that JSON and HTTP can form makes a connector raise or say yes for nothing."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.email import EmailConnector, build_email_connector
from connectors.email.api_session import AskedProvider, Kind, Provider, Said
from connectors.email.http_api import Answer
from tests.connectors.email.mails import sample_mail
from tests.connectors.email.providers.vendors import VENDORS

# The names that the connectors look for, so that nonsense meets the code that reads it.
NAMES = st.sampled_from(
    [
        *("ErrorCode", "Message", "MessageID", "To", "Messages", "Metadata", "ripen", "Status"),
        *("errors", "message", "field", "messages", "msg_id", "id", "data", "name"),
        *("items", "event", "user-variables", "MessageId", "__type", "code", "messageId"),
    ]
)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-1, 500)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8)
    | st.sampled_from(["OK", "lead@example.com", "validation_error", "duplicate_parameter", "aa", "sender"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=12,
)
STATUSES = st.integers(100, 599) | st.sampled_from([200, 201, 202, 400, 401, 409, 413, 422, 429, 500, 503])
HEADERS = st.dictionaries(
    st.sampled_from(["retry-after", "date", "x-message-id", "x-amzn-errortype"]),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=30),
)


def provider(kind: str) -> EmailConnector:
    stand_in = VENDORS[kind]()
    stand_in._server.server_close()
    return build_email_connector(kind, **stand_in.options())


PROVIDERS: dict[str, Any] = {kind: provider(kind) for kind in VENDORS}


@pytest.mark.parametrize("kind", VENDORS)
@given(status=STATUSES, value=VALUES, headers=HEADERS, count=st.integers(1, 3))
def test_every_answer_has_a_meaning_for_every_message(
    kind: str, status: int, value: Any, headers: dict[str, str], count: int
):
    connector: Provider = PROVIDERS[kind]
    mails = [sample_mail(f"{number:02x}") for number in range(count if connector.abilities.batch > 1 else 1)]
    said = connector.read(Answer(status, headers, json.dumps(value).encode()), mails)
    each = said if isinstance(said, list) else [said] * len(mails)
    assert len(each) == len(mails)
    assert all(isinstance(one, Said) and isinstance(one.words, str) for one in each)
    for one in each:
        if one.kind is Kind.ACCEPTED:
            assert 200 <= status < 300
            assert one.provider_id
        if status >= 500:
            assert one.kind in (Kind.UNKNOWN, Kind.LATER)


@pytest.mark.parametrize("kind", ["postmark", "sendgrid", "mailgun"])
@given(value=VALUES)
def test_every_answer_to_a_question_has_a_meaning(kind: str, value: Any):
    asked: AskedProvider = PROVIDERS[kind]
    said = asked.found(Answer(200, {}, json.dumps(value).encode()), "aa")
    assert said is None or said.kind in (Kind.ACCEPTED, Kind.REJECTED)
