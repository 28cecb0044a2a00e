"""`ripen check` prints every problem and says by its exit code whether the definitions can be used."""

from __future__ import annotations

import json

import pytest

from cli.check import check
from nurture.errors import BadInput
from tests.nurture.sample_definitions import FILES


@pytest.fixture
def home(tmp_path):
    for path, text in FILES.items():
        place = tmp_path / "templates" / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    return tmp_path


def spoil(home) -> None:
    scoring = home / "templates" / "scoring.yaml"
    scoring.write_text(
        FILES["scoring.yaml"].replace("email.clicked", "email.click").replace("points: 10}", "points: 0}")
    )


def test_clean_definitions_give_one_line_and_zero(home, capsys):
    assert check(home) == 0

    assert capsys.readouterr().out == "7 definitions checked: no errors, no warnings\n"


def test_errors_are_shown_with_their_place_and_give_one(home, capsys):
    spoil(home)

    assert check(home) == 1

    assert capsys.readouterr().out.splitlines() == [
        "templates/scoring.yaml:2:13: error unknown-event: unknown event type `email.click` "
        "(did you mean `email.clicked`?)",
        "templates/scoring.yaml:3:41: warning no-points: this rule gives no points (delete it)",
        "7 definitions checked: 1 error, 1 warning",
    ]


def test_json_is_one_object_and_nothing_else(home, capsys):
    spoil(home)

    assert check(home, json=True) == 1

    shown = json.loads(capsys.readouterr().out)
    assert set(shown) == {"errors", "warnings"}
    [error] = shown["errors"]
    assert set(error) == {"file", "line", "column", "code", "message", "remedy"}
    assert (error["file"], error["line"], error["column"]) == ("templates/scoring.yaml", 2, 13)


def test_a_code_host_gets_its_own_commands(home, capsys):
    spoil(home)

    assert check(home, "github") == 1

    assert [line.split("::")[1] for line in capsys.readouterr().out.splitlines()] == [
        "error file=templates/scoring.yaml,line=2,col=13,title=unknown-event",
        "warning file=templates/scoring.yaml,line=3,col=41,title=no-points",
    ]


def test_warnings_alone_do_not_fail(home, capsys):
    (home / "templates" / "notes.txt").write_text("later\n")

    assert check(home) == 0

    assert "no errors, 1 warning" in capsys.readouterr().out


def test_a_home_without_templates_is_bad_input(tmp_path):
    with pytest.raises(BadInput, match="ripen init"):
        check(tmp_path)
