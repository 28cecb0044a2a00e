"""The folder of `.eml` files."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.email import EmlFolder, Verdict
from nurture.errors import TransportDown
from tests.connectors.email.mails import sample_mail


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


@pytest.mark.parametrize("fsync", [False, True])
def test_a_message_appears_whole_and_only_with_its_commit(tmp_path: Path, fsync: bool):
    mail = sample_mail("aa")
    with EmlFolder(tmp_path / "new" / "outbox", fsync=fsync).open() as session:
        session.stage(mail)
        assert visible(tmp_path / "new" / "outbox") == []
        receipt = session.commit()
    placed = tmp_path / "new" / "outbox" / "aa.eml"
    assert (receipt.verdict, receipt.provider_id) == (Verdict.ACCEPTED, "aa.eml")
    assert placed.read_bytes() == mail.raw
    assert placed.stat().st_mode & 0o777 == 0o600
    assert list(placed.parent.iterdir()) == [placed]


def test_a_message_that_is_sent_again_is_accepted_and_stays_one_file(tmp_path: Path):
    for body in (b"first\r\n", b"second\r\n"):
        with EmlFolder(tmp_path).open() as session:
            session.stage(sample_mail("aa", body=body))
            assert session.commit().verdict is Verdict.ACCEPTED
    assert [path.name for path in tmp_path.iterdir()] == ["aa.eml"]
    assert b"first" in (tmp_path / "aa.eml").read_bytes()


def test_two_writers_of_one_message_leave_one_whole_file(tmp_path: Path):
    with EmlFolder(tmp_path).open() as late, EmlFolder(tmp_path).open() as successor:
        late.stage(sample_mail("aa", body=b"late\r\n"))
        successor.stage(sample_mail("aa", body=b"successor\r\n"))
        assert late.commit().verdict is Verdict.ACCEPTED
        assert successor.commit().verdict is Verdict.ACCEPTED
    assert [path.name for path in tmp_path.iterdir()] == ["aa.eml"]


def test_a_folder_that_cannot_be_one_stops_the_transport(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(TransportDown, match="`folder`"):
        EmlFolder(tmp_path / "file").open()


def test_a_folder_that_went_away_stops_the_transport(tmp_path: Path):
    with EmlFolder(tmp_path / "outbox").open() as session:
        (tmp_path / "outbox").rmdir()
        with pytest.raises(TransportDown, match="`folder`"):
            session.stage(sample_mail("aa"))


def test_a_prepared_file_that_went_away_is_safe_to_repeat(tmp_path: Path):
    with EmlFolder(tmp_path).open() as session:
        session.stage(sample_mail("aa"))
        for path in tmp_path.iterdir():
            path.unlink()
        assert session.commit().verdict is Verdict.RETRY
        session.stage(sample_mail("aa"))
        assert session.commit().verdict is Verdict.ACCEPTED
