"""`ripen preview` as people and scripts use it: exit codes, JSON, the terminal, and the page in a file."""

from __future__ import annotations

import json
import os
import re
import stat
from pathlib import Path

import pytest

from cli.main import run
from cli.preview_text import print_preview

LEADS = (
    "email,phone,first_name,last_name,company,job_title,country,language,source,nurture,newsletter,events,ads\n"
    "ada@example.com,,Ada,Holm,,,DK,da,form,yes,no,no,no\n"
    "bo@example.com,,Bo,Lind,,,SE,en,form,no,no,no,no\n"
)


@pytest.fixture
def home(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    folder = tmp_path / "business"
    assert run(["init", str(folder)]) == 0
    (folder / "given.csv").write_text(LEADS)
    words = ("import", "leads", str(folder / "given.csv"), "--mapping", "signup_list", "--now", "2026-01-05T08:00")
    assert run([*words, "--home", str(folder)]) == 0
    capsys.readouterr()
    return folder


def told(capsys, home: Path, *words: str) -> tuple[int, str, str]:
    code = run(["preview", *words, "--home", str(home)])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_json_has_what_scripts_depend_on(home, capsys):
    code, out, _ = told(capsys, home, "wp-thanks", "--json")
    facts = json.loads(out)
    assert code == 0
    assert {"subject", "preheader", "from", "to", "headers", "text", "html", "size", "message_size"} <= set(facts)
    assert {"locale", "locales", "links", "problems", "lead", "reach"} <= set(facts)
    assert set(facts["problems"][0]) == {
        "severity",
        "code",
        "message",
        "remedy",
        "file",
        "line",
        "column",
        "field",
    }
    assert set(facts["links"][0]) == {"text", "goal", "counted", "ours"}


def test_a_lead_s_reach_is_in_the_json(home, capsys):
    code, out, _ = told(capsys, home, "wp-thanks", "--lead", "bo@example.com", "--json")
    reach = json.loads(out)["reach"]
    assert code == 0, "the e-mail is fine; whom it may go to is another matter"
    assert (reach["allowed"], reach["reason"]) == (False, "no-consent")
    assert {"says", "until", "sequences", "earlier"} < set(reach)


def test_people_read_it_in_the_terminal(home, capsys):
    code, out, _ = told(capsys, home, "wp-thanks", "--lead", "ada@example.com")
    assert code == 0
    for said in (
        "wp-thanks  in da of en, da, for lead 1",
        "Subject    Din guide: her kan du begynde",
        "To         Ada Holm <ada@example.com>",
        "Hej Ada,",
        "Begynd at læse",
        "KB of HTML (Gmail cuts off after 102.0 KB)",
        "Lead       may get it now",
        "white-paper-nurture, step thanks:",
        "warning ripen.toml: web-base-url",
    ):
        assert said in out
    text = out.partition("Hej Ada")[2].partition("Links")[0]
    assert max(len(line) for line in text.splitlines() if "http" not in line) <= 80


def test_no_value_of_a_lead_moves_the_cursor_and_no_colour_goes_into_a_file(home, capsys):
    facts = json.loads(told(capsys, home, "wp-thanks", "--json")[1])
    hostile = "\x1b[2J\x9b31mBo\r"
    print_preview({**facts, "subject": hostile, "to": hostile, "text": f"Hi {hostile}\n"})
    out = capsys.readouterr().out
    assert "Bo" in out
    assert not {"\x1b", "\x9b", "\r"} & set(out)


def test_what_has_to_be_mended_is_exit_code_1_with_its_remedy(home, capsys):
    (home / "templates/emails/wp-thanks/email.yaml").write_text("topic: nurture\nneeds: [lead.job_title]\n")
    code, out, _ = told(capsys, home, "wp-thanks", "--lead", "ada@example.com")
    assert code == 1
    assert "error templates/emails/wp-thanks/da/: missing-field" in out
    assert "lead.job_title" in out
    (home / "templates/emails/wp-thanks/subject.txt").write_text("Hi {{ lead.frist_name }}\n")
    code, out, _ = told(capsys, home, "wp-thanks")
    assert code == 1
    assert "error templates/emails/wp-thanks/subject.txt:1: unknown-field" in out


@pytest.mark.parametrize("words", [("wp-thank",), ("wp-thanks", "--lead", "nobody@example.com")])
def test_unknown_names_are_exit_code_2(home, capsys, words):
    code, out, err = told(capsys, home, *words)
    assert (code, out) == (2, "")
    assert "did you mean `wp-thanks`" in err or "no lead has this id" in err


def test_out_writes_one_page_with_all_languages(home, capsys, tmp_path):
    page = tmp_path / "page.html"
    code, out, err = told(capsys, home, "wp-thanks", "--out", str(page), "--json")
    assert (code, err) == (0, f"The page is in {page}\n")
    assert json.loads(out)["email"] == "wp-thanks"
    assert page.read_text(encoding="utf-8").count("<iframe") == 8
    code, _, err = told(capsys, home, "wp-thanks", "--out", str(tmp_path / "nowhere" / "page.html"))
    assert code == 2
    assert "choose another file" in err


def test_open_writes_a_private_file_and_says_where(home, capsys, monkeypatch):
    # What stands in BROWSER is started with the address; here it is a machine without any display.
    monkeypatch.setenv("BROWSER", "true")
    code, _, err = told(capsys, home, "wp-thanks", "--lead", "ada@example.com", "--open")
    [name] = re.findall(r"The page is in (\S+)", err)
    page, mode = Path(name).read_text(encoding="utf-8"), stat.S_IMODE(os.stat(name).st_mode)
    Path(name).unlink()
    assert (code, mode) == (0, 0o600)
    assert "<iframe" in page
