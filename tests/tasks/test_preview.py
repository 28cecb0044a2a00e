"""A preview: the message as production would build it, everything that is wrong with it, and who would get it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from db import tables
from nurture.errors import BadInput, DefinitionError, UnknownLead
from tasks.preview import preview_all, preview_email, preview_locales
from tasks.settings import TrackingSettings
from tests.databases import SqliteDatabases
from tests.journeys.life import TEMPLATES, shipped
from tests.twins import NewWorld, Originals
from tests.world import World

EMAILS = sorted(path.name for path in (TEMPLATES / "emails").iterdir() if (path / "email.yaml").is_file())


def shipped_world(new_world: NewWorld) -> World:
    """A business with the shipped definitions."""
    world = new_world(shipped())
    world.context.settings.project.postal_address = "Example Works, 1 Example Street"
    return world


@pytest.fixture
def world(twin, tmp_path: Path) -> World:
    """On each database, with the definitions in its working tree."""
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    return twin(shipped_world)


@pytest.fixture
def tree(originals: Originals, sqlite_folder: Path, tmp_path: Path) -> Iterator[World]:
    """On SQLite, for what is about the files."""
    shutil.copytree(TEMPLATES, tmp_path / "templates")
    made = originals.twin(shipped_world, SqliteDatabases(sqlite_folder), tmp_path)
    yield made
    made.close()


@pytest.fixture(scope="module")
def shared(originals: Originals, sqlite_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One for all tests that only look."""
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(TEMPLATES, home / "templates")
    made = originals.twin(shipped_world, SqliteDatabases(sqlite_folder), home)
    yield made
    made.close()


def shown(world: World, email: str = "wp-thanks", **asked):
    return preview_email(world.context, email, now=world.now, **asked).facts


def codes(facts) -> dict[str, str]:
    return {each["code"]: each["severity"] for each in facts["problems"]}


def write(world: World, file: str, text: str) -> None:
    (world.context.settings.templates / "emails" / file).write_text(text)


def everything(world: World):
    return {table: world.rows(table) for table in tables.metadata.tables}


@pytest.mark.parametrize("email", EMAILS)
def test_every_shipped_e_mail_is_fit_to_be_sent_in_every_language(shared, email):
    previews = preview_locales(shared.context, email, now=shared.now)
    assert {each.facts["locale"] for each in previews} == {"en", "da"}
    for each in previews:
        assert codes(each.facts) == {"web-base-url": "warning"}, "the door of a new workspace is on loopback"
        assert all((each.facts["subject"], each.facts["text"], each.facts["html"], each.design))


def test_a_preview_says_what_a_mail_program_would_show(shared):
    facts = shown(shared)
    assert facts["subject"] == "Your guide: where to start reading"
    assert facts["preheader"].startswith("Three places to begin")
    assert facts["to"] == "Ada Example <ada@example.com>"
    headers = {each["name"]: each["value"] for each in facts["headers"]}
    assert headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert headers["Subject"] == facts["subject"]
    assert headers["Feedback-ID"] == "white-paper-nurture:thanks:nurture:ripen"
    assert facts["size"] == len(facts["html"].encode()) < facts["message_size"]
    assert (facts["locale"], facts["locales"], facts["lead"], facts["reach"]) == ("en", ["en", "da"], None, None)


def test_it_is_tracked_as_it_would_be_and_its_links_are_told_with_their_goals(shared):
    facts = shown(shared)
    links = {each["text"]: each for each in facts["links"]}
    assert links["Start reading"] == {
        "text": "Start reading",
        "goal": shared.context.settings.project.url,
        "counted": True,
        "ours": False,
    }
    assert (links["Unsubscribe"]["ours"], links["Unsubscribe"]["counted"]) == (True, False)
    assert f'href="{links["Start reading"]["goal"]}"' not in facts["html"], "it leads by the door"
    assert f"{shared.context.settings.web.base_url}/c/" in facts["html"]


def test_without_counting_the_links_lead_straight_on(shared):
    before, shared.context.settings.tracking = shared.context.settings.tracking, TrackingSettings(clicks=False)
    facts = shown(shared)
    shared.context.settings.tracking = before
    assert not any(each["counted"] for each in facts["links"])
    assert "/c/" not in facts["html"]


def test_whoever_does_not_want_to_be_measured_is_not(world):
    world.lead("ada")
    assert any(each["counted"] for each in shown(world, lead="ada@example.com")["links"])
    world.store_consent("ada", "measuring", "withdrawn")
    assert not any(each["counted"] for each in shown(world, lead="ada@example.com")["links"])


def test_nothing_is_stored_by_looking(world):
    world.lead("ada")
    world.run()
    before = everything(world)
    preview_locales(world.context, "wp-thanks", now=world.now, lead="ada@example.com")
    preview_all(world.context, world.now)
    assert everything(world) == before


def test_a_lead_reads_its_own_name_in_its_own_language(world):
    world.lead("bo", language="da")
    facts = shown(world, lead="bo@example.com")
    assert (facts["locale"], facts["to"], facts["lead"]) == ("da", "Bo <bo@example.com>", world.lead_id("bo"))
    assert "Hej Bo" in facts["text"]
    assert "Hi Bo" in shown(world, lead="bo@example.com", locale="en")["text"]


def test_a_lead_who_may_get_it_is_told_where_it_stands(world):
    world.lead("ada")
    reach = shown(world, lead="ada@example.com")["reach"]
    assert (reach["allowed"], reach["reason"], reach["earlier"]) == (True, None, [])
    assert [(each["sequence"], each["inside"], each["reason"]) for each in reach["sequences"]] == [
        ("white-paper-nurture", False, "condition")
    ]


@pytest.mark.parametrize(
    ("deed", "reason"),
    [
        (lambda world: world.store_consent("ada", "nurture", "withdrawn"), "unsubscribed"),
        (lambda world: world.happens("ada", "email.complained"), "suppressed"),
        (lambda world: world.happens("ada", "demo.requested"), "in-sales-hands"),
        (lambda world: world.happens("ada", "deal.won"), "customer"),
        (lambda world: None, "no-consent"),
    ],
    ids=["withdrawn", "complaint", "with sales", "customer", "nobody asked"],
)
def test_a_lead_who_may_not_get_it_is_told_why_as_at_the_hand_over(world, deed, reason):
    world.lead("ada", consent=reason != "no-consent")
    deed(world)
    world.run()
    facts = shown(world, lead="ada@example.com")
    assert (facts["reach"]["allowed"], facts["reach"]["reason"]) == (False, reason)
    assert facts["subject"], "the e-mail itself is as good as before"
    assert not any(each["severity"] == "error" for each in facts["problems"])


def test_who_has_had_enough_mails_is_told_until_when_and_what_it_has_got(world):
    world.lead("ada")
    world.happens("ada", "content.white_paper_downloaded")
    world.run()
    assert world.received("ada") == ["wp-thanks"]
    reach = shown(world, lead="ada@example.com")["reach"]
    assert (reach["reason"], reach["until"] > world.now) == ("frequency-cap", True)
    assert [(each["status"], each["sequence"]) for each in reach["earlier"]] == [("accepted", "white-paper-nurture")]
    assert reach["sequences"][0]["inside"]
    world.now += timedelta(days=10)
    assert shown(world, lead="ada@example.com")["reach"]["reason"] != "frequency-cap"


def test_a_lead_without_an_address_is_shown_the_mail_that_it_cannot_get(world):
    world.lead("ada")
    with world.database.write() as connection:
        connection.execute(tables.leads.update().values(email=None, email_hash=None))
    facts = shown(world, lead=str(1))
    assert (facts["to"], facts["reach"]["reason"]) == ("", "no-address")
    assert facts["html"]


def test_a_missing_field_is_an_error_that_names_it(world):
    world.lead("ada")
    write(world, "wp-thanks/email.yaml", "topic: nurture\nneeds: [lead.city]\n")
    facts = shown(world, lead="ada@example.com")
    [problem] = [each for each in facts["problems"] if each["severity"] == "error"]
    assert (problem["code"], problem["field"]) == ("missing-field", "lead.city")
    assert 'default("...")' in problem["remedy"]
    assert (facts["subject"], facts["html"]) == ("", "")
    assert shown(world)["subject"], "the made-up reader has a city"


def test_what_the_check_says_is_told_with_file_line_and_remedy(tree):
    write(tree, "wp-thanks/subject.txt", "Hello {{ lead.frist_name }}\n")
    facts = shown(tree)
    [problem] = [each for each in facts["problems"] if each["code"] == "unknown-field"]
    assert (problem["severity"], problem["file"], problem["line"]) == (
        "error",
        "templates/emails/wp-thanks/subject.txt",
        1,
    )
    assert "first_name" in problem["remedy"]
    assert facts["html"] == ""
    previews = preview_locales(tree.context, "wp-thanks", now=tree.now)
    assert [each.facts["locale"] for each in previews] == ["en", "da"]
    assert codes(shown(tree, "wp-check-in")) == {"web-base-url": "warning"}, "others are as they were"
    assert {each.facts["email"] for each in preview_all(tree.context, tree.now) if each.has_errors} == {"wp-thanks"}


def test_an_e_mail_whose_folder_cannot_be_read_is_told_too(tree):
    (tree.context.settings.templates / "emails/wp-thanks/subject.txt").unlink()
    facts = shown(tree)
    assert codes(facts)["email-file-missing"] == "error"
    assert (facts["locales"], facts["locale"]) == ([], None)
    assert "wp-thanks" in {each.facts["email"] for each in preview_all(tree.context, tree.now)}


def test_a_broken_frame_is_told_of_each_e_mail_in_it(tree):
    layout = tree.context.settings.templates / "emails/_layout.html"
    layout.write_text(layout.read_text().replace("{{ project.name }}", "{{ project.nmae }}", 1))
    [problem] = [each for each in shown(tree)["problems"] if each["severity"] == "error"]
    assert problem["file"] == "templates/emails/_layout.html"


def test_what_mailbox_providers_ask_is_asked_of_the_built_message(tree):
    body = tree.context.settings.templates / "emails/wp-thanks/body.html"
    text = body.read_text()
    body.write_text(text.replace("Start reading</a>", 'Start</a> <a href="https://bit.ly/x">www.example.org</a>'))
    found = codes(shown(tree))
    assert found["links-no-shortener"] == "error"
    assert found["links-honest"] == "warning"


def test_a_large_page_is_told_once(tree):
    body = tree.context.settings.templates / "emails/wp-thanks/body.html"
    filler = "".join(f"<p>Paragraph {number} of very many words that nobody reads.</p>\n" for number in range(1_200))
    body.write_text(body.read_text().replace("{% endblock %}", f"{filler}{{% endblock %}}"))
    found = [each["code"] for each in shown(tree)["problems"] if each["code"] in ("html-large", "html-size")]
    assert len(found) == len(set(found)) >= 1


def test_a_door_in_the_open_leaves_nothing_to_say(tree):
    tree.context.settings.web.base_url = "https://mail.example.com"
    assert codes(shown(tree)) == {}


def test_wrong_names_are_refused_with_the_nearest_one(shared):
    with pytest.raises(BadInput, match="did you mean `wp-thanks`"):
        shown(shared, "wp-thank")
    with pytest.raises(UnknownLead):
        shown(shared, lead="nobody@example.com")


def test_errors_of_other_definitions_are_for_the_check(tree):
    (tree.context.settings.templates / "scoring.yaml").write_text("rules: 7\n")
    with pytest.raises(DefinitionError, match="run `ripen check`"):
        shown(tree)
