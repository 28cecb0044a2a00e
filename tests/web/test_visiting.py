"""Links, pixel and browser view of a mail: the visit is a fact, the link leads where it was told to, no more moves."""

from __future__ import annotations

import re
from copy import deepcopy
from datetime import timedelta
from email import message_from_bytes, policy
from html import unescape

import pytest

from connectors.email import Verdict
from nurture.tokens import CLICK, OPEN, TRAP, VIEW, seal, unseal
from tasks.privacy.erase import erase_lead
from tests.web.conftest import everything, served
from tests.world import DOCUMENTS, SECRET

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
def tracked(database_url, tmp_path):
    with served(database_url, tmp_path, documents()) as site:
        yield site


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


def test_a_person_who_comes_in_the_minute_of_a_scanner_is_not_taken_for_it(tracked):
    guide = path_of(links(mail_to(tracked.world, "ada"))[1])
    for agent in ("A scanner", "A browser", "A scanner", "A browser"):
        tracked.browser.get(guide, headers={"user-agent": agent})
    assert [fact["properties"]["user_agent"] for fact in facts(tracked)] == ["A scanner", "A browser"]
    for number in range(300):
        tracked.browser.get(guide, headers={"user-agent": f"Agent {number}"})
    assert len(facts(tracked)) <= 64


def test_the_old_links_of_an_erased_reader_lead_on_and_tell_nothing(tracked):
    html = mail_to(tracked.world, "ada")
    trap, guide, _, view, stop = (path_of(url) for url in links(html))
    erase_lead(tracked.world.context, "ada@example.com", tracked.world.now)
    before = everything(tracked)
    assert tracked.browser.get(guide).headers["location"] == GUIDE
    assert tracked.browser.get(trap).status_code == 204
    assert tracked.browser.get(view).status_code == 404
    assert tracked.browser.post(stop, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert everything(tracked) == before


def test_a_mail_in_the_browser_counts_nothing_of_who_said_no(tracked):
    html = mail_to(tracked.world, "ada")
    view = path_of(links(html)[3])
    assert "/c/" in tracked.browser.get(view).text
    tracked.world.store_consent("ada", "measuring", "withdrawn")
    assert "/c/" not in tracked.browser.get(view).text


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
    with served(database_url, tmp_path, documents(track_opens=True)) as site:
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
