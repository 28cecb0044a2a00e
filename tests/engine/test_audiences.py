"""Audiences: what a platform was told is always taken back."""

from __future__ import annotations

from copy import deepcopy

import pytest

from tests.world import DOCUMENTS

READERS = {"kind": "retargeting", "platforms": ["file"], "when": {"did": "page.viewed"}}


@pytest.fixture
def readers(new_world):
    documents = deepcopy(DOCUMENTS)
    documents["audiences"]["audiences"]["readers"] = READERS
    world = new_world(documents)
    world.lead("ada", ads=True)
    world.happens("ada", "page.viewed")
    return world


def test_everybody_leaves_an_audience_that_has_been_deleted(readers):
    readers.run()
    assert len(readers.platform.members["readers"]) == 1
    del readers.documents["audiences"]["audiences"]["readers"]
    readers.publish()
    readers.days(1, "daily-sync")
    assert readers.platform.members["readers"] == set()
    readers.days(1, "daily-sync")
    assert [upload.change for upload in readers.platform.uploads] == ["add", "remove"]


def test_an_upload_that_may_have_arrived_is_taken_back_and_not_repeated_after_an_unsubscribe(readers):
    class Lost(Exception):
        pass

    upload = readers.platform.upload

    def and_die(batch):
        upload(batch)
        raise Lost

    readers.platform.upload = and_die
    with pytest.raises(Lost):
        readers.run()
    readers.platform.upload = upload
    readers.happens("ada", "email.unsubscribed")
    readers.days(1, "daily-sync")
    assert readers.platform.members["readers"] == set()
    assert [each.change for each in readers.platform.uploads] == ["add", "remove"]
    assert readers.rows("audience_members")[0]["status"] == "removed"
