"""Whatever a provider or the net does to a request, the verdict never claims more than is known.

Every vendor meets every misbehaviour: for ever, and, where keys are known again, only once.
"""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass

import pytest

from connectors.email import EmailConnector, OutgoingMail, Receipt, Verdict, build_email_connector
from nurture.errors import RetryLater, TransportDown
from tests.connectors.email.mails import sample_mail
from tests.connectors.email.providers.misbehaviours import MISBEHAVIOURS
from tests.connectors.email.providers.stand_in import Misbehaviour, Reply, StandIn
from tests.connectors.email.providers.vendors import VENDORS

ACCEPTED, REJECTED, RETRY, UNKNOWN = Verdict.ACCEPTED, Verdict.REJECTED, Verdict.RETRY, Verdict.UNKNOWN
Outcome = Verdict | type[RetryLater] | type[TransportDown]

PATIENCE_S = 0.2
KEYED = ("resend", "brevo")
BATCHING = ("postmark", "resend")

WAIT = {"429-in-seconds", "429-with-a-date", "429-too-long", "429-bare", "429-page"}
SENDER = {"401", "401-page", "402", "403", "403-page", "404", "405", "406", "415", "301", "307", "308"}
MESSAGE = {"400", "413", "422"}
UNREADABLE = {"400-page", "413-page", "422-empty"}
FINE = {
    "wrong-type-accepted",
    "slow-accepted",
    "early-hints-accepted",
    "then-close-accepted",
    "hang-up-unasked-accepted",
}
# SendGrid's yes has no body: whatever follows its 202 and its message id changes nothing.
BODYLESS = {
    "junk-accepted",
    "binary-accepted",
    "null-accepted",
    "number-accepted",
    "deep-accepted",
    "truncated-accepted",
    "bomb-accepted",
    "huge-accepted",
    "drip-body-accepted",
}


def expected(vendor: str, how: Misbehaviour) -> Outcome:
    """The one right outcome of a single message when the misbehaviour lasts."""
    if how.name in WAIT:
        return RetryLater
    if how.name in SENDER:
        return TransportDown
    if how.name in MESSAGE:
        return REJECTED
    if how.name in UNREADABLE:
        return RETRY
    if how.name in FINE or (vendor == "sendgrid" and how.name in BODYLESS):
        return ACCEPTED
    return UNKNOWN


@dataclass
class Attempt:
    outcome: Outcome
    receipts: tuple[Receipt, ...]
    after: float | None
    seconds: float
    pauses: list[float]
    text: str


def connector_for(stand_in: StandIn, how: Misbehaviour, once: bool, pauses: list[float]) -> EmailConnector:
    # Where the misbehaviour comes once, the repetition must find the time for a good answer.
    patience = (4 * PATIENCE_S if once else PATIENCE_S) if how.slow else 10.0
    options = {**stand_in.options(), "timeout_s": patience, "pause": pauses.append}
    return build_email_connector(stand_in.kind, **options)


def attempt(stand_in: StandIn, how: Misbehaviour, mails: list[OutgoingMail], times: int | None = None) -> Attempt:
    """Stage and send in one act while the stand-in misbehaves."""
    stand_in.misbehave(how, times)
    pauses: list[float] = []
    started = time.monotonic()
    receipts: tuple[Receipt, ...] = ()
    outcome: Outcome
    after, text = None, ""
    with connector_for(stand_in, how, times == 1, pauses).open() as session:
        for mail in mails:
            assert session.stage(mail) is None
        try:
            receipts = session.commit_all() if len(mails) > 1 else (session.commit(),)  # type: ignore[attr-defined]
            outcome = receipts[0].verdict
            text = " ".join(receipt.response for receipt in receipts)
        except (RetryLater, TransportDown) as error:
            outcome, text = type(error), str(error)
            after = getattr(error, "after", None)
    return Attempt(outcome, receipts, after, time.monotonic() - started, pauses, text)


def check_truth(stand_in: StandIn, verdict: Outcome, key: str) -> None:
    """What holds whatever happens: nothing twice, no yes for nothing, no "try again" for what was taken."""
    taken = Counter(each.key for each in stand_in.accepted)[key]
    assert taken <= 1, "sent twice"
    if verdict is ACCEPTED:
        assert taken == 1, "a yes for a message that nobody took"
    if taken:
        assert verdict in (ACCEPTED, UNKNOWN), "a message that was taken would be sent again, or counts as refused"
    if verdict is UNKNOWN:
        assert stand_in.seen.wait(10), "in doubt although nothing was written"


ALL = [pytest.param(vendor, how, id=f"{vendor}-{how.name}") for vendor in VENDORS for how in MISBEHAVIOURS.values()]


@pytest.mark.parametrize(("vendor", "how"), ALL)
def test_a_verdict_never_claims_more_than_is_known(vendor: str, how: Misbehaviour):
    with VENDORS[vendor]() as stand_in:
        tried = attempt(stand_in, how, [sample_mail("aa")])
        check_truth(stand_in, tried.outcome, "aa")
        assert tried.outcome == expected(vendor, how), tried.text
        keyed = vendor in KEYED
        assert tried.seconds < (4 * (PATIENCE_S + 0.5) if how.slow else 5), "held longer than the whole time"
        assert len(tried.pauses) == (3 if keyed and tried.outcome is UNKNOWN else 0)
        assert stand_in.flooded < 64 * 1024 * 1024, "an endless reply was read on"
        if not keyed:
            assert stand_in.touched == 1, "an act without a key was repeated"


@pytest.mark.parametrize(
    ("vendor", "how"),
    [each for each in ALL if each.values[0] in KEYED],
    ids=lambda value: getattr(value, "name", value),
)
def test_where_keys_are_known_again_one_repetition_ends_the_doubt(vendor: str, how: Misbehaviour):
    with VENDORS[vendor]() as stand_in:
        tried = attempt(stand_in, how, [sample_mail("aa")], times=1)
        check_truth(stand_in, tried.outcome, "aa")
        lasting = expected(vendor, how)
        if lasting is not UNKNOWN:
            assert tried.outcome == lasting
        elif vendor == "brevo" and how.accepts:
            # It says only that the key was used, not what became of the message.
            assert tried.outcome is UNKNOWN
            assert "duplicate_parameter" in tried.text
            assert len(tried.pauses) == 1
        else:
            assert tried.outcome is ACCEPTED
            assert len(tried.pauses) == 1


@pytest.mark.parametrize("how", MISBEHAVIOURS.values(), ids=MISBEHAVIOURS)
@pytest.mark.parametrize("vendor", BATCHING)
def test_a_batch_tells_the_truth_about_each_of_its_messages(vendor: str, how: Misbehaviour):
    keys = ["aa", "bb", "cc"]
    with VENDORS[vendor]() as stand_in:
        tried = attempt(stand_in, how, [sample_mail(key) for key in keys])
        verdicts = [receipt.verdict for receipt in tried.receipts] or [tried.outcome] * 3
        for key, verdict in zip(keys, verdicts, strict=True):
            check_truth(stand_in, verdict, key)
        assert verdicts == [tried.outcome] * 3
        if expected(vendor, how) in (RetryLater, TransportDown, ACCEPTED):
            assert tried.outcome == expected(vendor, how)
        else:
            assert tried.outcome in (UNKNOWN, REJECTED, RETRY)


def test_the_modes_are_as_many_as_the_document_says():
    assert len(MISBEHAVIOURS) == 71


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_wait_is_as_long_as_the_provider_asks_and_at_most_an_hour(vendor: str):
    found = {}
    for name in ("429-in-seconds", "429-with-a-date", "429-too-long", "429-bare"):
        with VENDORS[vendor]() as stand_in:
            found[name] = attempt(stand_in, MISBEHAVIOURS[name], [sample_mail("aa")]).after
    assert found == {"429-in-seconds": 7, "429-with-a-date": 90, "429-too-long": 3600, "429-bare": None}


@pytest.mark.parametrize("vendor", VENDORS)
def test_whoever_was_told_to_wait_does_not_ask_again_in_this_session(vendor: str):
    with VENDORS[vendor]() as stand_in:
        stand_in.misbehave(MISBEHAVIOURS["429-in-seconds"])
        with build_email_connector(vendor, **stand_in.options()).open() as session:
            session.stage(sample_mail("aa"))
            with pytest.raises(RetryLater):
                session.commit()
            with pytest.raises(RetryLater) as caught:
                session.stage(sample_mail("bb"))
        assert 0 < (caught.value.after or 0) <= 7
        assert stand_in.sends == 1


@pytest.mark.parametrize("vendor", VENDORS)
def test_after_a_refused_key_no_further_message_is_tried(vendor: str):
    with VENDORS[vendor]() as stand_in:
        stand_in.misbehave(MISBEHAVIOURS["401"])
        with build_email_connector(vendor, **stand_in.options()).open() as session:
            session.stage(sample_mail("aa"))
            with pytest.raises(TransportDown, match="check"):
                session.commit()
            with pytest.raises(TransportDown):
                session.stage(sample_mail("bb"))
        assert stand_in.sends == 1


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_provider_that_cannot_be_reached_is_asked_later(vendor: str):
    with VENDORS[vendor]() as stand_in:
        options = stand_in.options()
    with (
        build_email_connector(vendor, **options).open() as session,
        pytest.raises(RetryLater, match="cannot be reached"),
    ):
        session.stage(sample_mail("aa"))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_provider_that_goes_away_between_the_moves_has_got_nothing(vendor: str):
    with VENDORS[vendor]() as stand_in:
        session = build_email_connector(vendor, **stand_in.options()).open()
        session.stage(sample_mail("aa"))
    with session, pytest.raises(RetryLater):
        session.commit()
    assert stand_in.accepted == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_redirect_is_not_followed(vendor: str, status: int):
    with VENDORS[vendor]() as trap, VENDORS[vendor]() as stand_in:
        there = Reply(status, b"", {"Location": trap.url + "/v3/mail/send"})
        attempt(stand_in, Misbehaviour("elsewhere", lambda handler, _, __: handler.say(there)), [sample_mail("aa")], 1)
        assert trap.connections == 0


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_connection_is_kept_for_the_next_message(vendor: str):
    with VENDORS[vendor]() as stand_in:
        with build_email_connector(vendor, **stand_in.options()).open() as session:
            for number in range(10):
                session.stage(sample_mail(f"{number:02x}"))
                session.commit()
        assert len(stand_in.keys()) == 10
        assert stand_in.connections == 2  # one to see that it can be reached, one for all messages


@pytest.mark.parametrize("how", ["then-close-accepted", "hang-up-unasked-accepted"])
@pytest.mark.parametrize("vendor", VENDORS)
def test_a_connection_that_the_provider_gave_up_is_made_anew(vendor: str, how: str):
    with VENDORS[vendor]() as stand_in:
        stand_in.misbehave(MISBEHAVIOURS[how], 1)
        with build_email_connector(vendor, **stand_in.options()).open() as session:
            for key in ("aa", "bb"):
                session.stage(sample_mail(key))
                assert session.commit().verdict is ACCEPTED
                if how.startswith("hang-up"):
                    assert stand_in.hung_up.wait(10)
        assert stand_in.keys() == ["aa", "bb"]
