"""What each provider's own words become, message by message, and what a key guards."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, cast
from uuid import UUID

import pytest

from connectors.email import BatchSession, Receipt, Verdict, build_email_connector
from nurture.errors import RetryLater, TransportDown
from tests.connectors.email.mails import sample_mail
from tests.connectors.email.providers.misbehaviours import MISBEHAVIOURS
from tests.connectors.email.providers.stand_in import Misbehaviour, Reply, StandIn, json_reply
from tests.connectors.email.providers.vendors import (
    BrevoStandIn,
    MailgunStandIn,
    PostmarkStandIn,
    ResendStandIn,
    SendGridStandIn,
    SesStandIn,
)

ACCEPTED, REJECTED, RETRY, UNKNOWN = Verdict.ACCEPTED, Verdict.REJECTED, Verdict.RETRY, Verdict.UNKNOWN


def saying(change: Callable[[Reply | None], Reply], *, accepts: bool = False) -> Misbehaviour:
    """A provider that gives this reply, made from its good one when it has taken the message."""
    return Misbehaviour("told", lambda handler, _, good: handler.say(change(good)), accepts=accepts)


def send(stand_in: StandIn, *keys: str, recipients: dict[str, str] | None = None, **options: Any) -> list[Receipt]:
    """One act with these messages; errors come through."""
    with build_email_connector(
        stand_in.kind, **{**stand_in.options(), "pause": lambda _: None, **options}
    ).open() as session:
        for key in keys:
            assert session.stage(sample_mail(key, (recipients or {}).get(key, "lead@example.com"))) is None
        return list(cast(BatchSession, session).commit_all())


def outcome(stand_in: StandIn, reply: Reply) -> Verdict | type[Exception]:
    """What one message becomes when the provider answers like this."""
    stand_in.misbehave(saying(lambda _: reply))
    try:
        (receipt,) = send(stand_in, "aa")
    except (RetryLater, TransportDown) as error:
        return type(error)
    return receipt.verdict


# --- Postmark ---------------------------------------------------------------------------------------------------------

POSTMARK = {
    10: TransportDown,
    100: RetryLater,
    300: REJECTED,
    400: TransportDown,
    401: TransportDown,
    402: REJECTED,
    405: TransportDown,
    406: REJECTED,
    411: REJECTED,
    412: TransportDown,
    413: TransportDown,
    429: RetryLater,
    1235: TransportDown,
    9999: RETRY,  # a code that nobody knows certainly did not accept
}


@pytest.mark.parametrize(("code", "expected"), POSTMARK.items())
def test_postmarks_codes_mean_what_its_documentation_says(code: int, expected: Any):
    with PostmarkStandIn() as stand_in:
        assert outcome(stand_in, json_reply(422, {"ErrorCode": code, "Message": "words"})) == expected


def test_postmarks_maintenance_answer_is_the_one_server_error_that_accepted_nothing():
    with PostmarkStandIn() as stand_in:
        assert outcome(stand_in, json_reply(503, {"ErrorCode": 100, "Message": "Maintenance"})) is RetryLater
    with PostmarkStandIn() as stand_in:
        assert outcome(stand_in, json_reply(503, {"ErrorCode": 500, "Message": "who knows"})) is UNKNOWN


def test_a_wrong_sender_of_postmarks_code_300_is_no_fault_of_the_message():
    with PostmarkStandIn() as stand_in:
        reply = json_reply(422, {"ErrorCode": 300, "Message": "Invalid 'From' address: 'us'."})
        assert outcome(stand_in, reply) is TransportDown


def test_a_slow_postmark_accepts_without_a_code():
    told = {"To": "lead@example.com", "MessageID": "1", "Message": "Message accepted, but delivery may be delayed."}
    with PostmarkStandIn() as stand_in:
        assert outcome(stand_in, json_reply(200, told)) is ACCEPTED
    for nonsense in ({**told, "Message": "Well"}, {**told, "ErrorCode": False}, {**told, "MessageID": None}):
        with PostmarkStandIn() as stand_in:
            assert outcome(stand_in, json_reply(200, nonsense)) is UNKNOWN


def test_postmark_judges_each_message_of_a_batch():
    with PostmarkStandIn() as stand_in:
        stand_in.inactive = frozenset({"gone@example.net"})
        aa, bb, cc = send(stand_in, "aa", "bb", "cc", recipients={"bb": "gone@example.net"})
        assert [each.verdict for each in (aa, bb, cc)] == [ACCEPTED, REJECTED, ACCEPTED]
        assert bb.response.startswith("suppressed: code 406")
        assert "gone" not in bb.response
        assert stand_in.keys() == ["aa", "cc"]
        assert aa.provider_id != cc.provider_id
        assert stand_in.sends == 1


def test_when_postmark_does_not_know_the_sender_no_message_of_the_batch_pays_for_it():
    with PostmarkStandIn() as stand_in:
        stand_in.unknown_sender = True
        with pytest.raises(TransportDown, match="code 400"):
            send(stand_in, "aa", "bb")


def test_a_limit_in_the_middle_of_a_batch_costs_only_those_behind_it():
    def limited(good: Reply | None) -> Reply:
        assert good is not None
        results = json.loads(good.body)
        return json_reply(200, [results[0], {"ErrorCode": 429, "Message": "Rate limit exceeded"}])

    with PostmarkStandIn() as stand_in:
        stand_in.misbehave(saying(limited, accepts=True))
        assert [each.verdict for each in send(stand_in, "aa", "bb")] == [ACCEPTED, RETRY]


def _short(results: list[Any]) -> list[Any]:
    return results[:-1]


def _long(results: list[Any]) -> list[Any]:
    return [*results, results[0]]


def _turned(results: list[Any]) -> list[Any]:
    return results[::-1]


def _holed(results: list[Any]) -> list[Any]:
    return [results[0], None, results[2]]


def _wordless(results: list[Any]) -> list[Any]:
    return [results[0], {"Message": "OK"}, results[2]]


def _nameless(results: list[Any]) -> list[Any]:
    return [results[0], {**results[1], "MessageID": ""}, results[2]]


@pytest.mark.parametrize("change", [_short, _long, _turned, _holed, _wordless, _nameless])
def test_results_that_do_not_fit_the_batch_leave_all_of_it_in_doubt(change: Callable[[list[Any]], list[Any]]):
    def changed(good: Reply | None) -> Reply:
        assert good is not None
        return json_reply(200, change(json.loads(good.body)))

    recipients = {"aa": "a@example.com", "bb": "b@example.com", "cc": "c@example.com"}
    with PostmarkStandIn() as stand_in:
        stand_in.misbehave(saying(changed, accepts=True))
        receipts = send(stand_in, "aa", "bb", "cc", recipients=recipients)
        assert [each.verdict for each in receipts] == [UNKNOWN] * 3


@pytest.mark.parametrize(
    "reply", [json_reply(422, {"ErrorCode": 402, "Message": "Invalid JSON"}), json_reply(413, {"Message": "too large"})]
)
def test_a_batch_whose_form_postmark_refuses_is_sent_one_by_one(reply: Reply):
    with PostmarkStandIn() as stand_in:
        stand_in.inactive = frozenset({"gone@example.net"})
        stand_in.misbehave(saying(lambda _: reply), 1)
        receipts = send(stand_in, "aa", "bb", "cc", recipients={"bb": "gone@example.net"})
        assert [each.verdict for each in receipts] == [ACCEPTED, REJECTED, ACCEPTED]
        assert [each.path for each in stand_in.requests] == ["/email/batch", "/email", "/email", "/email"]


def test_a_batch_that_postmark_refuses_for_one_of_its_messages_stays_in_doubt():
    with PostmarkStandIn() as stand_in:
        stand_in.misbehave(saying(lambda _: json_reply(422, {"ErrorCode": 300, "Message": "Invalid 'To'"})), 1)
        assert {each.verdict for each in send(stand_in, "aa", "bb")} == {UNKNOWN}
        assert stand_in.sends == 1


# --- Resend -----------------------------------------------------------------------------------------------------------


def test_a_batch_that_resend_refuses_as_a_whole_is_sent_one_by_one_under_keys_of_their_own():
    with ResendStandIn() as stand_in:
        stand_in.blocked = frozenset({"bad@example.net"})
        receipts = send(stand_in, "aa", "bb", "cc", recipients={"bb": "bad@example.net"})
        assert [each.verdict for each in receipts] == [ACCEPTED, REJECTED, ACCEPTED]
        assert "bad@" not in receipts[1].response
        assert stand_in.keys() == ["aa", "cc"]
        keys = [each.headers["idempotency-key"] for each in stand_in.requests]
        assert keys[1:] == ["ripen-aa", "ripen-bb", "ripen-cc"]
        assert len(set(keys)) == 4


def test_a_limit_while_a_batch_is_sent_one_by_one_ends_the_trying():
    with ResendStandIn() as stand_in:
        refused = json_reply(422, {"statusCode": 422, "name": "validation_error", "message": "one of them"})
        stand_in.misbehave(saying(lambda _: refused), 1)
        stand_in.misbehave(saying(lambda good: cast(Reply, good), accepts=True), 1)
        stand_in.misbehave(MISBEHAVIOURS["429-in-seconds"])
        assert [each.verdict for each in send(stand_in, "aa", "bb", "cc")] == [ACCEPTED, RETRY, RETRY]
        assert (stand_in.sends, stand_in.keys()) == (3, ["aa"])


def test_a_batch_of_resend_has_one_key_made_of_its_messages():
    def key_of(*keys: str) -> str:
        with ResendStandIn() as stand_in:
            send(stand_in, *keys)
            return stand_in.requests[-1].headers["idempotency-key"]

    assert key_of("aa", "bb") == key_of("aa", "bb")
    assert len({key_of("aa", "bb"), key_of("bb", "aa"), key_of("aa", "bb", "cc"), key_of("aabb")}) == 4


def test_the_same_act_again_sends_nothing_again_where_the_key_is_known():
    with ResendStandIn() as stand_in:
        first = send(stand_in, "aa", "bb")
        again = send(stand_in, "aa", "bb")
        assert first == again
        assert stand_in.keys() == ["aa", "bb"]


def test_a_request_that_is_still_at_work_is_waited_for():
    pauses: list[float] = []
    with ResendStandIn() as stand_in:
        stand_in.busy = 2
        (receipt,) = send(stand_in, "aa", pause=pauses.append)
        assert receipt.verdict is ACCEPTED
        assert pauses == [0.5, 2.0]


def test_a_key_that_was_used_for_another_text_says_nothing_about_this_one():
    with ResendStandIn() as stand_in:
        send(stand_in, "aa")
        (receipt,) = send(stand_in, "aa", recipients={"aa": "other@example.com"})
        assert receipt.verdict is UNKNOWN
        assert (stand_in.sends, stand_in.keys()) == (2, ["aa"])


@pytest.mark.parametrize("ids", [{"data": [{"id": "1"}]}, {"data": [{"id": "1"}, {}]}, {"data": None}, [{"id": "1"}]])
def test_ids_that_do_not_fit_the_batch_leave_all_of_it_in_doubt(ids: Any):
    with ResendStandIn() as stand_in:
        stand_in.misbehave(saying(lambda _: json_reply(200, ids), accepts=True))
        assert {each.verdict for each in send(stand_in, "aa", "bb")} == {UNKNOWN}


RESEND = {
    (400, "validation_error", "API key is invalid"): TransportDown,
    (401, "restricted_api_key", "no"): TransportDown,
    (403, "validation_error", "You can only send testing emails to your own email address"): TransportDown,
    (403, "invalid_api_key", "API key is invalid"): TransportDown,
    (422, "invalid_from_address", "Invalid `from` field"): TransportDown,
    (422, "validation_error", "Invalid `to` field"): REJECTED,
    (422, "missing_required_field", "Missing `to` field"): REJECTED,
    (429, "rate_limit_exceeded", "Too many requests"): RetryLater,
    (429, "daily_quota_exceeded", "You have reached your daily email quota."): RetryLater,
    (451, "security_error", "contain invalid characters"): REJECTED,
    (500, "application_error", "An unexpected error occurred."): UNKNOWN,
}


@pytest.mark.parametrize(("told", "expected"), RESEND.items(), ids=lambda value: getattr(value, "__name__", str(value)))
def test_resends_errors_mean_what_its_documentation_says(told: tuple[int, str, str], expected: Any):
    status, name, message = told
    with ResendStandIn() as stand_in:
        assert outcome(stand_in, ResendStandIn.error(status, name, message)) == expected


def test_a_quota_of_resend_rests_for_an_hour():
    with ResendStandIn() as stand_in:
        stand_in.misbehave(saying(lambda _: ResendStandIn.error(429, "daily_quota_exceeded", "reached")))
        with pytest.raises(RetryLater) as caught:
            send(stand_in, "aa")
        assert caught.value.after == 3600


# --- SES --------------------------------------------------------------------------------------------------------------

SES = {
    (400, "MessageRejected", "Email address is not verified. The following identities failed"): TransportDown,
    (400, "MessageRejected", "Invalid content"): REJECTED,
    (400, "BadRequestException", "Local address contains control or whitespace"): REJECTED,
    (400, "MailFromDomainNotVerifiedException", ""): TransportDown,
    (400, "AccountSuspendedException", ""): TransportDown,
    (400, "SendingPausedException", ""): TransportDown,
    (400, "LimitExceededException", ""): RetryLater,
    (400, "ThrottlingException", "Rate exceeded"): RetryLater,
    (429, "TooManyRequestsException", "Maximum sending rate exceeded."): RetryLater,
    (404, "NotFoundException", "Configuration set does not exist"): TransportDown,
    (403, "ExpiredTokenException", "The security token included in the request is expired"): TransportDown,
    (400, "SomethingNewException", "never seen"): REJECTED,
    (500, "InternalFailure", ""): UNKNOWN,
    (503, "TooManyRequestsException", "a server error counts as one"): UNKNOWN,
}


@pytest.mark.parametrize(("told", "expected"), SES.items(), ids=lambda value: getattr(value, "__name__", str(value)))
def test_the_error_types_of_ses_mean_what_its_documentation_says(told: tuple[int, str, str], expected: Any):
    with SesStandIn() as stand_in:
        assert outcome(stand_in, SesStandIn.error(*told)) == expected


def test_ses_is_asked_with_a_signature_of_this_moment_and_with_the_token_of_a_session():
    with SesStandIn() as stand_in:
        stand_in.token = "session-token-1"
        assert [each.verdict for each in send(stand_in, "aa")] == [ACCEPTED]
        with pytest.raises(TransportDown, match="InvalidSignatureException"):
            send(stand_in, "bb", session_token="another")
        with pytest.raises(TransportDown, match="InvalidSignatureException"):
            send(stand_in, "bb", secret_access_key="another")
        with pytest.raises(TransportDown, match="expired"):
            send(stand_in, "bb", clock=lambda: datetime.now(UTC) - timedelta(minutes=20))
        assert stand_in.keys() == ["aa"]


# --- Mailgun, SendGrid, Brevo -----------------------------------------------------------------------------------------

MAILGUN = {
    (400, "Domain mg.example.com is not allowed to send: The domain is unverified"): TransportDown,
    (400, "to parameter is not a valid address. please check documentation"): REJECTED,
    (400, "Too many recipients, max is 1000"): REJECTED,
    (403, "Domain example is not allowed to send large batches yet"): TransportDown,
    (404, "Domain not found: example.com"): TransportDown,
    (413, "request size exceeds 52.4MiB limit"): REJECTED,
    (500, "Internal Server Error"): UNKNOWN,
}


@pytest.mark.parametrize(
    ("told", "expected"), MAILGUN.items(), ids=lambda value: getattr(value, "__name__", str(value))
)
def test_mailguns_sentences_mean_what_its_documentation_says(told: tuple[int, str], expected: Any):
    with MailgunStandIn() as stand_in:
        assert outcome(stand_in, json_reply(told[0], {"message": told[1]})) == expected


def test_mailgun_says_in_its_sentence_how_long_to_wait():
    words = "Domain x is not allowed to send: request limit exceeded, try again after Mon, 20 Dec 2021 20:33:21 UTC"
    reply = json_reply(429, {"message": words}, Date="Mon, 20 Dec 2021 20:32:21 GMT")
    with MailgunStandIn() as stand_in:
        stand_in.misbehave(saying(lambda _: reply))
        with pytest.raises(RetryLater) as caught:
            send(stand_in, "aa")
        assert caught.value.after == 60


def test_sendgrids_yes_needs_its_status_and_its_message_id():
    with SendGridStandIn() as stand_in:
        assert outcome(stand_in, Reply(202, b"", {})) is UNKNOWN
    with SendGridStandIn() as stand_in:
        assert outcome(stand_in, Reply(200, b"", {"X-Message-Id": "1"})) is UNKNOWN


def test_a_sender_that_sendgrid_does_not_take_is_no_fault_of_the_message():
    told = {"errors": [{"message": "does not contain a valid address", "field": "from.email", "help": None}]}
    with SendGridStandIn() as stand_in:
        assert outcome(stand_in, json_reply(400, told)) is TransportDown
    told["errors"][0]["field"] = "personalizations.0.to.0.email"
    with SendGridStandIn() as stand_in:
        assert outcome(stand_in, json_reply(400, told)) is REJECTED


def test_a_sender_that_brevo_does_not_know_is_no_fault_of_the_message():
    words = "Sending has been rejected because the sender you used us@example.com is not valid. Validate your sender"
    with BrevoStandIn() as stand_in:
        assert outcome(stand_in, json_reply(400, {"code": "invalid_parameter", "message": words})) is TransportDown
    with BrevoStandIn() as stand_in:
        reply = json_reply(400, {"code": "invalid_parameter", "message": "email is not valid in to"})
        assert outcome(stand_in, reply) is REJECTED


def test_brevos_key_is_a_uuid_that_is_always_the_same_for_a_message():
    with BrevoStandIn() as stand_in:
        send(stand_in, "aa")
        send(stand_in, "bb")
        first, second = (UUID(each.form["headers"]["idempotencyKey"]) for each in stand_in.accepted)
        assert (first.version, first != second) == (4, True)
        (again,) = send(stand_in, "aa")
        assert again.verdict is UNKNOWN
        assert stand_in.keys() == ["aa", "bb"]
