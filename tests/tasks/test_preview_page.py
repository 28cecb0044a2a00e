"""The page of a preview: one file, nothing loaded, nothing run, and whatever a lead is called stays text."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tasks.preview import preview_all, preview_locales
from tasks.preview_page import list_page, preview_page
from tests.databases import SqliteDatabases
from tests.journeys.life import TEMPLATES, shipped
from tests.world import World

HOSTILE = [
    '<img src=x onerror="alert(1)">',
    "</iframe><script>alert(1)</script>",
    '" onload="alert(1)" x=\'',
    "</style><svg/onload=alert(1)>",
    "&quot;&gt;&lt;script&gt;",
]
LOADING = frozenset({"src", "data", "poster", "srcset", "background", "action", "formaction", "xlink:href"})


class Elements(HTMLParser):
    """Every element of a page, those of the pages in its frames included, and the text of each page."""

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.all: list[tuple[str, dict[str, str | None]]] = []
        self.frames: list[Elements] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.all.append((tag, dict(attrs)))
        if tag == "iframe":
            self.frames.append(Elements(dict(attrs)["srcdoc"]))

    def handle_data(self, data):
        self.text += data

    def every(self) -> list[tuple[str, dict[str, str | None]]]:
        return [*self.all, *(each for frame in self.frames for each in frame.every())]


@pytest.fixture(scope="module")
def world(sqlite_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    home = tmp_path_factory.mktemp("home")
    shutil.copytree(TEMPLATES, home / "templates")
    made = World(SqliteDatabases(sqlite_folder).migrated(), home, shipped())
    made.context.settings.project.postal_address = "Example Works, 1 Example Street"
    for number, name in enumerate(HOSTILE):
        made.lead(f"h{number}", first_name=name, company=name, city=name)
    made.lead("plain", first_name="Ada", company="Example Works", city="Aarhus")
    yield made
    made.close()


def page_of(world: World, email: str = "wp-consultation-offer", **asked) -> str:
    previews = preview_locales(world.context, email, now=world.now, **asked)
    return preview_page(previews, world.context.settings.project, world.now)


def assert_closed(page: str) -> Elements:
    """Nothing runs, nothing is loaded."""
    found = Elements(page)
    for tag, attributes in found.every():
        assert tag not in ("script", "link", "object", "embed", "base", "svg", "img", "form")
        assert not [name for name in attributes if name.startswith("on") or name in LOADING]
        if tag == "a":
            assert attributes.get("href", "").startswith(("#", "https://", "http://", "mailto:"))
    assert not re.search(r"@import|url\(", page)
    return found


def test_the_page_is_one_file_that_loads_and_runs_nothing(world):
    for email in ("wp-thanks", "wp-consultation-offer"):
        found = assert_closed(page_of(world, email))
        [policy] = [each["content"] for tag, each in found.all if each.get("http-equiv") == "Content-Security-Policy"]
        assert policy.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
        assert "form-action 'none'" in policy


def test_the_mail_is_in_closed_frames_for_each_width_scheme_and_language(world):
    found = Elements(page_of(world, "wp-thanks"))
    frames = [attributes for tag, attributes in found.all if tag == "iframe"]
    assert [(each["sandbox"], each["width"]) for each in frames] == [("", "700"), ("", "360")] * 4
    assert [each["title"] for each in frames[:4]] == ["Desktop, light", "Phone, light", "Desktop, dark", "Phone, dark"]
    light, dark = frames[0]["srcdoc"], frames[2]["srcdoc"]
    assert "@media (max-width: 0px)" in light
    assert "@media (min-width: 0px)" in dark
    assert "color-scheme: only dark" in dark
    assert "Hi Ada" in found.frames[0].text
    assert "Hej Ada" in found.frames[4].text
    assert [each["id"] for tag, each in found.all if each.get("name") == "locale"] == ["locale-0", "locale-1"]


@pytest.mark.parametrize("number", range(len(HOSTILE)), ids=["image", "frame", "quotes", "style", "entities"])
def test_whatever_a_lead_is_called_stays_text(world, number):
    page = page_of(world, lead=f"h{number}@example.com")
    found = assert_closed(page)
    assert HOSTILE[number] in found.text, "in the inbox line, the headers and the plain text"
    for frame in found.frames:
        assert HOSTILE[number] in frame.text
    plain = Elements(page_of(world, lead="plain@example.com"))
    known = {(tag, *sorted(attributes)) for tag, attributes in plain.every()}
    assert {(tag, *sorted(attributes)) for tag, attributes in found.every()} == known


def test_the_page_tells_what_is_in_the_facts(world):
    world.lead("ada")
    page = Elements(page_of(world, "wp-thanks", lead="ada@example.com")).text
    for said in (
        "Your guide: where to start reading",
        "Three places to begin",
        "This lead may get it now",
        "its entry condition does not hold",
        "List-Unsubscribe-Post",
        "Start reading",
        "our page",
        "102.0\N{NO-BREAK SPACE}KB",
        "ripen.toml",
    ):
        assert said in page


def test_a_lead_who_would_not_get_it_is_told_so_on_top(world):
    world.lead("cy", consent=False)
    page = Elements(page_of(world, lead="cy@example.com")).text
    assert "This lead would not get it now" in page
    assert "Nobody has granted this topic" in page


def test_what_cannot_be_rendered_has_a_page_of_its_problems(world):
    head = world.context.settings.templates / "emails/wp-check-in/email.yaml"
    before = head.read_text()
    head.write_text(f"{before}needs: [lead.job_title]\n")
    world.lead("dee")
    page = page_of(world, "wp-check-in", lead="dee@example.com")
    head.write_text(before)
    assert_closed(page)
    assert "<iframe" not in page
    assert "This lead has no lead.job_title" in page


def test_the_list_names_every_e_mail_and_leads_on(world):
    page = list_page(preview_all(world.context, world.now), world.context.settings.project, world.now)
    links = [each["href"] for tag, each in Elements(page).all if tag == "a"]
    names = sorted(path.parent.name for path in (TEMPLATES / "emails").glob("*/email.yaml"))
    assert links == ["/", *(f"/preview/{name}" for name in names)]
    assert "remark" not in page, "what is the same for all is not said of each"


def test_the_time_in_the_inbox_is_the_project_s(world):
    assert (world.now + timedelta(hours=1)).strftime("%H:%M") in Elements(page_of(world)).text
