"""The links of a mail as its reader meets them, beside those that are counted."""

from __future__ import annotations

from nurture.rendering.tracking import Anchor, LinkedPage, anchors_of

PAGE = (
    '<p><a href="https://example.com/a?b=1&amp;c=2">Read <b>the</b>\n guide</a> '
    '<a href="https://example.com/a?b=1&amp;c=2">again</a></p>'
    '<a href="https://example.com/logo"><img src="cid:x" alt="Our logo"></a>'
    '<a href="https://door.example/u/1">Stop</a><a name="top">Top</a>'
    '<a href="https://example.com/plain" data-track="off">Plain</a><a href="mailto:hello@example.com">Write</a>'
)
OURS = {"https://door.example/u/1"}


def test_every_link_is_told_with_its_words_goal_and_kind():
    assert anchors_of(PAGE, OURS) == [
        Anchor("Read the guide", "https://example.com/a?b=1&c=2", True, False),
        Anchor("again", "https://example.com/a?b=1&c=2", True, False),
        Anchor("Our logo", "https://example.com/logo", True, False),
        Anchor("Stop", "https://door.example/u/1", False, True),
        Anchor("Plain", "https://example.com/plain", False, False),
        Anchor("Write", "mailto:hello@example.com", False, False),
    ]


def test_what_may_be_counted_is_what_is_counted():
    told = [each.url for each in anchors_of(PAGE, OURS) if each.countable]
    assert list(dict.fromkeys(told)) == list(LinkedPage(PAGE, OURS).counted)


def test_a_link_that_is_never_closed_is_no_link_that_a_reader_could_follow():
    assert anchors_of('<a href="https://example.com/">open', ()) == []
