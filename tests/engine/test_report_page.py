"""The report's page: one file that needs nothing else and gives nothing away."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser

import pytest

from nurture.errors import BadInput
from tasks.report_charts import round_up
from tasks.report_data import gather
from tasks.report_page import render, write_report
from tasks.report_remarks import remarks
from tests.world import World


@pytest.fixture
def lived(world: World) -> World:
    """A few days with every kind of figure."""
    for place, kind in enumerate(["content.white_paper_downloaded", "demo.requested", "deal.won", "webinar.attended"]):
        world.lead(f"lead{place}", consent=place != 0, source="trade show", ads=True)
        world.happens(f"lead{place}", kind)
    world.days(2)
    world.happens("lead1", "sales.rejected", reason="too_early")
    world.days(3)
    return world


def page(world: World) -> str:
    return render(gather(world.database, world.now), world.context.settings.project)


class Tags(HTMLParser):
    """The tags of a page that are open at its end, and every address that it names."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "action") and value]
        if tag not in ("meta", "link", "br", "img", "input", "hr"):
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.tags.add(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_one_file_that_loads_nothing_and_runs_nothing(lived):
    text = page(lived)
    tags = Tags()
    tags.feed(text)
    assert tags.open == []
    assert tags.addresses == []
    assert not tags.tags & {"script", "img", "link", "iframe", "form"}
    assert "url(" not in text
    assert "@import" not in text


def test_every_drawing_is_sound(lived):
    drawings = re.findall(r"<svg.*?</svg>", page(lived), re.DOTALL)
    assert len(drawings) > 10
    for each in drawings:
        root = ElementTree.fromstring(each)  # noqa: S314 - our own drawing
        numbers = [
            float(found)
            for element in root.iter()
            for key in ("x", "y", "width", "height")
            for found in re.findall(r"-?[\d.]+|nan|inf", element.get(key, ""))
        ]
        assert all(number == number and abs(number) < 10_000 for number in numbers)
        assert all(float(element.get("width", 0)) >= 0 for element in root.iter("rect"))


def test_a_source_with_markup_in_its_name_is_shown_and_not_obeyed(world):
    world.lead("ada", source='<script>alert("x")</script>')
    world.run()
    text = page(world)
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_no_personal_data_is_on_the_page(world):
    world.lead("zweifelhaft", company="Zweifel Werke", job_title="Zweifler", phone="+4520123456")
    world.happens("zweifelhaft", "demo.requested", question="zweifel")
    world.days(1)
    text = page(world).lower()
    assert "zweif" not in text
    assert "20123456" not in text


def test_an_empty_database_has_a_page_too(world):
    text = page(world)
    assert "There is not enough to say anything yet." in text
    assert "Pipeline over time" not in text


def test_the_page_is_written_whole_over_the_last_one(lived, tmp_path):
    path = tmp_path / "report.html"
    path.write_text("old")
    write_report(lived.database, path, lived.now, lived.context.settings.project)
    assert path.read_text(encoding="utf-8").rstrip().endswith("</html>")
    assert [each.name for each in tmp_path.glob("*report*")] == ["report.html"]


def test_a_folder_that_does_not_exist_is_named(lived, tmp_path):
    with pytest.raises(BadInput, match=r"cannot be written to .*no-such"):
        write_report(lived.database, tmp_path / "no-such" / "report.html", lived.now, lived.context.settings.project)


def test_a_remark_needs_enough_to_go_by(lived):
    assert [each for each in remarks(gather(lived.database, lived.now)) if "clicked least" in each] == []


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 1), (0.4, 1), (7, 8), (10, 10), (11, 15), (99, 100), (101, 150), (4200, 5000)]
)
def test_an_axis_ends_at_a_round_number_above_everything(highest, top):
    assert round_up(highest) == top
