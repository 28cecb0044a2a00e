"""An e-mail from the files of its folder."""

from __future__ import annotations

import pytest

from nurture.definitions.emails import EmailSource, email_from_files
from nurture.errors import BrokenEmail

FILES = {
    "email.yaml": "topic: nurture\n",
    "subject.txt": "Hello\n",
    "text.txt": "Hi\n",
    "body.html": "<p>Hi</p>\n",
}


def refusals(files: dict[str, str]) -> list[tuple[str, int, int, str, str]]:
    with pytest.raises(BrokenEmail) as broken:
        email_from_files("hello", files)
    return [(each.file, each.line, each.column, each.message, each.remedy) for each in broken.value.problems]


def test_a_folder_becomes_an_e_mail_in_its_languages():
    danish = {
        "da/subject.txt": "Hej\n",
        "da/text.txt": "Hej\n",
        "da/body.html": "<p>Hej</p>\n",
        "da/preheader.txt": "Kort",
    }
    email = email_from_files("hello", FILES | danish, {"_layout.txt": "x"})
    assert (email.name, email.topic, email.kind, email.layouts) == (
        "hello",
        "nurture",
        "marketing",
        {"_layout.txt": "x"},
    )
    assert {locale: parts.subject for locale, parts in email.locales.items()} == {"en": "Hello\n", "da": "Hej\n"}
    assert email.locales["da"].preheader == "Kort"


def test_an_e_mail_may_have_another_language_than_english_as_its_own():
    email = email_from_files("hej", FILES | {"email.yaml": "topic: nurture\nlanguage: da\n"})
    assert (email.default_locale, list(email.locales), email.locale_for("en")) == ("da", ["da"], "da")


def test_an_e_mail_survives_being_stored_as_json():
    email = email_from_files("hello", FILES)
    assert EmailSource.model_validate_json(email.model_dump_json()) == email


@pytest.mark.parametrize(
    ("file", "content", "message", "remedy"),
    [
        ("subject.txt", None, "the subject (en) is missing", "write subject.txt"),
        ("subject.txt", " \n", "the subject (en) is empty", "write subject.txt"),
        ("body.html", None, "the body (en) is missing", "write body.html or body.mjml"),
        ("body.html", " \n", "the html (en) is empty", "write body.html"),
        ("text.txt", " \n", "the text (en) is empty", "write text.txt, or delete it: a text is made of the body"),
    ],
)
def test_a_missing_or_empty_part_is_named(file, content, message, remedy):
    files = {name: text for name, text in FILES.items() if name != file} | ({file: content} if content else {})
    assert refusals(files) == [(f"emails/hello/{file}", 1, 1, message, remedy)]


def test_the_text_may_be_left_out_and_the_body_may_be_mjml():
    email = email_from_files(
        "hello", {name: FILES[name] for name in ("email.yaml", "subject.txt")} | {"body.mjml": "x"}
    )
    assert (email.locales["en"].text, email.locales["en"].html, email.locales["en"].mjml) == ("", "", "x")


def test_a_body_is_written_once():
    [(place, _, _, message, remedy)] = refusals(FILES | {"body.mjml": "<mjml></mjml>"})
    assert place == "emails/hello/body.mjml"
    assert (message, remedy) == ("the body (en) is written twice", "keep one of body.html and body.mjml")


def test_every_language_needs_its_subject_and_body_but_no_preheader_of_its_own():
    assert [place for place, *_ in refusals(FILES | {"da/subject.txt": "Hej"})] == ["emails/hello/da/body.html"]
    assert [place for place, *_ in refusals(FILES | {"da/body.mjml": "x"})] == ["emails/hello/da/subject.txt"]
    danish = {"da/subject.txt": "Hej", "da/body.html": "<p>Hej</p>"}
    email = email_from_files("hello", FILES | {"preheader.txt": "Short"} | danish)
    assert (email.locales["en"].preheader, email.locales["da"].preheader) == ("Short", "")


@pytest.mark.parametrize(
    ("yaml", "line", "column", "message", "remedy"),
    [
        ("kind: marketing\n", 1, 1, "`topic` is missing", "add `topic: ...`"),
        ("", 1, 1, "`topic` is missing", "add `topic: ...`"),
        ("topic: a\nkund: b\n", 2, 1, "unknown option `kund`", "did you mean `kind`?"),
        ("topic: a\ntopic: b\n", 2, 1, "`topic` stands here twice; the first is in line 1", "keep one of them"),
    ],
)
def test_a_mistake_in_email_yaml_is_said_with_its_place(yaml, line, column, message, remedy):
    assert refusals(FILES | {"email.yaml": yaml}) == [("emails/hello/email.yaml", line, column, message, remedy)]


@pytest.mark.parametrize("yaml", ["- a\n", "topic: [\n", "topic: a\nkind: spam\n", "topic: a\nlanguage: Danish\n", "x"])
def test_an_email_yaml_that_cannot_be_used_is_refused(yaml):
    assert refusals(FILES | {"email.yaml": yaml})


def test_a_folder_without_email_yaml_is_refused():
    assert (
        refusals({name: text for name, text in FILES.items() if name != "email.yaml"})[0][0]
        == "emails/hello/email.yaml"
    )


@pytest.mark.parametrize("file", ["preheder.txt", "da/email.yaml", "notes.md", "../text.txt", "DANISH/text.txt"])
def test_a_file_that_no_e_mail_has_is_refused(file):
    assert f"emails/hello/{file}" in [place for place, *_ in refusals(FILES | {file: "x"})]
