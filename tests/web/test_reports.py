"""Reports of e-mail providers at the door: proven, stored once and as they came, and in force from the answer on."""

from __future__ import annotations

import json

import pytest
from sqlalchemy import event

from connectors.email import Verdict
from connectors.email.webhooks import PROVIDERS
from nurture.keys import email_hash
from nurture.records import Identity, LeadRecord
from nurture.tokens import CLICK, TRAP, VIEW, seal
from tasks.letters import replay
from tasks.privacy.erase import erase_lead
from tests.web.conftest import POSTMARK_SECRET, everything
from tests.world import SECRET

ACCOUNT = tuple(POSTMARK_SECRET.split(":"))
AT = "2026-03-02T08:59:00Z"


def bounce(key=None, **changed):
    made = {
        "RecordType": "Bounce",
        "ID": 4301,
        "Type": "HardBounce",
        "TypeCode": 1,
        "MessageID": "8f0d5b6e-0000-4000-8000-000000000001",
        "Email": "ada@example.com",
        "BouncedAt": AT,
        "Details": "smtp;550 5.1.1 ada@example.com does not exist",
        **changed,
    }
    return {**made, "Metadata": {"ripen": key}} if key else made


def key_of(site, name="ada"):
    return site.world.rows("messages", lead_id=site.world.lead_id(name))[0]["key"]


def post(site, body, account=ACCOUNT, provider="postmark"):
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return site.browser.post(f"/hooks/{provider}", content=content, auth=account)


def test_a_hard_bounce_stops_the_address_from_the_answer_on(mailed):
    answer = post(mailed, bounce(key_of(mailed)))
    assert (answer.status_code, answer.json()) == (200, {"facts": 1, "known": 0, "events": 1, "refused": 0})
    [fact] = mailed.world.rows("provider_facts")
    assert (fact["provider"], fact["kind"], fact["raw"]["ID"]) == ("postmark", "bounced", 4301)
    assert fact["lead_id"] == mailed.world.lead_id("ada")
    [told] = [row for row in mailed.world.rows("events") if row["type"] == "email.bounced"]
    assert told["message_id"] == fact["message_id"]
    assert told["properties"]["kind"] == "hard"
    assert "ada@example.com" not in json.dumps(told["properties"])
    [stop] = mailed.world.rows("suppressions")
    assert stop["reason"] == "hard_bounce"


def test_the_same_report_again_changes_nothing(mailed):
    post(mailed, bounce(key_of(mailed)))
    before = len(mailed.world.rows("events"))
    assert post(mailed, bounce(key_of(mailed))).json() == {"facts": 0, "known": 1, "events": 0, "refused": 0}
    assert len(mailed.world.rows("events")) == before


def test_a_report_without_our_key_is_known_by_the_provider_s_id_or_the_address(mailed):
    post(mailed, bounce(ID=1, Type="SoftBounce", TypeCode=4096))
    provider_id = mailed.world.rows("messages")[0]["provider_id"]
    post(mailed, bounce(ID=2, Type="SoftBounce", TypeCode=4096, Email="other@example.com", MessageID=provider_id))
    first, second = mailed.world.rows("provider_facts")
    assert (first["message_id"], first["lead_id"]) == (None, mailed.world.lead_id("ada"))
    assert (second["message_id"], second["lead_id"]) == (1, mailed.world.lead_id("ada"))


def test_a_report_about_nobody_makes_no_lead_and_is_kept_with_its_reason(mailed):
    leads = len(mailed.world.rows("leads"))
    answer = post(mailed, bounce(Email="stranger@example.net"))
    assert answer.json() == {"facts": 1, "known": 0, "events": 0, "refused": 1}
    assert len(mailed.world.rows("leads")) == leads
    [letter] = mailed.world.rows("dead_letters")
    assert letter["reason"] == "unknown-lead"


def test_an_unknown_word_is_kept_as_it_came_and_counts_for_nothing(mailed):
    post(mailed, {"RecordType": "Teleported", "MessageID": "x", "Recipient": "ada@example.com", "DeliveredAt": AT})
    [fact] = mailed.world.rows("provider_facts")
    assert (fact["kind"], fact["raw"]["RecordType"]) == ("unknown", "Teleported")
    mailed.world.run("follow-up")
    assert not mailed.world.rows("suppressions")


def test_a_complaint_ends_all_mail_to_its_sender_for_good(mailed):
    report = {"RecordType": "SpamComplaint", "ID": 9, "Email": "ada@example.com", "BouncedAt": AT, "MessageID": "x"}
    post(mailed, report)
    assert {row["reason"] for row in mailed.world.rows("suppressions")} == {"complaint"}
    mailed.world.days(5)
    assert mailed.world.received("ada") == ["thanks"]


def test_a_delivery_settles_an_unknown_message(site):
    site.world.outbox.misbehave("commit", Verdict.UNKNOWN, delivered=True)
    site.world.lead("ada")
    site.world.happens("ada", "content.white_paper_downloaded")
    site.world.run()
    assert [row["status"] for row in site.world.rows("messages")] == ["unknown"]
    report = {"RecordType": "Delivery", "MessageID": "m", "Recipient": "ada@example.com", "DeliveredAt": AT}
    site.world.documents["events"]["events"]["email.delivered"] = {
        "label": "Delivered",
        "channel": "email",
        "direction": "push",
    }
    site.world.publish()
    post(site, {**report, "Metadata": {"ripen": key_of(site)}})
    assert [row["status"] for row in site.world.rows("messages")] == ["accepted"]


@pytest.mark.parametrize("account", [None, ("ripen", "wrong"), ("", ""), ("ripen", "")])
def test_what_is_not_proven_is_refused_and_stored_nowhere(untouched, account):
    assert post(untouched, bounce(), account=account).status_code == 401


@pytest.mark.parametrize("provider", [name for name in PROVIDERS if name != "postmark"])
def test_a_provider_without_a_secret_is_not_heard(untouched, provider):
    answer = post(untouched, bounce(), provider=provider)
    assert (answer.status_code, answer.json()) == (401, {"error": "the signature is missing or wrong"})


@pytest.mark.parametrize(
    "body",
    [b"", b"\xff\xfe", b"[" * 10_000, b"null", b'"x"', b"{}", b'{"RecordType":"Bounce"}', b"[[]]"],
)
def test_what_cannot_be_read_is_kept_and_answered_without_an_error(site, body):
    assert post(site, body).status_code == 200
    kept = len(site.world.rows("dead_letters")) + len(site.world.rows("provider_facts"))
    assert kept >= 1


@pytest.mark.every_database
@pytest.mark.parametrize("word", ["a\u0000b", "\ud800", 10**30, {"deep": [[[["x"]]]]}, "<img src=x>", "e\u0301"])
def test_strange_values_are_stored_on_both_databases(mailed, word):
    assert post(mailed, bounce(key_of(mailed), Details="d", Name=word)).status_code == 200
    assert len(mailed.world.rows("provider_facts")) + len(mailed.world.rows("dead_letters")) == 1


def test_a_report_larger_than_a_megabyte_is_cut_off(untouched):
    assert post(untouched, b"x" * 1_000_001).status_code == 413


# --- Whose it is, and when it was -------------------------------------------------------------------------------------

COMPLAINT = {"RecordType": "SpamComplaint", "ID": 9, "Email": "ada@example.com", "BouncedAt": AT, "MessageID": "x"}


def stopped(site):
    return {(row["email_hash"], row["reason"]) for row in site.world.rows("suppressions")}


def hash_of(address):
    return email_hash(SECRET.encode(), address)


def test_a_complaint_about_a_mail_that_was_passed_on_stops_who_it_was_sent_to_and_who_complains(mailed):
    post(mailed, {**COMPLAINT, "Email": "list@example.org", "Metadata": {"ripen": key_of(mailed)}})
    assert stopped(mailed) == {(hash_of(each), "complaint") for each in ("list@example.org", "ada@example.com")}


def test_a_bounce_of_another_address_says_nothing_of_the_lead_s_own(mailed):
    post(mailed, bounce(key_of(mailed), Email="list@example.org"))
    assert stopped(mailed) == {(hash_of("list@example.org"), "hard_bounce")}


def test_the_same_complaint_twice_in_other_words_and_in_one_request_is_one_stop(mailed):
    body = [{**COMPLAINT, "ID": number, "Metadata": {"ripen": key_of(mailed)}} for number in (1, 2, 2)]
    assert post(mailed, body).json() == {"facts": 2, "known": 1, "events": 2, "refused": 0}
    assert stopped(mailed) == {(hash_of("ada@example.com"), "complaint")}


def test_a_complaint_from_a_clock_that_is_ahead_holds_at_once(mailed):
    post(mailed, {**COMPLAINT, "BouncedAt": "2026-03-02T11:00:00Z"})
    assert stopped(mailed) == {(hash_of("ada@example.com"), "complaint")}
    [fact] = mailed.world.rows("events", type="email.complained")
    assert fact["occurred_at"] == mailed.world.now
    assert mailed.world.rows("provider_facts")[0]["occurred_at"] > mailed.world.now


def test_what_is_told_of_an_erased_lead_is_not_kept(mailed):
    key = key_of(mailed)
    erase_lead(mailed.world.context, "ada@example.com", mailed.world.now)
    before = everything(mailed)
    assert post(mailed, bounce(key)).json() == {"facts": 0, "known": 0, "events": 0, "refused": 0}
    assert everything(mailed) == before


def test_a_report_about_nobody_goes_in_once_the_person_is_known(mailed):
    post(mailed, bounce(Email="stranger@example.net"))
    world = mailed.world
    catalogue = world.context.compiled().bundle.catalogue
    again = {"now": world.now, "catalogue": catalogue, "secret": SECRET.encode(), "mapping_of": lambda _: None}
    assert replay(world.database, None, **again)["replayed"] == []
    address = "stranger@example.net"
    world.store([LeadRecord((Identity("email", address),), {"email": address})])
    assert replay(world.database, None, **again)["events_created"] == 1
    assert stopped(mailed) == {(hash_of(address), "hard_bounce")}
    [bounced] = world.rows("events", type="email.bounced")
    assert len(world.rows("leads")) == 2
    assert bounced["lead_id"] != world.lead_id("ada")


@pytest.mark.parametrize("purpose", [CLICK, TRAP, VIEW])
def test_a_click_that_the_provider_saw_on_our_own_link_is_counted_by_our_door_alone(mailed, purpose):
    key = key_of(mailed)
    click = {"RecordType": "Click", "MessageID": "m", "Recipient": "ada@example.com", "ReceivedAt": AT}
    ours = f"http://127.0.0.1:8377/c/{seal(SECRET.encode(), purpose, key, 1)}"
    for url, kept in ((ours, 0), (ours[:-1], 1), ("https://www.example.com/", 2)):
        assert post(mailed, {**click, "OriginalLink": url, "Metadata": {"ripen": key}}).json()["facts"] == 1
        assert len(mailed.world.rows("events", type="email.clicked")) == kept


def test_the_number_of_statements_does_not_grow_with_the_facts(mailed):
    counted: list[str] = []
    engine = mailed.world.database.engine
    event.listen(engine, "before_cursor_execute", lambda *given: counted.append(given[2]))
    numbers = []
    for first, count in ((1, 3), (1_000, 1_000)):
        counted.clear()
        body = [bounce(key_of(mailed), ID=first + each, Type="SoftBounce", TypeCode=4096) for each in range(count)]
        counted.clear()
        assert post(mailed, body).json()["events"] == count
        numbers.append(len(counted))
    assert abs(numbers[1] - numbers[0]) <= 3
