"""`ripen doctor` on mail files and on a domain behind a real name server: exit codes, tables and JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.main import run
from tests.connectors.name_server import NameServer, name_server
from tests.nurture.deliverability.letters import ZONE, good


@pytest.fixture
def server() -> Iterator[NameServer]:
    with name_server(ZONE) as made:
        yield made


@pytest.fixture
def mail(tmp_path: Path) -> Path:
    file = tmp_path / "mail.eml"
    file.write_bytes(good())
    return file


@pytest.fixture
def home(tmp_path: Path) -> Path:
    folder = tmp_path / "business"
    assert run(["init", str(folder)]) == 0
    return folder


def told(capsys, *arguments: str) -> tuple[int, dict[str, dict[str, object]]]:
    capsys.readouterr()
    code = run(["doctor", "--json", *arguments])
    out = capsys.readouterr().out
    return code, {each["name"]: each for each in json.loads(out)["checks"]} if out else {}


def test_the_workspace_alone_is_looked_at_as_before(home, capsys):
    assert run(["db", "upgrade", "--home", str(home)]) == 0
    code, checks = told(capsys, "--home", str(home))
    assert (code, {each["ok"] for each in checks.values()}) == (0, {True})
    assert set(checks["settings"]) == {"name", "ok", "remedy"}


def test_a_good_mail_is_exit_code_0(mail, tmp_path, capsys):
    code, checks = told(capsys, "--message", str(mail), "--strict", "--home", str(tmp_path))
    assert code == 0
    assert all(each["ok"] for each in checks.values())
    assert set(checks["from"]) == {"name", "ok", "severity", "found", "remedy"}
    assert "dkim-verifies" not in checks, "nothing is asked of DNS by itself"


def test_what_must_be_mended_is_exit_code_1_with_its_remedy(mail, tmp_path, capsys):
    mail.write_bytes(
        good().replace(b"List-Unsubscribe-Post", b"X-Other", 1).replace(b"\r\nList-Unsubscribe-Post", b"\r\nX")
    )
    code, checks = told(capsys, "--message", str(mail), "--home", str(tmp_path))
    assert code == 1
    assert not checks["one-click"]["ok"]
    assert "List-Unsubscribe=One-Click" in str(checks["one-click"]["remedy"])
    run(["doctor", "--message", str(mail), "--home", str(tmp_path)])
    shown = capsys.readouterr().out
    assert "one-click" in shown
    assert "MEND" in shown


def test_what_should_be_counts_only_when_strict(mail, tmp_path, capsys):
    unsigned = good()[good().index(b"From: ") :]
    mail.write_bytes(unsigned)
    assert told(capsys, "--message", str(mail), "--home", str(tmp_path))[0] == 0
    code, checks = told(capsys, "--message", str(mail), "--strict", "--home", str(tmp_path))
    assert (code, checks["dkim-signature"]["ok"], checks["dkim-signature"]["severity"]) == (1, False, "should")


def test_the_postal_address_is_the_one_of_the_workspace(mail, home, capsys):
    assert told(capsys, "--message", str(mail), "--home", str(home))[1]["postal-address"]["ok"]
    settings = (home / "ripen.toml").read_text()
    (home / "ripen.toml").write_text(settings.replace("1 Example Street", "2 Another Street"))
    code, checks = told(capsys, "--message", str(mail), "--home", str(home))
    assert (code, checks["postal-address"]["ok"]) == (1, False)


def test_a_good_domain_is_exit_code_0(server, capsys):
    code, checks = told(capsys, "--dns", "example.com", "--selector", "s1", "--nameserver", server.address, "--strict")
    assert code == 0
    assert checks["dkim-key-strong"]["found"] == "2048 bits"
    assert ("example.com", "MX") in server.asked


def test_a_bad_domain_is_exit_code_1_with_the_record_to_publish(server, capsys):
    del server.zone["_dmarc.example.com", "TXT"]
    code, checks = told(capsys, "--dns", "example.com", "--nameserver", server.address)
    assert code == 1
    assert '_dmarc.example.com. TXT "v=DMARC1; p=none;' in str(checks["dmarc"]["remedy"])
    assert not checks["dkim-selector"]["ok"], "no selector is named: good to know"


def test_a_mail_and_its_domain_together_verify_the_signature_by_the_selector_in_it(mail, server, tmp_path, capsys):
    arguments = [
        "--message",
        str(mail),
        "--dns",
        "example.com",
        "--nameserver",
        server.address,
        "--home",
        str(tmp_path),
    ]
    code, checks = told(capsys, *arguments)
    assert code == 0
    assert checks["dkim-verifies"]["ok"]
    assert checks["dkim-key"]["ok"]
    mail.write_bytes(good().replace(b"yearly", b"daily"))
    code, checks = told(capsys, *arguments)
    assert (code, checks["dkim-verifies"]["ok"]) == (1, False)


def test_dns_that_does_not_answer_is_exit_code_3(server, capsys):
    server.mode = "fail"
    assert run(["doctor", "--dns", "example.com", "--nameserver", server.address]) == 3
    assert "DNS does not answer" in capsys.readouterr().err


def test_what_cannot_be_looked_at_is_exit_code_2(tmp_path, server, capsys):
    (tmp_path / "note.txt").write_text("just a note")
    mistakes = {
        ("--message", str(tmp_path / "gone.eml")): "there is no file",
        ("--message", str(tmp_path / "note.txt")): "not a mail",
        ("--message", str(tmp_path)): "cannot be read",
        ("--dns", "not a domain", "--nameserver", server.address): "no domain",
        ("--dns", "example.com", "--nameserver", "dns.example.com"): "IP address",
        ("--dns", "example.com", "--selector", "a b", "--nameserver", server.address): "selector",
        ("--selector", "s1"): "go with --dns",
        ("--transactional",): "go with --message",
    }
    for arguments, words in mistakes.items():
        assert run(["doctor", *arguments]) == 2, arguments
        assert words in capsys.readouterr().err


def test_a_mail_as_a_new_workspace_sends_it_keeps_every_rule_that_must_be_kept(home, monkeypatch, capsys):
    monkeypatch.setenv("RIPEN_WEB__BASE_URL", "https://mail.example.com")
    at = ["--home", str(home)]
    leads, events = str(home / "samples" / "leads.csv"), str(home / "samples" / "events.csv")
    assert (
        run(["import", "leads", leads, "--mapping", "signup_list", "--enroll", "--now", "2026-01-05T08:00", *at]) == 0
    )
    assert run(["import", "events", events, "--enroll", "--now", "2026-01-05T11:00", *at]) == 0
    assert run(["run", "daily-sync", "--now", "2026-01-05T12:00", *at]) == 0
    sent = sorted((home / "outbox").glob("*.eml"))
    assert sent
    for file in sent:
        code, checks = told(capsys, "--message", str(file), *at)
        assert (code, [name for name, each in checks.items() if not each["ok"]]) == (0, ["dkim-signature"])
