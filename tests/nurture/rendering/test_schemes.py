"""The same mail in light and in dark, whatever the machine of the onlooker prefers."""

from __future__ import annotations

import pytest

from nurture.rendering.schemes import has_dark_rules, in_scheme

PAGE = (
    "<!doctype html><html><head><style>@media (prefers-color-scheme: dark) { p { color: red } }\n"
    "@media screen and ( Prefers-Color-Scheme:light ) { p { color: blue } }</style></head>"
    "<body><p>Write @media (prefers-color-scheme: dark) in your style.</p></body></html>"
)


@pytest.mark.parametrize(("scheme", "red", "blue"), [("dark", "min", "max"), ("light", "max", "min")])
def test_rules_of_the_scheme_hold_and_those_of_the_other_never_do(scheme, red, blue):
    shown = in_scheme(PAGE, scheme)
    assert f"@media ({red}-width: 0px) {{ p {{ color: red }} }}" in shown
    assert f"@media screen and ({blue}-width: 0px) {{ p {{ color: blue }} }}" in shown
    assert f"color-scheme: only {scheme} !important" in shown


def test_words_about_schemes_stay_as_they_are():
    assert "<p>Write @media (prefers-color-scheme: dark) in your style.</p>" in in_scheme(PAGE, "dark")


def test_a_style_sheet_or_a_picture_for_one_scheme_alone_is_chosen_too():
    page = '<style media="(prefers-color-scheme: dark)">p{}</style><source media="(prefers-color-scheme: light)">'
    shown = in_scheme(page, "dark")
    assert '<style media="(min-width: 0px)">' in shown
    assert '<source media="(max-width: 0px)">' in shown


def test_a_page_without_a_head_gets_its_scheme_after_its_doctype():
    assert in_scheme("<!doctype html><p>Hi</p>", "dark").startswith("<!doctype html><style>:root")
    assert in_scheme("<p>Hi</p>", "light").startswith("<style>:root")


def test_whether_a_page_says_how_it_looks_in_dark():
    assert has_dark_rules(PAGE)
    assert not has_dark_rules("<p>(prefers-color-scheme: dark)</p>")
