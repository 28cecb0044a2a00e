"""What a spam filter says of every shipped e-mail, as it arrives."""

from __future__ import annotations

import re

import pytest

from tests.soak.letters import letters
from tests.soak.spam import Verdict, judged, table
from tests.soak.tools import ROOT

# One judge for all letters: it takes seconds to wake.
pytestmark = [pytest.mark.soak, pytest.mark.xdist_group("spam")]
MOST = 2.0
# What would say that the mail itself is badly made, whatever its points are today.
NEVER = re.compile(
    "MIME_HTML_ONLY|MIME_HTML_MOSTLY|MIME_BASE64_TEXT|MIME_QP_LONG_LINE|MPART_ALT_DIFF.*|MISSING_.*|INVALID_.*|"
    "HTML_IMAGE_ONLY_.*|HTML_IMAGE_RATIO_.*|HTML_SHORT_LINK.*|HTML_MIME_NO_HTML_TAG|HTML_FONT_.*|HTML_TAG_BALANCE_.*|"
    "HTML_TITLE_.*|HTML_COMMENT_.*|HTML_OBFUSCATE_.*|HTML_NONELEMENT_.*|HTML_EXTRA_CLOSE|HTML_BADTAG_.*|"
    "SUBJ_ALL_CAPS|SUBJECT_.*|SUBJ_.*|PLING_.*|UPPERCASE_.*|FROM_.*|HEADER_.*|SUSPICIOUS_RECIPS|BAD_ENC_HEADER|"
    "CHARSET_FARAWAY.*|TVD_SPACE_.*|HIDE_.*|HIDDEN_.*|OBFU_.*|NORMAL_HTTP_.*|WEIRD_PORT|DATE_IN_.*|T_HIDE_.*|"
    "UNPARSEABLE_RELAY|T_.*_ATTACH|DC_.*IMAGE.*|REMOTE_IMAGE|T_REMOTE_IMAGE|.*LOW_CONTRAST.*|FONT_INVIS_.*|MALF.*|.*DUP_.*"
)


@pytest.fixture(scope="module")
def verdicts() -> list[Verdict]:
    """Every letter's score and rules."""
    return judged(letters())


def test_every_letter_scores_far_below_what_is_taken_for_spam(verdicts):
    assert {each.letter.name: each.score for each in verdicts if each.score >= MOST} == {}


def test_no_rule_says_that_a_mail_is_badly_made(verdicts):
    found = {each.letter.name: [rule for rule in each.rules if NEVER.fullmatch(rule)] for each in verdicts}
    assert {name: rules for name, rules in found.items() if rules} == {}


def test_the_judge_knows_a_bad_mail_when_it_sees_one():
    good = letters()[0]
    head, _, _ = good.raw.partition(b"MIME-Version: 1.0")
    head = head.replace(b"\r\nSubject: ", b"\r\nSubject: BUY VIAGRA NOW ")
    body = b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n<font color=#ffffff>cheap pills</font><img src=x>\r\n"
    [verdict] = judged([type(good)("bad", "en", "full", good.key, head + body)])
    assert verdict.score > MOST
    assert any(NEVER.fullmatch(rule) for rule in verdict.rules)


def test_the_page_shows_these_figures(verdicts):
    """A judge of another version has other figures, so that only its own are compared."""
    shown = (ROOT / "docs" / "soak.md").read_text(encoding="utf-8")
    made = table(verdicts)
    if made.partition("\n")[0] in shown:
        assert made in shown, "run `python -m tests.soak.spam` and put its table into docs/soak.md"
