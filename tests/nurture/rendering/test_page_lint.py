"""What readers and mail programs would stumble over, remarked before anything is sent."""

from __future__ import annotations

import re

import pytest

from nurture.problems import errors_in, warnings_in
from nurture.rendering import email_problems, size_remark
from nurture.rendering.page_lint import LARGE_BYTES
from tests.nurture.rendering.samples import email


def found(html: str, **more: str) -> list[tuple[int, str, str, str]]:
    problems = email_problems(email(html=html, **more))
    assert errors_in(problems) == []
    return [(each.line, each.code, each.message, each.remedy) for each in warnings_in(problems)]


@pytest.mark.parametrize(
    ("html", "code"),
    [
        ('<p>x</p>\n<img src="https://example.com/a.png">', "image-alt"),
        ('<p>x</p>\n<a href="#">x</a>', "link-empty"),
        ('<p>x</p>\n<a href="">x</a>', "link-empty"),
        ("<p>x</p>\n<a>x</a>", "link-empty"),
        ('<p>x</p>\n<a href="http://example.com">x</a>', "link-not-https"),
        ('<p>x</p>\n<a href="example.com/a">x</a>', "link-not-https"),
        ('<p>x</p>\n<img alt="" src="images/a.png">', "link-not-https"),
        ('<p>x</p>\n<img alt="" src="//example.com/a.png">', "link-not-https"),
        ('<p>x</p>\n<a href="https://example.com"> Click\nhere! </a>', "link-words"),
        ('<p>x</p>\n<a href="https://example.com">Læs mere</a>', "link-words"),
        ("<!doctype html>\n<html><body><p>x</p></body></html>", "html-lang"),
        ("<!doctype html>\n<html lang=''><body><p>x</p></body></html>", "html-lang"),
    ],
)
def test_a_stumbling_block_is_remarked_at_its_line(html, code):
    [(line, said, message, remedy)] = found(html)
    assert (line, said) == (2, code)
    assert message
    assert remedy


@pytest.mark.parametrize(
    "html",
    [
        '<img alt="" src="https://example.com/a.png"><img alt="A" src="cid:a">',
        '<a href="mailto:anna@example.com">Anna</a> <a href="tel:+4570102030">us</a>',
        '<a href="{{ links.website }}/a">here is the plan</a>',
        '<a href="{% if event.url %}{{ event.url }}{% else %}https://example.com{% endif %}">the plan</a>',
        '<a href="https://example.com/{% if lead.name %}a{% else %}b{% endif %}">the plan</a>',
        '<a name="top"></a>',
    ],
)
def test_what_is_sound_is_not_remarked(html):
    assert found(html) == []


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", " JavaScript:x", "java\tscript:x", "java&#10;script:x", "&#106;avascript:x",
        "data:text/html,x", "vbscript:x", "file:///etc/passwd", "java{% if lead.name %}script:x{% endif %}",
        "{% if lead.name %}java{% endif %}script:x", "{% if lead.name %}java{% else %}java{% endif %}script:x",
        "{% if lead.name %}https://example.com{% else %}javascript:x{% endif %}",
        "{% if lead.name %}{% if lead.city %}x{% endif %}{% endif %}javascript:x",
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "tag",
    [
        '<a href="{}">x</a>',
        '<!--[if mso]><a href="{}">x</a><![endif]-->',
        '<img alt="" src="{}">',
        '<td background="{}">x</td>',
    ],
)
def test_an_address_that_acts_or_could_become_one_is_refused(tag, address):
    problems = errors_in(email_problems(email(html=f"<p>x</p>\n{tag.format(address)}")))
    assert {each.code for each in problems} & {"html-address", "html-active"}
    assert {each.line for each in problems} == {2}


def test_a_picture_without_alt_in_mjml_is_remarked_too():
    column = '<mj-column>\n<mj-image src="https://example.com/a.png" />\n<mj-button href="#">x</mj-button></mj-column>'
    problems = email_problems(email(mjml=f"<mjml>\n<mj-body><mj-section>{column}</mj-section></mj-body></mjml>"))
    assert [(each.line, each.code) for each in problems] == [(1, "html-lang"), (3, "image-alt"), (4, "link-empty")]


def test_a_subject_or_preheader_that_mailboxes_cut_is_remarked_with_its_length():
    [remark] = email_problems(email(subject="{{ project.name }} " * 8))
    assert (remark.file, remark.code) == ("emails/hello/subject.txt", "subject-long")
    assert "111 characters" in remark.message
    [remark] = email_problems(email(preheader="word " * 40))
    assert (remark.file, remark.code) == ("emails/hello/preheader.txt", "preheader-long")
    assert "199 characters" in remark.message
    assert email_problems(email(subject="x" * 90, preheader="x" * 140)) == []


def test_a_page_that_gmail_would_cut_off_is_remarked_with_its_size():
    [(line, code, message, _)] = found("<p>" + "words " * 16_000 + "</p>")
    assert (line, code) == (1, "html-large")
    assert message == "the HTML has 93 KB; Gmail cuts an e-mail off after 102 KB"
    assert size_remark("ø" * (LARGE_BYTES // 2)) is None
    assert re.match(r"the HTML has 90 KB", size_remark("ø" * (LARGE_BYTES // 2) + "x") or "")
