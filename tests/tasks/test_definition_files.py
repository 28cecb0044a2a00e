"""A templates folder is read as text, and whatever cannot be read is named."""

from __future__ import annotations

import os

import pytest

from nurture.errors import BadInput
from tasks.definition_files import load_tree


def test_texts_come_by_their_path_in_the_folder(tmp_path):
    (tmp_path / "emails" / "hello" / "da").mkdir(parents=True)
    (tmp_path / "scoring.yaml").write_text("rules: []\n", encoding="utf-8")
    (tmp_path / "emails" / "hello" / "da" / "subject.txt").write_bytes("Kære æøå\r\n".encode())

    assert load_tree(tmp_path) == {"emails/hello/da/subject.txt": "Kære æøå\n", "scoring.yaml": "rules: []\n"}


def test_mjml_and_the_shared_files_of_the_emails_are_texts_too(tmp_path):
    (tmp_path / "emails" / "_partials").mkdir(parents=True)
    (tmp_path / "emails" / "_partials" / "offer.mjml").write_text("<mj-text>æ</mj-text>\n", encoding="utf-8")
    (tmp_path / "emails" / "_layout.mjml").write_text("<mjml></mjml>\n", encoding="utf-8")

    assert load_tree(tmp_path) == {
        "emails/_layout.mjml": "<mjml></mjml>\n",
        "emails/_partials/offer.mjml": "<mj-text>æ</mj-text>\n",
    }


@pytest.mark.parametrize(
    "name", [".git/config.yaml", ".hidden.yaml", "scoring.yaml~", "scoring.yaml.bak", ".scoring.yaml.swp"]
)
def test_hidden_files_and_backups_are_passed_over(tmp_path, name):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("x")

    assert load_tree(tmp_path) == {}


def test_a_file_of_another_kind_is_there_without_its_content(tmp_path):
    (tmp_path / "logo.png").write_bytes(b"\x89PNG\x00")

    assert load_tree(tmp_path) == {"logo.png": ""}


def test_a_missing_folder_says_how_to_make_one(tmp_path):
    with pytest.raises(BadInput, match="ripen init"):
        load_tree(tmp_path / "templates")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("a: b\n".encode("utf-16"), "scoring.yaml: written in UTF-16; save it as UTF-8"),
        ("a: b\nc: ærlig\n".encode("latin-1"), "scoring.yaml: line 2 is not UTF-8; save the file as UTF-8"),
        (b"# " + b"x" * 300_000, "scoring.yaml: larger than 256 KB; split it, or move it elsewhere"),
    ],
)
def test_a_file_that_is_no_text_of_ours_is_named_with_a_remedy(tmp_path, content, said):
    (tmp_path / "scoring.yaml").write_bytes(content)

    with pytest.raises(BadInput, match=said):
        load_tree(tmp_path)


def test_every_bad_file_is_named_at_once(tmp_path):
    (tmp_path / "a.yaml").write_bytes(b"\xff")
    (tmp_path / "b.yaml").write_bytes(b"\xff\xfea")

    with pytest.raises(BadInput) as refused:
        load_tree(tmp_path)

    assert "a.yaml: line 1" in str(refused.value)
    assert "b.yaml: written in UTF-16" in str(refused.value)


def test_links_that_lead_out_of_the_folder_are_refused(tmp_path):
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.yaml").write_text("password: x")
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "scoring.yaml").symlink_to(outside / "secret.yaml")
    (folder / "sequences").symlink_to(outside)
    (folder / "gone.yaml").symlink_to(folder / "nowhere.yaml")

    with pytest.raises(BadInput) as refused:
        load_tree(folder)

    assert "scoring.yaml: the link leads out of the folder" in str(refused.value)
    assert "sequences: a link to a folder" in str(refused.value)
    assert "gone.yaml: not a file" in str(refused.value)
    assert "password" not in str(refused.value)


def test_a_link_inside_the_folder_is_read(tmp_path):
    (tmp_path / "scoring.yaml").write_text("rules: []\n")
    (tmp_path / "events.yaml").symlink_to(tmp_path / "scoring.yaml")

    assert load_tree(tmp_path)["events.yaml"] == "rules: []\n"


def test_a_folder_can_itself_be_reached_by_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "scoring.yaml").write_text("rules: []\n")
    (tmp_path / "templates").symlink_to(tmp_path / "real")

    assert load_tree(tmp_path / "templates") == {"scoring.yaml": "rules: []\n"}


def test_a_pipe_does_not_make_the_reader_wait(tmp_path):
    os.mkfifo(tmp_path / "scoring.yaml")

    with pytest.raises(BadInput, match=r"scoring\.yaml: not a file"):
        load_tree(tmp_path)


def test_a_name_that_is_no_text_can_still_be_shown(tmp_path):
    try:
        (tmp_path / os.fsdecode(b"sc\xffring.yaml")).write_text("rules: []\n")
    except OSError:
        pytest.skip("this file system takes only names in UTF-8")

    assert list(load_tree(tmp_path)) == ["sc\ufffdring.yaml"]


def test_the_wrong_folder_is_noticed_before_all_of_it_is_read(tmp_path):
    for number in range(2_001):
        (tmp_path / f"{number}.md").write_text("")

    with pytest.raises(BadInput, match="is it the right folder"):
        load_tree(tmp_path)
