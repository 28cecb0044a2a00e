"""No address that a mail or a page leads to says who reads it: not in clear, not encoded, not hashed."""

from __future__ import annotations

import base64
import email
import hashlib
import re
from email.policy import default
from urllib.parse import quote, unquote, urlsplit

from nurture.records import Consent, EventRecord, Identity, LeadRecord
from tests.journeys.life import shipped

WORDS = {"first_name": "Qvxfirst", "last_name": "Qvxlast", "name": "Qvxfirst Qvxlast", "company": "Qvxworks"}
ADDRESSES = {"en": "qvx.reader+tag@example.com", "da": "qvx.laeser@example.org"}
PHONE = "+4526471839"
URL = re.compile(r"(?:https?|mailto|tel):[^\s<>\"']+", re.IGNORECASE)


def forms(text: str) -> set[str]:
    """A text in every form in which it could stand in a URL, in small letters where it makes no difference."""
    found = {text.casefold(), quote(text, safe="").casefold()}
    for data in {text.encode(), text.casefold().encode(), text.encode().upper()}:
        found |= {hashlib.new(name, data).hexdigest() for name in ("md5", "sha1", "sha256", "sha512")}
        found |= {data.hex(), base64.b32encode(data).decode().rstrip("=").casefold()}
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            for digest in (data, hashlib.md5(data).digest(), hashlib.sha256(data).digest()):  # noqa: S324 - looked for
                found.add(encode(digest).decode().rstrip("=")[:-1].casefold())
    return found


def every_mail_in_one_sequence(documents):
    """All shipped e-mails, one after the other, to whoever registers for a webinar."""
    mails = sorted(key.partition("/")[2] for key in documents if key.startswith("emails/"))
    kept = {key: value for key, value in documents.items() if not key.startswith("sequences/")}
    kept["lifecycle"] = {**kept["lifecycle"], "recycle": {"cool_down": "30 days"}}
    kept["lifecycle"].pop("contact", None)
    kept["sequences/all"] = {
        "sequence": "all",
        "title": "Everything",
        "topic": "nurture",
        "entry": {"when": {"did": "webinar.registered"}},
        "steps": [{"id": name, "email": name} for name in mails],
    }
    return kept, mails


def reader(language: str) -> LeadRecord:
    address = ADDRESSES[language]
    # The newsletter is asked for and not confirmed: there is a mail that asks.
    topics = {"nurture": "granted", "events": "granted", "newsletter": "pending", "ads": "granted"}
    consents = tuple(Consent(status, "consent", "test", topic=topic) for topic, status in topics.items())
    event = {"event_title": "A webinar", "event_url": "https://example.com/w/1", "interest_topic": "planning"}
    starts = {"event_starts_at": "2026-03-05T10:00:00+01:00"}
    who = (Identity("email", address), Identity("phone", PHONE))
    fields = {**WORDS, "email": address, "phone": PHONE, "language": language}
    return LeadRecord(who, fields, {**event, **starts}, consents)


def test_no_url_of_any_shipped_mail_or_page_or_header_says_who_reads_it(site):
    world = site.world
    world.documents, mails = every_mail_in_one_sequence(shipped())
    world.publish()
    world.store([reader(language) for language in ADDRESSES])
    world.store(
        [
            EventRecord("test", f"event-{language}", "webinar.registered", world.now, (Identity("email", address),))
            for language, address in ADDRESSES.items()
        ]
    )
    world.run()
    sent = {(row["email"], row["locale"]) for row in world.rows("messages", status="accepted")}
    assert {name for name, _ in sent} == set(mails)
    assert len(world.outbox.messages) == 2 * len(mails)

    wanted = set().union(*(forms(text) for text in (*ADDRESSES.values(), *WORDS.values(), PHONE, PHONE[1:])))
    urls = [url for mail in world.outbox.messages for url in urls_of(mail.raw)]
    assert len(urls) > 6 * len(mails)
    ours = {url for url in urls if urlsplit(url).path.startswith("/u/")}
    assert len(ours) == 2 * len(mails)
    assert len({url for url in urls if urlsplit(url).path.startswith("/confirm/")}) == 2
    named = [
        (url, form) for url in urls for form in wanted if form in url.casefold() or form in unquote(url).casefold()
    ]
    assert named == []

    # The pages behind our own links, with all that they answer.
    for url in sorted(ours)[:3]:
        path = urlsplit(url).path
        for answer in (site.browser.get(path), site.browser.post(path, data={"List-Unsubscribe": "One-Click"})):
            assert answer.status_code == 200
            told = (answer.text + str(answer.headers)).casefold()
            assert [form for form in wanted if form in told] == []


def urls_of(raw: bytes) -> list[str]:
    """Every URL in the headers and in all texts of a mail."""
    mail = email.message_from_bytes(raw, policy=default)
    found = [url for _, value in mail.items() for url in URL.findall(str(value))]
    for part in mail.walk():
        if part.get_content_maintype() == "text":
            found += URL.findall(part.get_content())
    return found


def test_the_search_would_find_what_it_looks_for():
    wanted = forms("qvx.reader+tag@example.com")
    data = b"qvx.reader+tag@example.com"
    for hidden in (
        "https://x.example/?e=qvx.reader%2Btag%40example.com",
        f"https://x.example/{hashlib.sha256(data).hexdigest()}",
        f"https://x.example/{base64.urlsafe_b64encode(data).decode()}",
        f"https://x.example/{data.hex()}",
    ):
        assert [form for form in wanted if form in hidden.casefold()], hidden
