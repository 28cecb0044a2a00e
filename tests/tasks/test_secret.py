"""A database knows the secret that it has lived with: with another one it would not know again who is suppressed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cli.main import run
from nurture.errors import BadSetting
from tasks.settings import Settings
from tasks.workspace import open_database


def settings(url: str, home: Path, secret: str | None = None) -> Settings:
    return Settings(home=home, database_url=url, secret=secret)


def test_the_first_secret_is_the_databases_own_and_no_other_opens_it(database_url, tmp_path):
    for _ in range(2):
        open_database(settings(database_url, tmp_path, "the first secret of this business")).dispose()
    with pytest.raises(BadSetting, match="RIPEN_SECRET is not the secret that this database has lived with"):
        open_database(settings(database_url, tmp_path, "another secret of this business"))
    with pytest.raises(BadSetting, match=r"\.ripen-secret is not the secret"):
        open_database(settings(database_url, tmp_path))
    open_database(settings(database_url, tmp_path, "the first secret of this business")).dispose()


def test_a_mistake_is_told_in_a_line_and_nothing_is_touched(tmp_path, capsys, monkeypatch):
    home = str(tmp_path / "business")
    assert run(["init", home]) == 0
    assert run(["messages", "--home", home]) == 0
    monkeypatch.setenv("RIPEN_SECRET", "a secret that somebody set later")
    capsys.readouterr()
    assert run(["messages", "--home", home]) == 2
    said = capsys.readouterr().err
    assert "put the old one back" in said
    assert "a secret that somebody set later" not in said
    assert "Traceback" not in said
    assert run(["doctor", "--home", home, "--json"]) == 1
    checks = {each["name"]: each for each in json.loads(capsys.readouterr().out)["checks"]}
    assert not checks["database"]["ok"]
    monkeypatch.delenv("RIPEN_SECRET")
    assert run(["messages", "--home", home]) == 0
