"""Mail that comes back to a business that has sent some: whose it is, what it stops, and that it is counted once."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import timedelta

import pytest

from connectors.events.imap_mailbox import ImapMailbox, ImapSettings
from connectors.events.memory import MemoryMailbox
from nurture.errors import BadSetting
from tasks.letters import replay
from tasks.settings import load_settings
from tasks.sources import build_source
from tests.connectors.events.mailboxes import PASSWORD, USER, MailServer, mail_server
from tests.nurture.inbound.mails import KEY, failed, mail, plain_bounce, report
from tests.world import DOCUMENTS, SECRET, World

MORE = {
    name: {"label": name, "channel": "email", "direction": "push", "counts_as_activity": False}
    for name in ("email.auto_replied", "email.deferred")
}


@pytest.fixture
def world(twin) -> World:
    """Ada has got her first mail; Bo is a lead without one."""
    return twin(_ada_has_a_mail)


def _ada_has_a_mail(new_world) -> World:
    documents = deepcopy(DOCUMENTS)
    documents["events"]["events"] |= MORE
    made = new_world(documents)
    made.lead("ada", ads=True)
    made.lead("bo")
    made.happens("ada", "content.white_paper_downloaded")
    made.run()
    assert made.received("ada") == ["thanks"]
    return made


def key_of(world: World, name: str = "ada") -> str:
    return str(world.rows("messages", lead_id=world.lead_id(name))[0]["key"])


def arrives(world: World, *mails: bytes) -> None:
    """The mails, written half an hour after ours, are in the mailbox when the next run looks."""
    world.now += timedelta(hours=1)
    if not world.context.sources:
        world.context.sources.append(MemoryMailbox("replies", []))
    ours = {KEY: key_of(world), "09:30:00 +0100": "10:30:00 +0100"}
    for raw in mails:
        for old, new in ours.items():
            raw = raw.replace(old.encode(), new.encode())
        world.context.sources[0].put(raw)  # type: ignore[union-attr]
    world.run("follow-up")


def came(world: World) -> list[tuple[str, str | None, bool]]:
    """Type and lead of each event of the mailbox, and whether it is linked to a message."""
    names = {row["id"]: row["first_name"] for row in world.rows("leads")}
    return [
        (row["type"], names.get(row["lead_id"]), row["message_id"] is not None)
        for row in world.rows("events")
        if row["source"] == "replies"
    ]


def letters(world: World) -> list[str]:
    return [row["reason"] for row in world.rows("dead_letters")]


FROM_ADA = "From: Ada <ada@example.com>"


def test_a_reply_ends_the_sequence_and_keeps_what_was_said(world):
    arrives(
        world, mail(FROM_ADA, body="Thursday, please.\n\nOn Monday Northwind <hello@example.com> wrote:\n> When?\n")
    )

    assert came(world) == [("email.replied", "Ada", True)]
    (event,) = world.rows("events", source="replies")
    assert event["properties"] == {
        "message_key": key_of(world),
        "subject": "Re: Your white paper",
        "text": "Thursday, please.",
    }
    assert event["source_event_id"] == "answer-1@example.org"
    (enrollment,) = world.rows("enrollments")
    assert (enrollment["status"], enrollment["reason"]) == ("exited", "replied")


def test_a_reply_from_another_address_is_still_that_leads_and_links_nobody(world):
    arrives(world, mail("From: Ada at home <ada@private.example>"))

    assert came(world) == [("email.replied", "Ada", True)]
    assert "ada@private.example" not in [row["value"] for row in world.rows("identities")]


def test_a_reply_without_our_key_is_the_known_senders(world):
    arrives(world, mail("From: Bo <BO@example.com>", drop=("in-reply-to",)))

    assert came(world) == [("email.replied", "Bo", False)]


@pytest.mark.parametrize("key", ["", "In-Reply-To: <" + "f" * 40 + "@example.com>"])
def test_a_strangers_mail_makes_no_lead_and_is_kept_until_they_are_known(world, key):
    raw = mail("From: Cy <cy@example.com>", *([key] if key else []), drop=("in-reply-to",))
    before = len(world.rows("leads"))
    arrives(world, raw)
    assert (came(world), letters(world), len(world.rows("leads"))) == ([], ["stranger"], before)

    assert again(world)["replayed"] == [], "still a stranger, and still no lead"
    assert len(world.rows("leads")) == before
    world.lead("cy")
    assert len(again(world)["replayed"]) == 1
    assert came(world) == [("email.replied", "Cy", False)]


def again(world: World):
    return replay(
        world.database,
        None,
        now=world.now,
        catalogue=world.context.compiled().bundle.catalogue,
        secret=SECRET.encode(),
        mapping_of=lambda _: None,
    )


def test_an_out_of_office_reply_ends_nothing(world):
    arrives(world, mail(FROM_ADA, "Auto-Submitted: auto-replied", "Subject: Away"))

    assert came(world) == [("email.auto_replied", "Ada", True)]
    assert world.rows("enrollments")[0]["status"] == "active"


def test_a_hard_bounce_stops_the_address_and_a_soft_one_does_not(world):
    arrives(world, report(failed("5.2.2", "552 5.2.2 mailbox full", who="ada@example.com")))
    assert came(world) == [("email.bounced", "Ada", True)]
    assert world.rows("suppressions") == []

    arrives(
        world,
        report(failed(who="ada@example.com")).replace(b"<bounce-1@", b"<bounce-2@"),
    )
    assert [row["reason"] for row in world.rows("suppressions")] == ["hard_bounce"]
    (_, event) = world.rows("events", source="replies")
    assert event["properties"] == {
        "message_key": key_of(world),
        "kind": "hard",
        "status": "5.1.1",
        "reason": "550 5.1.1 no such user",
    }


def test_a_bounce_of_an_address_that_the_mail_was_passed_on_to_stops_the_leads_own(world):
    arrives(world, report(failed(who="someone.else@example.net")))

    (stop,) = world.rows("suppressions")
    (ada,) = (row for row in world.rows("leads") if row["first_name"] == "Ada")
    assert stop["email_hash"] == ada["email_hash"]


def test_a_bounce_without_our_mail_is_the_known_recipients(world):
    raw = plain_bounce(
        "Hi. This is the qmail-send program.\n<bo@example.com>:\nno mailbox here by that name. (#5.1.1)\n"
    )
    arrives(world, raw)

    assert came(world) == [("email.bounced", "Bo", False)]
    assert len(world.rows("suppressions")) == 1


def test_a_delay_is_told_and_stops_nothing(world):
    arrives(world, report(failed("4.4.1", "timed out", "delayed", "ada@example.com")))

    assert came(world) == [("email.deferred", "Ada", True)]
    assert world.rows("suppressions") == []


def test_a_mail_to_the_unsubscribe_address_unsubscribes(world):
    arrives(
        world, mail("From: Ada elsewhere <ada@private.example>", f"To: unsubscribe+{KEY}@example.com", "Subject: x")
    )

    assert came(world) == [("email.unsubscribed", "Ada", True)]
    consents = {row["topic"]: row["status"] for row in world.rows("consent_states", lead_id=world.lead_id("ada"))}
    assert consents == {"nurture": "withdrawn", "ads": "withdrawn"}


def test_the_same_mail_again_is_one_event_whatever_else_is_in_the_mailbox(world):
    arrives(world, mail(FROM_ADA), b"\xff\x00 garbage", mail(FROM_ADA), mail("List-Id: <talk.example.org>"))
    arrives(world, mail(FROM_ADA))

    assert came(world) == [("email.replied", "Ada", True)]
    assert letters(world) == []


def test_a_bounce_that_names_nobody_is_kept_as_it_came(world):
    arrives(world, report("nothing to read", returned=""))

    (letter,) = world.rows("dead_letters")
    assert (letter["reason"], letter["place"]) == ("no-identifier", "replies: mail 1")
    assert b"Undelivered Mail" in letter["raw"]


def test_after_a_merge_the_answer_is_the_survivors(world):
    gone, survivor = world.lead_id("ada"), world.lead_id("bo")
    key = key_of(world)
    world.merge("bo", "ada")
    world.context.sources.append(MemoryMailbox("replies", [mail().replace(KEY.encode(), key.encode())]))
    world.run("follow-up")

    (event,) = world.rows("events", source="replies")
    assert gone != survivor
    assert (event["lead_id"], event["message_id"] is not None) == (survivor, True)


# --- From a real mailbox ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    with mail_server(tmp_path_factory.mktemp("imap")) as made:
        yield made


def test_nothing_is_lost_and_nothing_twice_when_the_server_numbers_anew(world, server, request):
    folder = "".join(sign for sign in request.node.name if sign.isalnum())[-30:]
    settings = ImapSettings("127.0.0.1", USER, PASSWORD, port=server.port, folder=folder, security="none")
    world.context.sources.append(ImapMailbox("replies", settings))
    server.put(*[mail(FROM_ADA, f"Message-ID: <a{number}@example.com>") for number in range(3)], folder=folder)
    world.run("follow-up")
    assert len(came(world)) == 3

    server.renumber(folder)
    server.put(mail(FROM_ADA, "Message-ID: <a9@example.com>"), folder=folder)
    world.run("follow-up")
    assert sorted(row["source_event_id"] for row in world.rows("events", source="replies")) == [
        f"a{number}@example.com" for number in (0, 1, 2, 9)
    ]


MAILBOX = """
[[sources]]
kind = "imap"
name = "replies"
host = "mail.example.com"
username = "replies@example.com"
password_env = "REPLIES_PASSWORD"
"""


def test_a_mailbox_is_set_in_ripen_toml_with_its_password_outside(tmp_path, monkeypatch):
    (tmp_path / "ripen.toml").write_text(MAILBOX)
    settings = load_settings(tmp_path)
    monkeypatch.delenv("REPLIES_PASSWORD", raising=False)
    with pytest.raises(BadSetting, match="needs its password in the environment variable REPLIES_PASSWORD"):
        build_source(settings.sources[0], settings)
    monkeypatch.setenv("REPLIES_PASSWORD", "secret of the test")
    source = build_source(settings.sources[0], settings)
    assert isinstance(source, ImapMailbox)
    assert (source.settings.port, source.settings.security, source.settings.folder) == (993, "tls", "INBOX")
    assert source.settings.password == "secret of the test"
