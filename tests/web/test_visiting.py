"""Links, pixel and browser view of a mail: the visit is a fact, the link leads where it was told to, no more moves."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import timedelta
from email import message_from_bytes, policy
from html import unescape

import pytest

from connectors.email import Verdict
from db import tracked_links
from nurture.records import Identity, LeadRecord
from nurture.tokens import CLICK, OPEN, PREFERENCES, TRAP, VIEW, seal, sign, unseal
from tasks.privacy.erase import erase_lead
from tasks.visits import MOST_IN_A_MINUTE
from tests.web.conftest import everything, served
from tests.world import DOCUMENTS, SECRET, World

GUIDE = "https://www.example.com/guide?a=1&b=%C3%A6"
BODY = (
    '<!doctype html><html lang="en"><body class="x"><p>Hello {{ lead.first_name | default("you") }}</p>'
    '<p><a class="button" href="https://www.example.com/guide?a=1&amp;b=%C3%A6">The guide</a> '
    '<a href="https://www.example.com/plain" data-track="off">Plain</a> <a href="{{ links.view }}">In a browser</a></p>'
    '<p>{{ project.postal_address }} <a href="{{ links.unsubscribe }}">Stop</a></p></body></html>'
)


def documents(**topic):
    made = deepcopy(DOCUMENTS)
    made["events"]["topics"]["nurture"] |= topic
    made["events"]["topics"]["measuring"] = {"label": "Measuring", "channel": "tracking"}
    for name in ("thanks", "more"):
        made[f"emails/{name}"]["locales"]["en"]["html"] = BODY
    return made


def mail_to(world, name):
    world.lead(name)
    world.happens(name, "content.white_paper_downloaded")
    world.run()
    return html_of(world.outbox.messages[-1].raw)


def html_of(raw):
    return message_from_bytes(raw, policy=policy.SMTP).get_body(("html",)).get_content()


def links(html):
    return [unescape(url) for url in re.findall(r'href="([^"]+)"', html)]


def path_of(url):
    return url.removeprefix("http://127.0.0.1:8377")


@pytest.fixture
def tracked(twin):
    with served(twin(_tracked)) as site:
        yield site


def _tracked(new_world):
    return new_world(documents())


def facts(site, kind="email.clicked"):
    return [row for row in site.world.rows("events") if row["type"] == kind]


def test_a_link_leads_to_its_stored_address_and_the_click_is_a_fact(tracked):
    html = mail_to(tracked.world, "ada")
    trap, guide, plain, view, stop = links(html)
    assert plain == "https://www.example.com/plain"
    assert "data-track" not in html
    assert path_of(stop).startswith("/u/")
    assert path_of(view).startswith("/v/")
    answer = tracked.browser.get(path_of(guide), headers={"user-agent": "A browser"})
    assert (answer.status_code, answer.headers["location"]) == (302, GUIDE)
    [fact] = facts(tracked)
    assert fact["properties"] == {"url": GUIDE, "user_agent": "A browser", "network": "127.0.0.0/24"}
    assert fact["lead_id"] == tracked.world.lead_id("ada")
    assert fact["message_id"] == tracked.world.rows("messages")[0]["id"]
    assert not facts(tracked, "email.opened")
    assert path_of(trap).startswith("/c/")


def test_no_person_sees_the_trap_and_who_visits_it_is_stored_as_such(tracked):
    html = mail_to(tracked.world, "ada")
    [anchor] = re.findall(r"<a [^>]*display:none[^>]*>", html)
    assert 'aria-hidden="true"' in anchor
    assert 'tabindex="-1"' in anchor
    assert html.index(anchor) == html.index('<body class="x">') + len('<body class="x">')
    answer = tracked.browser.get(path_of(links(html)[0]))
    assert answer.status_code == 204
    [fact] = facts(tracked)
    assert fact["properties"]["honeypot"] is True


def test_the_text_part_keeps_its_plain_addresses(tracked):
    mail_to(tracked.world, "ada")
    raw = tracked.world.outbox.messages[-1].raw
    text = message_from_bytes(raw, policy=policy.SMTP).get_body(("plain",)).get_content()
    assert "/c/" not in text


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_thousand_visits_of_every_link_change_nothing_but_the_facts_of_that_minute(tracked, method):
    html = mail_to(tracked.world, "ada")
    before = everything(tracked)
    urls = [path_of(url) for url in links(html) if url.startswith("http://127.0.0.1")]
    assert len(urls) == 4
    for url in urls:
        for _ in range(50 if "/c/" in url else 250):
            assert tracked.browser.request(method, url).status_code in (200, 204, 302, 405)
    after = everything(tracked)
    changed = {table for table in before if before[table] != after[table]}
    assert changed <= {"events", "work_queue"}
    new = after["events"][len(before["events"]) :]
    assert {row["type"] for row in new} == {"email.clicked"}
    assert len(new) == 2
    # Nobody has judged them yet: they are worth nothing and wake nobody.
    assert all(row["machine"] for row in new)


def test_a_visit_by_head_or_ahead_of_time_says_so(tracked):
    html = mail_to(tracked.world, "ada")
    guide = path_of(links(html)[1])
    assert tracked.browser.head(guide).headers["location"] == GUIDE
    tracked.world.now += timedelta(minutes=1)
    tracked.browser.get(guide, headers={"Sec-Purpose": "prefetch;anonymous-client-ip"})
    head, ahead = facts(tracked)
    assert head["properties"]["method"] == "HEAD"
    assert ahead["properties"]["prefetch"] is True


@pytest.mark.parametrize("where", ["https://evil.example/", "//evil.example", "javascript:alert(1)"])
def test_the_click_door_is_no_open_redirect(tracked, where):
    html = mail_to(tracked.world, "ada")
    guide = path_of(links(html)[1])
    for name in ("url", "next", "to", "redirect"):
        answer = tracked.browser.get(guide, params={name: where})
        assert answer.headers["location"] == GUIDE
    token = guide.removeprefix("/c/")
    for forged in (token[:-1] + ("A" if token[-1] != "A" else "B"), token + "A", where, token.swapcase(), "A" * 56):
        answer = tracked.browser.get(f"/c/{forged}", follow_redirects=False)
        assert answer.status_code == 404
        assert "location" not in answer.headers


def test_a_token_serves_one_purpose_alone(tracked):
    mail_to(tracked.world, "ada")
    key = tracked.world.rows("messages")[0]["key"]
    secret = SECRET.encode()
    for purpose in (OPEN, VIEW):
        assert tracked.browser.get(f"/c/{seal(secret, purpose, key, 1)}").status_code == 404
    assert tracked.browser.get(f"/v/{seal(secret, CLICK, key, 1)}").status_code == 404
    assert unseal(secret, TRAP, seal(secret, OPEN, key)) is None
    assert not facts(tracked)


def test_the_pixel_is_off_until_a_topic_asks_for_it(database_url, tmp_path):
    with served(World(database_url, tmp_path, documents(track_opens=True))) as site:
        html = mail_to(site.world, "ada")
        [image] = re.findall(r'<img src="([^"]+)"', html)
        for url in (path_of(image), "/o/unknown"):
            answer = site.browser.get(url)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "image/gif")
        assert len(facts(site, "email.opened")) == 1
        site.world.context.settings.tracking.opens = False
        assert "<img" not in mail_to(site.world, "bo")


def test_clicks_are_not_counted_where_the_business_the_topic_or_the_reader_said_no(tracked):
    world = tracked.world
    world.lead("cleo")
    world.store_consent("cleo", "measuring", "withdrawn")
    html = mail_to(world, "cleo")
    assert [url for url in links(html) if "/c/" in url] == []
    assert GUIDE in links(html)
    world.documents["events"]["topics"]["nurture"]["track_clicks"] = False
    world.publish()
    assert "/c/" not in mail_to(world, "dan")
    world.documents["events"]["topics"]["nurture"]["track_clicks"] = True
    world.publish()
    world.context.settings.tracking.clicks = False
    assert "/c/" not in mail_to(world, "eve")
    world.context.settings.tracking.clicks = True
    assert "/c/" in mail_to(world, "fay")


def test_the_mail_can_be_read_in_a_browser_as_it_was_sent(tracked):
    html = mail_to(tracked.world, "ada")
    view = path_of(links(html)[3])
    tracked.world.documents["emails/thanks"]["locales"]["en"]["html"] = BODY.replace("Hello", "Something else")
    tracked.world.now += timedelta(days=1)
    tracked.world.publish()
    page = tracked.browser.get(view)
    assert page.status_code == 200
    assert "Hello Ada" in page.text
    assert "display:none" not in page.text
    assert page.headers["content-security-policy"].startswith("default-src 'none'")
    assert "script" not in page.headers["content-security-policy"]
    assert not facts(tracked)
    assert tracked.browser.get(view[:-1]).status_code == 404


def test_two_leads_share_the_numbers_of_links_and_not_their_tokens(tracked):
    first, second = (links(mail_to(tracked.world, name))[1] for name in ("ada", "bo"))
    assert first != second
    assert [row["url"] for row in tracked.world.rows("tracked_links")] == [GUIDE]
    for url in (first, second):
        assert tracked.browser.get(path_of(url)).headers["location"] == GUIDE
    assert {row["lead_id"] for row in facts(tracked)} == {tracked.world.lead_id("ada"), tracked.world.lead_id("bo")}


def test_a_click_is_worth_its_points_once_it_is_judged(tracked):
    html = mail_to(tracked.world, "ada")
    tracked.world.now += timedelta(hours=3)
    tracked.browser.get(path_of(links(html)[1]), headers={"user-agent": "A browser"})
    before = tracked.world.score("ada")["interest"]
    tracked.world.now += timedelta(minutes=10)
    tracked.world.run("follow-up")
    assert tracked.world.score("ada")["interest"] == before + 5


def test_a_visit_is_evidence_that_an_unknown_message_arrived(tracked):
    tracked.world.outbox.misbehave("commit", Verdict.UNKNOWN, delivered=True)
    html = mail_to(tracked.world, "ada")
    assert [row["status"] for row in tracked.world.rows("messages")] == ["unknown"]
    tracked.browser.get(path_of(links(html)[1]))
    assert [(row["status"], row["reason"]) for row in tracked.world.rows("messages")] == [("accepted", None)]


def test_a_person_after_a_scanner_in_the_same_minute_is_a_visitor_of_its_own(tracked):
    guide = path_of(links(mail_to(tracked.world, "ada"))[1])
    for agent in ("A scanner", "A browser", "A scanner", "A browser"):
        assert tracked.browser.get(guide, headers={"user-agent": agent}).status_code == 302
    assert [fact["properties"]["user_agent"] for fact in facts(tracked)] == ["A scanner", "A browser"]
    # The same program, from elsewhere, and after it has looked ahead.
    tracked.browser.get(guide, headers={"user-agent": "A browser", "x-forwarded-for": "198.51.100.7"})
    tracked.browser.get(guide, headers={"user-agent": "A browser", "purpose": "prefetch"})
    assert [fact["properties"].get("network") for fact in facts(tracked)][2] == "198.51.100.0/24"
    assert facts(tracked)[3]["properties"]["prefetch"] is True
    tracked.world.now += timedelta(hours=1)
    tracked.browser.get(guide, headers={"user-agent": "A browser"})
    first, *_, last = (fact["source_event_id"].rpartition(":")[2] for fact in facts(tracked))
    assert first != last


def test_a_thousand_visitors_in_one_minute_are_as_many_facts_as_are_believed(tracked):
    html = mail_to(tracked.world, "ada")
    for number in range(MOST_IN_A_MINUTE + 20):
        answer = tracked.browser.get(path_of(links(html)[number % 2]), headers={"user-agent": f"Browser {number}"})
        assert answer.status_code in (204, 302)
    assert len(facts(tracked)) == MOST_IN_A_MINUTE
    tracked.world.now += timedelta(minutes=1)
    tracked.browser.get(path_of(links(html)[1]))
    assert len(facts(tracked)) == MOST_IN_A_MINUTE + 1


def test_who_withdraws_measuring_is_not_counted_by_old_mails_nor_in_the_browser(tracked):
    world = tracked.world
    html = mail_to(world, "ada")
    trap, guide, _, view, _ = (path_of(url) if "127.0.0.1" in url else url for url in links(html))
    assert "/c/" in tracked.browser.get(view).text
    world.now += timedelta(minutes=1)
    world.store_consent("ada", "measuring", "withdrawn")
    assert "/c/" not in tracked.browser.get(view).text
    assert GUIDE in links(tracked.browser.get(view).text)
    before = everything(tracked)
    assert tracked.browser.get(guide).headers["location"] == GUIDE
    assert tracked.browser.get(trap).status_code == 204
    assert everything(tracked) == before


def test_who_is_not_measured_gets_a_mail_with_nothing_of_ours_but_the_ways_out(tracked):
    tracked.world.lead("cleo")
    tracked.world.store_consent("cleo", "measuring", "withdrawn")
    html = mail_to(tracked.world, "cleo")
    assert "data-track" not in html
    assert "display:none" not in html
    assert "<img" not in html
    assert {path_of(url)[:3] for url in links(html) if "127.0.0.1" in url} == {"/v/", "/u/"}


def test_reading_a_mail_in_a_browser_writes_nothing_though_its_reader_has_changed(database_url, tmp_path):
    made = documents()
    html = BODY.replace("The guide", '</a><a href="{{ event.url }}">The event</a><a href="#">')
    made["emails/thanks"]["locales"]["en"]["html"] = html
    with served(World(database_url, tmp_path, made)) as site:
        site.world.lead("ada")
        site.world.store(
            [LeadRecord((Identity("email", "ada@example.com"),), {}, {"event_url": "https://www.example.com/1"})]
        )
        view = next(path_of(url) for url in links(mail_to(site.world, "ada")) if "/v/" in url)
        site.world.now += timedelta(minutes=1)
        site.world.store(
            [LeadRecord((Identity("email", "ada@example.com"),), {}, {"event_url": "https://www.example.com/2"})]
        )
        before = everything(site)
        page = site.browser.get(view).text
        assert "https://www.example.com/2" in links(page)
        assert "/c/" in page
        assert everything(site) == before


def test_old_mails_of_an_erased_lead_lead_on_and_say_nothing_of_anybody(tracked):
    html = mail_to(tracked.world, "ada")
    trap, guide, _, view, stop = (path_of(url) for url in links(html))
    erase_lead(tracked.world.context, "ada@example.com", tracked.world.now)
    before = everything(tracked)
    assert tracked.browser.get(guide).headers["location"] == GUIDE
    assert tracked.browser.get(trap).status_code == 204
    assert tracked.browser.get(view).status_code == 404
    assert tracked.browser.post(stop, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    key = tracked.world.rows("messages")[0]["key"]
    for method in ("GET", "POST"):
        answer = tracked.browser.request(
            method, f"/p/{sign(SECRET.encode(), PREFERENCES, key)}", data={"shown": "nurture"}
        )
        assert answer.status_code == 404
    assert everything(tracked) == before


def test_old_mails_of_a_lead_that_was_merged_speak_of_the_survivor(tracked):
    html = mail_to(tracked.world, "ada")
    tracked.world.lead("bo")
    survivor = tracked.world.lead_id("bo")
    tracked.world.merge("bo", "ada")
    tracked.browser.get(path_of(links(html)[1]))
    assert [fact["lead_id"] for fact in facts(tracked)] == [survivor]
    assert tracked.browser.get(path_of(links(html)[3])).status_code == 200


@pytest.mark.parametrize(
    ("stored", "led_to"),
    [
        (
            "https://www.example.com/blå/søren?q=æ&b=%C3%A6#ø",
            "https://www.example.com/bl%C3%A5/s%C3%B8ren?q=%C3%A6&b=%C3%A6#%C3%B8",
        ),
        ("https://rødgrød.example/x", "https://xn--rdgrd-vuad.example/x"),
        ("https://RØDGRØD.example:8443/x", "https://xn--rdgrd-vuad.example:8443/x"),
        ("https://www.example.com/\r\nSet-Cookie: a=b", "https://www.example.com/%0D%0ASet-Cookie:%20a=b"),
        ("https://www.example.com/?a=" + "x" * 8_000, "https://www.example.com/?a=" + "x" * 8_000),
        ("https://[2001:db8::1]/x", "https://[2001:db8::1]/x"),
        ("https://" + "ø" * 80 + ".example/", "https://" + "%C3%B8" * 80 + ".example/"),
        ("https://[", "https://["),
        ("https://www.example.com/%zz%41?a=b%26c|{d}", "https://www.example.com/%zz%41?a=b%26c%7C%7Bd%7D"),
    ],
)
def test_the_address_that_a_link_leads_to_is_plain_ascii_on_one_line(mailed, stored, led_to):
    with mailed.world.database.write() as connection:
        [(number, _)] = tracked_links.numbers_of(connection, {stored: None}).values()
    key = mailed.world.rows("messages")[0]["key"]
    answer = mailed.browser.get(f"/c/{seal(SECRET.encode(), CLICK, key, number)}")
    assert (answer.status_code, answer.headers["location"]) == (302, led_to)
    assert "set-cookie" not in answer.headers
