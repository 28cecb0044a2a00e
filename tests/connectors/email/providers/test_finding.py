"""A message in doubt can be found where a provider can be asked; what the providers can do beyond sending."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, cast

import pytest

from connectors.email import FindingSession, Verdict, build_email_connector
from nurture.errors import RetryLater, TransportDown
from tests.connectors.email.providers.misbehaviours import MISBEHAVIOURS
from tests.connectors.email.providers.stand_in import Reply, StandIn, json_reply
from tests.connectors.email.providers.test_results import send
from tests.connectors.email.providers.vendors import VENDORS, MailgunStandIn

ACCEPTED, REJECTED, UNKNOWN = Verdict.ACCEPTED, Verdict.REJECTED, Verdict.UNKNOWN

ASKED = ("postmark", "sendgrid", "mailgun")


def finder(stand_in: StandIn, **options: Any) -> FindingSession:
    return cast(FindingSession, build_email_connector(stand_in.kind, **{**stand_in.options(), **options}).open())


@pytest.mark.parametrize("kind", ASKED)
def test_a_message_in_doubt_can_be_found_at_the_provider(kind: str):
    with VENDORS[kind]() as stand_in:
        stand_in.misbehave(MISBEHAVIOURS["drop-accepted"], 1)
        (lost,) = send(stand_in, "aa")
        assert lost.verdict is UNKNOWN
        with finder(stand_in) as session:
            found = session.find("aa")
            assert found is not None
            assert (found.verdict, bool(found.provider_id)) == (ACCEPTED, True)
            assert session.find("bb") is None


@pytest.mark.parametrize("kind", [kind for kind in VENDORS if kind not in ASKED])
def test_who_cannot_be_asked_has_no_way_to_ask(kind: str):
    with VENDORS[kind]() as stand_in, build_email_connector(kind, **stand_in.options()).open() as session:
        assert not hasattr(session, "find")


def answering(stand_in: StandIn, reply: Reply) -> StandIn:
    stand_in.answer = lambda request: reply  # type: ignore[method-assign]
    return stand_in


FOREIGN = {
    "postmark": {"TotalCount": 1, "Messages": [{"MessageID": "1", "Status": "Sent", "Metadata": {"ripen": "ffff"}}]},
    "mailgun": {"items": [{"event": "delivered", "user-variables": {"ripen": "ffff"}}]},
    "sendgrid": {"messages": [{"msg_id": "1"}, {"msg_id": "2"}]},
}


@pytest.mark.parametrize("kind", ASKED)
def test_a_search_that_ignores_the_question_proves_nothing(kind: str):
    odd: list[Any] = [FOREIGN[kind], {}, [], 1, {"Messages": [None]}, {"items": [None, {}]}, {"messages": "none"}]
    for told in odd:
        with answering(VENDORS[kind](), json_reply(200, told)) as stand_in, finder(stand_in) as session:
            assert session.find("aa") is None


@pytest.mark.parametrize("kind", ASKED)
def test_a_provider_that_cannot_say_it_now_is_asked_later(kind: str):
    for reply in (json_reply(500, {}), json_reply(429, {}, **{"Retry-After": "9"}), Reply(200, b"{oops")):
        with answering(VENDORS[kind](), reply) as stand_in, finder(stand_in) as session:
            with pytest.raises(RetryLater) as caught:
                session.find("aa")
            assert caught.value.after == (9 if reply.status == 429 else None)
    with answering(VENDORS[kind](), json_reply(401, {})) as stand_in, finder(stand_in) as session:
        with pytest.raises(TransportDown) as refused:
            session.find("aa")
        assert "check" in str(refused.value)
    with answering(VENDORS[kind](), json_reply(403, {})) as stand_in, finder(stand_in) as session:
        assert session.find("aa") is None


def test_a_message_that_mailgun_itself_rejected_is_found_as_rejected():
    events = {"items": [{"event": "rejected", "user-variables": {"ripen": "aa"}}]}
    with answering(MailgunStandIn(), json_reply(200, events)) as stand_in, finder(stand_in) as session:
        found = session.find("aa")
        assert found is not None
        assert found.verdict is REJECTED


def test_mailguns_message_ids_end_with_the_senders_domain_where_that_is_another():
    with MailgunStandIn() as stand_in:
        send(stand_in, "aa")
        with finder(stand_in, message_domain="") as session:
            assert session.find("aa") is None
        with finder(stand_in, message_domain="mail.example.com") as session:
            assert session.find("aa") is not None


def test_what_the_providers_can_do_stands_in_their_abilities():
    found = {}
    for kind, make in VENDORS.items():
        with make() as stand_in:
            found[kind] = build_email_connector(kind, **stand_in.options()).abilities
    assert {kind: each.batch for kind, each in found.items() if each.batch > 1} == {"postmark": 50, "resend": 20}
    assert {kind: each.key_lives for kind, each in found.items() if each.key_lives} == {
        "resend": timedelta(hours=24),
        "brevo": timedelta(minutes=15),
    }
    assert [kind for kind, each in found.items() if each.takes_raw] == ["mailgun"]
    assert {each.connections for each in found.values()} == {4}
