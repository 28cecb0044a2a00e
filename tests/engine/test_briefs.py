"""The sales brief: what sales must know before the first call."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from nurture.errors import BadInput
from tasks.briefs import build_brief
from tests.world import DOCUMENTS, World

SHIPPED = Path(__file__).resolve().parents[2] / "templates" / "sales" / "brief.md"


@pytest.fixture
def world(new_world) -> World:
    documents = deepcopy(DOCUMENTS)
    documents["texts/sales/brief.md"] = SHIPPED.read_text(encoding="utf-8")
    return new_world(documents)


def brief(world: World) -> tuple[dict, str]:
    with world.database.read() as connection:
        return build_brief(connection, 1, world.context.compiled(), world.context.settings, world.now)


def test_the_brief_has_who_why_now_score_timeline_content_mails_consent_and_next_step(world):
    world.lead("ada", company="Example Ltd", job_title="Head of Operations", phone="+4520123456")
    world.lead("bo", company="Example Ltd", job_title="Purchaser")
    world.happens("ada", "content.white_paper_downloaded", title="Calibration without standstill")
    world.days(1)
    key = world.rows("messages")[-1]["key"]
    world.happens("ada", "email.clicked", world.now + timedelta(minutes=4), message_key=key)
    world.happens("ada", "demo.requested", topic="calibration")
    world.days(1)
    facts, text = brief(world)
    assert text.startswith("# Ada, Example Ltd")
    for said in (
        "Head of Operations",
        "+4520123456",
        "demo.requested: calibration, 2026-03-03",
        "Calibration without standstill",
        "Hello Ada (sent, email.clicked)",
        "| 50 | demo.requested | 1 |",
        "**nurture**: granted, consent",
        "- Bo, Purchaser: lead",
    ):
        assert said in text
    assert facts["score"]["total"] == 65
    assert facts["lead"]["email"] == "ada@example.com"
    assert facts["next_step"]


def test_the_facts_are_plain_json_with_instants_in_utc(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run()
    facts, _ = brief(world)
    again = orjson.loads(orjson.dumps(facts))
    assert again == facts
    assert datetime.fromisoformat(facts["task"]["opened_at"]) == world.now.astimezone(UTC)


def test_times_in_the_brief_are_those_of_the_project(world):
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run()
    assert "opened 2026-03-02 10:00 CET" in brief(world)[1]


def test_nothing_that_a_lead_types_becomes_markup(world):
    world.lead("ada", company="[click](https://evil.example)<script>", job_title="| a | b |\n# Boss")
    world.happens("ada", "demo.requested", topic="**now** <img src=x>")
    world.run()
    text = brief(world)[1]
    assert "<script>" not in text
    assert "<img" not in text
    assert "[click](" not in text
    assert "\n# Boss" not in text


def test_a_workspace_without_a_brief_of_its_own_still_tells_sales(new_world):
    documents = deepcopy(DOCUMENTS)
    del documents["texts/sales/brief.md"]
    world = new_world(documents)
    world.lead("ada")
    world.happens("ada", "demo.requested")
    world.run()
    assert "Ada" in brief(world)[1]


def test_a_colleague_who_qualifies_too_stands_first_among_the_colleagues(world):
    for name in ("ada", "bo", "cy"):
        world.lead(name, company="Example Ltd")
    world.happens("cy", "content.white_paper_downloaded")
    world.happens("ada", "demo.requested")
    world.run()
    world.now += timedelta(minutes=10)
    world.happens("bo", "demo.requested")
    world.run("follow-up")
    assert [each["name"] for each in brief(world)[0]["colleagues"]] == ["Bo", "Cy"]


def test_a_task_that_does_not_exist(world):
    with pytest.raises(BadInput, match="no sales task 1"):
        brief(world)
