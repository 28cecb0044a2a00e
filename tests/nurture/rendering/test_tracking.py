"""Links that pass by our door: whatever way they are written, all else of the page stays, and no page takes long."""

from __future__ import annotations

import time
from html import escape, unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nurture.rendering.tracking import LinkedPage, with_pixel, with_trap

DOOR = "https://door.example/c/token?a&b"
OWN = "https://door.example/u/key"
GOAL = "https://www.example.com/x"


def links_of(html, ours):
    return list(LinkedPage(html, ours).counted)


def with_counted_links(html, ours, place):
    return LinkedPage(html, ours).leading(place)


def rewritten(html: str) -> str:
    return with_counted_links(html, [OWN], lambda _: DOOR)


@pytest.mark.parametrize(
    "written",
    [
        '<a href="{}">x</a>',
        "<a href='{}'>x</a>",
        "<a href={}>x</a>",
        '<A CLASS="b" HREF="{}">x</A>',
        '<a\n  class="b"\n  href = "{}"\n>x</a>',
        '<a title="a > b" href="{}">x</a>',
        '<a href="{}" title="it\'s"/>',
        '<map><area shape="rect" coords="0,0,9,9" href="{}"></map>',
        '<!--[if mso]><v:roundrect xmlns:v="urn:schemas-microsoft-com:vml" href="{}" arcsize="8%"><![endif]-->',
        '<!--[if !mso]><!--><a href="{}">x</a><!--<![endif]-->',
    ],
)
def test_a_link_is_counted_however_it_is_written(written):
    assert links_of(written.format(GOAL), [OWN]) == [GOAL]
    quoted = f'"{escape(DOOR)}"'
    bare = written.replace('"{}"', "{}").replace("'{}'", "{}")
    assert rewritten(written.format(GOAL)) == bare.format(quoted)


@pytest.mark.parametrize(
    "html",
    [
        f'<a href="{OWN}">x</a>',
        f'<a href="{OWN}?lang=da">x</a>',
        f'<a href="{OWN}#top">x</a>',
        '<a href="javascript:alert(1)">x</a>',
        '<a href="&#106;avascript:alert(1)">x</a>',
        '<a href="data:text/html,x">x</a>',
        '<a href="mailto:a@example.com">x</a>',
        '<a href="//www.example.com">x</a>',
        '<a href="https://">x</a>',
        '<a href="">x</a><a name="y">y</a><a href>z</a>',
        f'<abbr href="{GOAL}">x</abbr><img src="{GOAL}"><link href="{GOAL}"><a-b href="{GOAL}">',
        f'<a data-href="{GOAL}" title=\'href="{GOAL}"\'>x</a>',
        f'<p>&lt;a href="{GOAL}"&gt;</p>',
    ],
)
def test_our_own_doors_and_what_is_no_link_of_the_web_stay(html):
    assert links_of(html, [OWN]) == []
    assert rewritten(html) == html


@pytest.mark.parametrize("off", ['data-track="off"', "data-track='off'", "data-track=off", 'DATA-TRACK="OFF"'])
def test_a_link_that_is_not_to_be_counted_stays_and_its_wish_goes(off):
    for html in (
        f'<a {off} href="{GOAL}">x</a>',
        f'<a href="{GOAL}" {off}>x</a>',
        f'<a href="mailto:x@y.example" {off}>x</a>',
    ):
        assert links_of(html, []) == []
        assert rewritten(html) == html.replace(f" {off}", "")


@pytest.mark.parametrize(
    "address",
    [
        "https://x.example/?a=1&b=2",
        "https://x.example/%26?q=%C3%A6+%20#a&amp",
        "https://x.example/æøå?navn=Søren",
        'HTTPS://X.example/"quoted"\'',
        "https://x.example/?a=1&copy=2&lt=3",
    ],
)
@pytest.mark.parametrize("escaped", [escape, lambda url: "".join(f"&#{ord(each)};" for each in url)])
def test_the_address_is_exactly_what_the_reader_would_have_followed(address, escaped):
    assert links_of(f'<a href="{escaped(address)}">x</a>', []) == [address]


def test_line_breaks_and_spaces_round_an_address_are_left_out_as_browsers_do():
    assert links_of('<a href="\n  https://x.example/\n\ta b \n">x</a>', []) == ["https://x.example/a b"]


def test_the_trap_stands_once_at_the_beginning_of_the_body():
    for html in ('<html><BODY\nclass="x > y"><p>x</p></BODY></html>', "<body><p><body>x</p></body>", "<p>x</p>"):
        trapped = with_trap(html, DOOR)
        assert trapped.count(escape(DOOR)) == 1
        assert trapped.index('<a href="') < trapped.index("<p>")
    assert with_trap("<tbody>x</tbody>", DOOR).endswith("<tbody>x</tbody>")


def test_the_pixel_stands_once_at_the_end_of_the_body():
    assert with_pixel("<body>x</body >", DOOR).endswith('border:0"></body >')
    assert with_pixel("x", DOOR).startswith("x<img ")


# --- Any page ---------------------------------------------------------------------------------------------------------

NAMES = st.sampled_from(["a", "A", "area", "p", "v:rect", "abbr", "td"])
VALUES = st.sampled_from([GOAL, f"{GOAL}?a=1&amp;b=2", OWN, "mailto:x", "", "æ > ø", "a=b", "href"])
ATTRIBUTES = st.lists(
    st.builds(
        lambda gap, name, sign, value, quote: f"{gap}{name}{sign}{quote}{value}{quote}",
        st.sampled_from([" ", "\n", "  "]),
        st.sampled_from(["href", "HREF", "title", "class", "xhref"]),
        st.sampled_from(["=", " = "]),
        VALUES,
        st.sampled_from(['"', "'"]),
    ),
    max_size=3,
    unique_by=lambda each: each.split("=")[0].strip().lower(),
)
TAGS = st.builds(
    lambda name, attributes, end: f"<{name}{''.join(attributes)}{end}",
    NAMES,
    ATTRIBUTES,
    st.sampled_from([">", " >", "/>"]),
)
PAGES = st.lists(
    TAGS | st.sampled_from(["text", "</a>", "<!-- ", " -->", "&amp;", "\n", "<", '"', "a > b", "<!--[if mso]>"])
).map("".join)


@given(PAGES)
def test_only_the_addresses_change_and_can_be_put_back(page):
    order: list[str] = []

    def place(url: str) -> str:
        order.append(url)
        return f"https://door.example/c/{len(order)}"

    made = with_counted_links(page, [OWN], place)
    assert list(dict.fromkeys(order)) == links_of(page, [OWN])
    assert made.count("<") == page.count("<")
    # What stands between the new addresses stands in the page, in that order, with an address in each gap.
    rest, place_in_page = made, 0
    for number, url in enumerate(order, 1):
        before, rest = rest.split(f'"https://door.example/c/{number}"', 1)
        assert page.startswith(before, place_in_page)
        place_in_page += len(before)
        quote = page[place_in_page]
        end = page.index(quote, place_in_page + 1)
        assert unescape(page[place_in_page + 1 : end]) == url
        place_in_page = end + 1
    assert page[place_in_page:] == rest
    assert with_counted_links(page, [OWN], lambda _: None) == page


@given(st.text(alphabet="<a href=\"'>/=v: \nbody!-[]&;x", max_size=200))
def test_no_text_is_an_error(text):
    made = with_counted_links(with_pixel(with_trap(text, DOOR), DOOR), [], lambda url: url)
    assert made.count("<") == text.count("<") + 3


@pytest.mark.parametrize(
    "piece",
    [
        "<a",
        "<a ",
        '<a "',
        '<a href="https://x',
        ' href="https://x',
        "x",
        '=" ',
        " ",
        "'",
        "a=b ",
        "= ",
        "<body ",
        "</body",
        "</body ",
    ],
)
def test_a_page_of_a_megabyte_takes_one_pass(piece):
    for start in ("", "<a ", "<body ", "</body "):
        page = start + piece * (1_000_000 // len(piece))
        begun = time.process_time()
        links_of(page, [])
        with_counted_links(page, [], lambda _: DOOR)
        with_pixel(with_trap(page, DOOR), DOOR)
        # One pass takes a tenth of a second at the most; one for each piece would take minutes.
        assert time.process_time() - begun < 5
