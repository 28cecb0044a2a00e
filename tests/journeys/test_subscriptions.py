"""Two people enter their address for the newsletter, with the shipped templates and a double opt-in."""

from __future__ import annotations

from datetime import timedelta

import pytest

from nurture.records import Consent, Identity, LeadRecord
from nurture.tokens import CONFIRM, sign
from tasks.confirm import confirm
from tests.journeys.conftest import START, day
from tests.journeys.life import Life, shipped
from tests.world import SECRET, World

pytestmark = pytest.mark.xdist_group("journeys")
QUESTIONS = "confirm-subscription"


def signs_up(world, name, **fields):
    identity = Identity("email", f"{name}@example.com")
    word = Consent("granted", "consent", "newsletter form", topic="newsletter", occurred_at=world.now)
    world.store([LeadRecord((identity,), {"email": identity.value, "first_name": name.title(), **fields}, {}, (word,))])


def test_one_confirms_on_the_first_reminder_and_the_other_is_left_in_peace_after_a_week(databases, tmp_path):
    documents = shipped()
    documents["events"]["topics"]["newsletter"]["double_opt_in"] = True
    world = World(databases.migrated(), tmp_path, documents)
    life = Life(world)
    world.now = START
    signs_up(world, "yrsa", language="da")
    signs_up(world, "nils")
    life.until(day(3))
    [_, (step, _)] = life.mails("yrsa", QUESTIONS)
    assert step == "remind"
    assert any(
        "Bekr=C3=A6ft" in mail.raw.decode() or "nyhedsbrev" in mail.raw.decode() for mail in world.outbox.messages
    )
    key = world.rows("messages", lead_id=world.lead_id("yrsa"), step_id="remind")[0]["key"]
    token = sign(SECRET.encode(), CONFIRM, f"{key} newsletter")
    catalogue = world.context.compiled().bundle.catalogue
    assert confirm(world.database, token, catalogue=catalogue, secret=SECRET.encode(), now=world.now)
    life.until(day(45))
    assert life.explained("yrsa", QUESTIONS)["status"] == "goal"
    assert [step for step, _ in life.mails("yrsa", QUESTIONS)] == ["ask", "remind"]
    assert [(step, at.date() - START.date()) for step, at in life.mails("nils", QUESTIONS)] == [
        ("ask", timedelta(days=0)),
        ("remind", timedelta(days=2)),
        ("remind-once-more", timedelta(days=5)),
    ]
    ended = life.explained("nils", QUESTIONS)
    assert (ended["reason"], ended["ended_at"].date()) == ("not-confirmed", day(7).date())
    words = {name: life.explained(name)["consents"][0]["status"] for name in ("yrsa", "nils")}
    assert words == {"yrsa": "granted", "nils": "withdrawn"}
    assert {row["sequence"] for row in world.rows("messages")} == {QUESTIONS}
    assert life.breaches() == []
    world.close()
