"""Every kind of mistake gives one problem that names file, line, column, what is wrong and what to do."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nurture.check import check_bundle, check_documents
from nurture.definitions.bundle import bundle_from_documents
from tests.nurture.sample_definitions import FILES, WELCOME, place_of, problems_with

SEQUENCE, SCORING, LIFECYCLE = "sequences/welcome.yaml", "scoring.yaml", "lifecycle.yaml"
AUDIENCES, EVENTS, EMAIL = "audiences.yaml", "events.yaml", "emails/hello/email.yaml"
# What is only remarked; everything else is an error.
WARNINGS = {
    "always-true-entry",
    "always-true-rule",
    "attended-below-registered",
    "empty-audience",
    "idle-cap",
    "left-empty",
    "missing-exit",
    "no-control",
    "no-points",
    "no-wait-between-emails",
    "settles-long",
    "takes-people",
    "unused-group",
}

# Every Monday for more than a year.
MONDAYS = ", ".join((date(2026, 1, 5) + timedelta(weeks=number)).isoformat() for number in range(54))

# The file, what stands there, what is written instead, where the problem shows, its code, words of message and remedy.
MISTAKES = [
    # Options and values of one definition.
    (SEQUENCE, "title: Welcome", "titel: Welcome", "titel", "unknown-option", "`titel`", "`title`"),
    (SEQUENCE, "did: webinar", "dit: webinar", "dit", "unknown-condition", "`dit`", "`did`"),
    (SEQUENCE, "stage: {below: sql}", "stage: sql, did: x", ": x", "yaml-syntax", "", ""),
    (SEQUENCE, "{stage: {at_least: sql}}", "{stage: sql, did: demo.requested}",
     "did: demo", "condition", "`stage`, `did`", "`all`"),
    (SEQUENCE, "{stage: {at_least: sql}}", "sql", "sql", "condition", "`goal`", "mapping"),
    (SEQUENCE, "below: sql", "below: sgl", "sgl", "unknown-stage", "`sgl`", "`sql`"),
    (SEQUENCE, "below: sql", "bellow: sql", "bellow", "unknown-option", "`bellow`", "`below`"),
    (SEQUENCE, "email: hello", "emial: hello", "emial", "unknown-step", "`emial`", "`email`"),
    (SEQUENCE, "{id: hello, ", "{", "{email: hello", "missing-option", "`id`", "add"),
    (SEQUENCE, "wait: 3 days", "wait: 3 dayz", "3 dayz", "wrong-value", "`3 dayz`", "`3 days`"),
    (SEQUENCE, "wait: 3 days", "wait: 3", "3}", "wrong-value", "`3 days`", ""),
    (SEQUENCE, "wait: 3 days", "wait: 0 days", "0 days", "zero-duration", "no time", "3 days"),
    (SEQUENCE, "wait: 3 days", "wait: 99999 days", "99999 days", "wrong-value", "ten years", ""),
    (SEQUENCE, ", timeout: 10 days", "", "<{until", "no-timeout", "`timeout`", "add `timeout"),
    (SEQUENCE, "wait: 3 days", "wait: {window: {from: 8}}", "8}", "wrong-value", "`from`", ""),
    (SEQUENCE, "entry:", "window: {holidays: ZZ}\nentry:", "ZZ", "unknown-country", "`ZZ`", "`DE-BY`"),
    (SEQUENCE, "wait: 3 days", "wait: {window: {holidays: ZZ}}", "ZZ", "unknown-country", "`ZZ`", "`DE-BY`"),
    (SEQUENCE, "entry:", "window: {closed: [24.12.2026]}\nentry:", "24.12", "wrong-value", "`24.12.2026`", ""),
    (SEQUENCE, "entry:", "window: {closed: [2026-02-30]}\nentry:", "2026-02", "wrong-value", "2026-12-24", ""),
    (SEQUENCE, "entry:", f"window: {{days: [mon], closed: [{MONDAYS}]}}\nentry:",
     "[2026", "never-open", "a year", "open"),
    (LIFECYCLE, "sales:", "contact: {caps: [{most: 0, per: 1 day}]}\nsales:", "0,", "wrong-value", "at least 1", ""),
    (LIFECYCLE, "sales:", "contact: {caps: [{most: 2, per: 0 days}]}\nsales:", "0 days", "zero-duration", "", "7 days"),
    (LIFECYCLE, "sales:", "contact: {caps: [{most: 2}]}\nsales:", "{most", "missing-option", "`per`", "add"),
    (LIFECYCLE, "sales:", "contact: {caps: [{most: 2, per: 1 day, topics: [nurtur]}]}\nsales:",
     "nurtur]", "unknown-topic", "`nurtur`", "`nurture`"),
    (LIFECYCLE, "sales:", "contact: {caps: [{most: 1, per: 1 day}, {most: 7, per: 7 days}]}\nsales:",
     "7, per", "idle-cap", "1 per 1 day", ""),
    (SEQUENCE, "topic: nurture", "topic: 5", "5", "wrong-type", "text", "quotes"),
    (SEQUENCE, "profiles: [b2b]", "profiles: b2b", "b2b", "wrong-type", "a list", "[ ]"),
    (SEQUENCE, "entry:", "priority: high\nentry:", "high", "wrong-type", "whole number", ""),
    (SEQUENCE, "entry:", "priority: 101\nentry:", "101", "wrong-value", "at most 100", ""),
    (SEQUENCE, "entry:\n", "entry:\n  reentry: sometimes\n", "sometimes", "wrong-value", "`never`", ""),
    (SEQUENCE, "goal: {stage: {at_least: sql}}", "goal:", "goal", "left-empty", "`goal`", "delete"),
    (SEQUENCE, "else: true", "else: yes", "yes", "unknown-value", "must be true", ""),
    (SEQUENCE, "title: Welcome", "title: {{ name }}", "{{", "unquoted-template", "", "quotes"),
    (SCORING, "points: 5", "points: five", "five", "wrong-type", "a number", ""),
    (SCORING, "points: 5", "points: true", "true", "wrong-type", "a number", ""),
    (SCORING, "points: 5", 'points: "5"', '"5"', "wrong-type", "a number", "quotes"),
    (SCORING, "points: 5", "points: 5.50", "5.50", "ambiguous-value", "5.5", "quotes"),
    (SCORING, "at_least: 50}", "is: {a: 1}}", "{a: 1}", "wrong-type", "text, a number", ""),
    (AUDIENCES, "kind: exclusion", "kind: exclude", "exclude", "unknown-value", "`exclude`", "`exclusion`"),
    # Names that other files declare.
    (SEQUENCE, "email.replied", "email.repleid",
     "email.repleid", "unknown-event", "`email.repleid`", "`email.replied`"),
    (SEQUENCE, "until: email.clicked", "until: email.clickd", "email.clickd", "unknown-event", "", "`email.clicked`"),
    (SEQUENCE, "did: webinar.registered", "did: webinars.*",
     "webinars.*", "unknown-event", "`webinars.*`", "`webinar.*`"),
    (SEQUENCE, "email: hello", "email: helo", "helo", "unknown-email", "`helo`", "`hello`"),
    (SEQUENCE, "add: readers", "add: reader", "reader", "unknown-audience", "`reader`", "`readers`"),
    (SEQUENCE, "field: industry", "field: industri", "industri", "unknown-field", "`industri`", "`industry`"),
    (SEQUENCE, "topic: nurture", "topic: nurtur", "nurtur", "unknown-topic", "`nurtur`", "`nurture`"),
    (SEQUENCE, "profiles: [b2b]", "profiles: [b2d]", "b2d", "unknown-profile", "`b2d`", "did you mean"),
    (SEQUENCE, "title: Welcome", "title: Welcome\ntime_zone: Europe/Copenhagn",
     "Europe/", "unknown-time-zone", "", "`Europe/Copenhagen`"),
    (SEQUENCE, "{stage: {at_least: sql}}", "{consent: nurtur}", "nurtur", "unknown-topic", "", "`nurture`"),
    (SEQUENCE, "{stage: {at_least: sql}}", "{audience: customer}", "customer", "unknown-audience", "", "`customers`"),
    (SCORING, "event: email.clicked", "event: email.click", "email.click", "unknown-event", "", "`email.clicked`"),
    (SCORING, "event: email.clicked", "event: email.*", "email.*", "unknown-event", "many", "name each"),
    (SCORING, "group: mail", "group: mial", "mial", "unknown-group", "`mial`", "`mail`"),
    (SCORING, "field: employees", "field: employes", "employes", "unknown-field", "", "`employees`"),
    (LIFECYCLE, "on: demo.requested", "on: demo.request", "demo.request", "unknown-event", "", "`demo.requested`"),
    (LIFECYCLE, "demo.requested: Call", "demo.booked: Call", "demo.booked", "unknown-event", "", ""),
    (LIFECYCLE, "sequence: welcome", "sequence: welcom", "welcom", "unknown-sequence", "", "`welcome`"),
    (AUDIENCES, "title: Readers", "topic: add", "add", "unknown-topic", "`add`", "`ads`"),
    (EVENTS, "from: page.viewed", "from: page.view", "page.view", "unknown-event", "", "`page.viewed`"),
    (EVENTS, "  page.pricing_visited: {from", "  page.price: {from",
     "page.price", "unknown-event", "", "`page.viewed`"),
    (EMAIL, "nurture", "nurtures", "nurtures", "unknown-topic", "", "`nurture`"),
    (EMAIL, "topic", "topci", "topci", "unknown-option", "", "`topic`"),
    # Conditions that cannot work.
    (SEQUENCE, "- did: webinar.registered", "- did: {event: webinar.registered, since_entry: true}",
     "since_entry", "since-entry-outside-sequence", "", "within"),
    (SCORING, "{field: employees, at_least: 50}", "{score: {at_least: 5}}",
     "score", "score-in-fit-rule", "`score`", "profile fields"),
    (SCORING, "{field: employees, at_least: 50}", "{not: {stage: sql}}",
     "stage", "stage-in-fit-rule", "`stage`", "profile fields"),
    (SCORING, "{field: employees, at_least: 50}", "{always: true}", "<when", "always-true-rule", "everyone", ""),
    (SCORING, "at_least: 50", "contains: many", "contains", "wrong-operator", "`employees`", "at_least"),
    (SCORING, "at_least: 50", "is: many", "many", "wrong-type", "holds a number", "number"),
    (SCORING, "{field: employees, at_least: 50}", "{field: renewal, is: tomorrow}",
     "is", "wrong-operator", "holds a date", "is_set"),
    (SCORING, "{field: employees, at_least: 50}", "{field: is_partner, is: 'yes'}",
     "'yes'", "wrong-type", "true or false", ""),
    (SEQUENCE, "{score: {at_least: 20}}", "{score: {at_least: 20, below: 10}}",
     "score", "never-true", "20 and below 10", "swap"),
    (SEQUENCE, "{score: {at_least: 20}}", "{account_score: {at_least: 20}}",
     "account_score", "account-scores-off", "", "lifecycle.yaml"),
    (SEQUENCE, "stage: {below: sql}", "stage: {below: lead}", "<when", "never-true", "nobody enters", ""),
    (SEQUENCE, "{stage: {at_least: sql}}", "{stage: {at_least: lead}}", "<goal", "always-true-end", "the goal", ""),
    (AUDIENCES, "{stage: customer}", "{audience: customers}", "<when", "audience-circle", "`customers`", ""),
    # Rules that never act, or act twice.
    (SCORING, "event: webinar.registered", "event: email.clicked",
     "<{event", "duplicate-id", "`email.clicked`", "`id`"),
    (SCORING, "points: 20", "points: 2", "2}", "attended-below-registered", "2 points", "keep it"),
    (SCORING, "points: 5", "points: 0", "0,", "no-points", "", ""),
    (SCORING, ", group: mail", "", "mail:", "unused-group", "`mail`", ""),
    (LIFECYCLE, "mql: 30", "mql: 300", "100", "threshold-order", "b2b", "above"),
    (LIFECYCLE, "mql: 20", "mql: 0", "0,", "threshold-too-low", "b2c", ""),
    (LIFECYCLE, "to: mql", "to: lead", "lead", "conversion-never-fires", "below `lead`", ""),
    (LIFECYCLE, "[webinar.attended]", "[webinar.attended, demo.requested]",
     "demo.requested", "conversion-never-fires", "`asked`", "narrow"),
    (LIFECYCLE, "to: mql", "to: mql\n    from: sql", "<id: took-part", "wrong-value", "forward", ""),
    (LIFECYCLE, "recycle:", "recycle:\n  to: customer", "customer", "recycle-forward", "", ""),
    (LIFECYCLE, "id: asked", "id: took-part", "took-part\n    to: sql", "duplicate-id", "`took-part`", ""),
    (AUDIENCES, "customers:\n    kind: exclusion\n    when: {stage: customer}", "customers: {kind: exclusion}",
     "customers", "empty-audience", "nobody", "`when`"),
    # The course of a sequence.
    (SEQUENCE, "id: clicked", "id: hello", "hello\n    wait", "duplicate-id", "`hello`", "branches"),
    (SEQUENCE, "id: note", "id: hello", "hello, update", "duplicate-id", "`hello`", "branches"),
    (SEQUENCE, "{id: pause, wait: 3 days}", "{id: out, exit: enough}", "show", "unreachable-step", "`show`", "exit"),
    (SEQUENCE, "id: note, update: {field: industry, to: known}", "id: note, exit: known",
     "call", "unreachable-step", "`call`", "exit"),
    (SEQUENCE, "if: {score: {at_least: 20}}", "else: true", "name: rest", "unreachable-way", "way 2", ""),
    (SEQUENCE, "name: rest", "name: keen", "keen\n        else", "duplicate-id", "`keen`", ""),
    (SEQUENCE, "{id: pause, wait: 3 days}", "{id: again, email: hello}",
     "hello}\n  - {id: show", "no-wait-between-emails", "`again`", "`wait`"),
    (SEQUENCE, "did: [email.replied, email.bounced, email.complained]}",
     "did: email.replied}\nstay_after: [complained]",
     "stay_after", "missing-exit", "`email.complained`", "exit"),
    (SEQUENCE, "email: hello}", "email: hello, variants: [{name: b, email: helo, share: 5}]}",
     "helo", "unknown-email", "`helo`", "`hello`"),
    (SEQUENCE, "email: hello}", "email: hello, variants: [{name: control, email: hello, share: 5}]}",
     "control", "duplicate-id", "`control`", "own"),
    (SEQUENCE, "email: hello}", "email: hello, variants: [{name: b, email: hello, share: 100}]}",
     "variants", "no-control", "nobody gets `hello`", "share"),
    (SEQUENCE, "    all:\n      - did: webinar.registered\n      - stage: {below: sql}", "    always: true",
     "<when", "always-true-entry", "everyone", ""),
    (SEQUENCE, "sequence: welcome", "sequence: wellcome", "wellcome", "name-differs", "welcome.yaml", "same"),
    (SEQUENCE, "to: known", "to: 5", "5", "wrong-type", "holds text", ""),
    (SEQUENCE, "field: industry", "field: email", "email", "not-updatable", "`email`", ""),
    (SEQUENCE, "topic: nurture", "topic: ads", "ads", "topic-channel", "e-mail", "`email`"),
    (AUDIENCES, "title: Readers", "topic: nurture", "nurture", "topic-channel", "advertising", "`ads`"),
    (AUDIENCES, "title: Readers", "by_steps: false, when: {stage: mql}",
     None, "audience-not-by-steps", "`readers`", "by_steps"),
    # The catalogue.
    (EVENTS, "  email.clicked:", "  Clicked:", None, "bad-name", "`Clicked`", "noun.verb"),
    (EVENTS, "  industry:", "  company:", None, "built-in-field", "`company`", "delete"),
    (EVENTS, "topics:", "machines: {too_fast: 2 parsecs}\ntopics:", "2 parsecs", "wrong-value", "`2 parsecs`", ""),
    (EVENTS, "topics:", "machines: {too_fast: 0 s}\ntopics:", "0 s", "zero-duration", "no time", "false"),
    (EVENTS, "topics:", "machines: {too_fast: 2 hours}\ntopics:", "2 hours", "takes-people", "people", "seconds"),
    (EVENTS, "topics:", "machines: {settle: 1 hour}\ntopics:", "1 hour", "settles-long", "nothing comes of", "minute"),
    (EVENTS, "topics:", "machines: {settle: 0 min}\ntopics:", "0 min", "zero-duration", "no time", "`settle: false`"),
    (EVENTS, "topics:", "machines: {honeypot: {any_agent: 0 s}}\ntopics:",
     "0 s", "zero-duration", "no time", "`honeypot: false`"),
    (EVENTS, "topics:", "machines: {honeypot: {same_agent: 2 days}}\ntopics:",
     "2 days", "takes-people", "people", "seconds"),
    (EVENTS, "topics:", "machines: {honeypot: {any_agent: 1 hour}}\ntopics:", "1 hour", "takes-people", "people", ""),
    (EVENTS, "topics:", "machines: {prefetch: {same: 1 s}}\ntopics:", "same", "unknown-option", "`same`", "same_agent"),
    (EVENTS, "topics:", "machines: {gateway: {messages: 1}}\ntopics:", "1}", "wrong-value", "at least 2", ""),
    (EVENTS, "topics:", "machines: {every_link: {links: 1}}\ntopics:", "1}", "wrong-value", "at least 2", ""),
    (EVENTS, "topics:", "machines: {every_link: {whithin: 9 s}}\ntopics:",
     "whithin", "unknown-option", "`whithin`", "`within`"),
    (EVENTS, "topics:", "machines: {user_agents: [Chrome]}\ntopics:", "Chrome", "agent-of-people", "`Chrome`", ""),
    (SEQUENCE, "wait: 3 days", "wait: 10 s", "10 s", "wrong-value", "`10 s`", "`3 days`"),
    (EVENTS, "where: {url: {contains: /pricing}}", "at_least: 3", "<{from", "wrong-value", "`visit_gap`", ""),
]  # fmt: skip


def test_the_sample_has_no_problem():
    assert check_documents(FILES).problems == []


@pytest.mark.parametrize(
    ("file", "old", "new", "mark", "code", "message", "remedy"),
    MISTAKES,
    ids=[f"{each[4]}-{number}" for number, each in enumerate(MISTAKES)],
)
def test_a_mistake_is_said_once_with_place_and_remedy(file, old, new, mark, code, message, remedy):
    problems = problems_with(file, old, new)

    if mark is None:  # the mistake shows in other places too
        problems = [each for each in problems if each.code == code]
    [problem] = problems
    assert (problem.code, problem.severity) == (code, "warning" if code in WARNINGS else "error")
    assert message in problem.message
    assert remedy in problem.remedy
    if mark is not None:
        assert (problem.file, problem.line, problem.column) == (file, *place_of(file, old, new, mark))


def test_new_leads_can_be_told_from_long_standing_ones():
    assert problems_with(SCORING, "{field: employees, at_least: 50}", "{field: created_at, newer_than: 30 days}") == []
    [problem] = problems_with(SCORING, "{field: employees, at_least: 50}", "{field: renewal, older_than: 30 days}")
    assert (problem.code, problem.remedy) == ("wrong-operator", "use one of: is_set")


@pytest.mark.parametrize(
    "caps",
    [
        "{most: 3, per: 7 days}, {most: 1, per: 1 day}",
        # Fewer in a day than in a week, but of one topic only.
        "{most: 1, per: 7 days, topics: [nurture]}, {most: 2, per: 7 days}",
        "{most: 13, per: 7 days}, {most: 2, per: 24 h}",
    ],
)
def test_caps_that_all_count_are_no_mistake(caps):
    assert problems_with(LIFECYCLE, "sales:", f"contact: {{caps: [{caps}]}}\nsales:") == []


def test_several_mistakes_are_all_said_at_once():
    files = {**FILES, SEQUENCE: WELCOME.replace("email: hello", "email: helo").replace("add: readers", "add: reader")}
    files["scoring.yaml"] = FILES["scoring.yaml"].replace("points: 5", "points: five")

    assert [each.code for each in check_documents(files).problems] == [
        "wrong-type",
        "unknown-email",
        "unknown-audience",
    ]


def test_a_broken_file_does_not_make_the_others_look_broken():
    files = {**FILES, "events.yaml": "events: [", SEQUENCE: "sequence: welcome\nsteps: 'x\n"}

    assert [(each.file, each.code) for each in check_documents(files).problems] == [
        ("events.yaml", "yaml-syntax"),
        (SEQUENCE, "yaml-syntax"),
    ]


@pytest.mark.parametrize(
    ("path", "code", "severity", "remedy"),
    [
        ("sequences/other.yml", "unknown-file", "warning", "rename it to sequences/other.yaml"),
        ("scorings.yaml", "unknown-file", "warning", "did you mean `scoring.yaml`?"),
        ("notes/plan.txt", "unknown-file", "warning", "move it elsewhere; the README says what each file is"),
        ("sequences/My Sequence.yaml", "file-name", "error", "use lower-case letters, digits, `-` and `_`"),
        ("emails/../x/email.yaml", "file-name", "error", "use lower-case letters, digits, `-` and `_`"),
        ("sales/Brief.md", "file-name", "error", "use lower-case letters, digits, `-` and `_`"),
    ],
)
def test_a_file_that_nothing_reads_is_not_passed_over_in_silence(path, code, severity, remedy):
    [problem] = check_documents({**FILES, path: "x: 1\n"}).problems

    assert (problem.file, problem.code, problem.severity, problem.remedy) == (path, code, severity, remedy)


@pytest.mark.parametrize("name", ["events", "scoring", "lifecycle"])
def test_a_missing_or_empty_file_is_one_problem(name):
    without = {path: text for path, text in FILES.items() if path != f"{name}.yaml"}
    empty = {**FILES, f"{name}.yaml": "# later\n"}

    assert [(each.file, each.code) for each in check_documents(without).errors] == [(f"{name}.yaml", "missing-file")]
    assert [(each.file, each.code) for each in check_documents(empty).errors] == [(f"{name}.yaml", "empty-file")]


def test_a_file_that_is_a_list_is_told_what_it_should_be():
    problems = check_documents({**FILES, "scoring.yaml": "- a\n"}).problems

    assert [(each.code, each.message) for each in problems] == [
        ("wrong-type", "the file must be a mapping of names and values, not a list")
    ]


def test_an_email_that_no_sequence_sends_is_remarked():
    folder = {path.replace("hello", "spare"): text for path, text in FILES.items() if path.startswith("emails/hello/")}
    [problem] = check_documents({**FILES, **folder}).problems

    assert (problem.file, problem.code, problem.severity) == ("emails/spare/email.yaml", "unused-email", "warning")


def test_a_marketing_email_without_unsubscribe_link_is_an_error():
    text = FILES["emails/hello/text.txt"].replace("{{ links.unsubscribe }}", "")
    [problem] = check_documents({**FILES, "emails/hello/text.txt": text}).problems

    assert (problem.file, problem.code, problem.severity) == ("emails/hello/text.txt", "marketing-obligation", "error")


def test_a_field_of_the_catalogue_may_be_used_in_an_email():
    text = FILES["emails/hello/text.txt"] + "{{ lead.industry | default('your field') }}\n"

    assert check_documents({**FILES, "emails/hello/text.txt": text}).problems == []


def test_a_partial_is_checked_with_the_email_that_includes_it_and_remarked_when_none_does():
    offer, body = "emails/_partials/offer.html", "emails/hello/body.html"
    used = {**FILES, body: FILES[body].replace("Hello ", 'Hello {% include "_partials/offer.html" %} ', 1)}
    assert used[body] != FILES[body]

    assert check_documents({**used, offer: "<b>{{ project.name }}</b>\n"}).problems == []
    [problem] = check_documents({**used, offer: "\n{{ project.nme }}"}).problems
    assert (problem.file, problem.line, problem.code, problem.remedy) == (
        offer,
        2,
        "unknown-field",
        "did you mean `name`?",
    )
    [problem] = check_documents({**FILES, offer: "x"}).problems
    assert (problem.file, problem.code, problem.severity) == (offer, "unused-partial", "warning")
    [problem] = check_documents(used).problems
    assert (problem.file, problem.code) == (body, "template-include")


@pytest.mark.parametrize("name", ["Offer.html", "offer.md", "deep/offer.html", "..", "_layout.html.bak"])
def test_what_is_no_partial_is_not_taken_for_an_email(name):
    [problem] = check_documents({**FILES, f"emails/_partials/{name}": "x"}).problems

    assert (problem.code, problem.severity, problem.message) == ("file-name", "error", "this is no partial")


def test_an_email_may_be_mjml_with_a_layout_and_without_a_text():
    mjml = (
        '<mjml lang="{{ email.locale }}"><mj-body><mj-section><mj-column>{% block body %}{% endblock %}'
        '<mj-text><a href="{{ links.unsubscribe }}">Unsubscribe</a><br />{{ project.postal_address }}</mj-text>'
        "</mj-column></mj-section></mj-body></mjml>\n"
    )
    body = '{% extends "_layout.mjml" %}\n{% block body %}<mj-text>Hi</mj-text>{% endblock %}\n'
    rest = {
        path: text for path, text in FILES.items() if path not in ("emails/hello/body.html", "emails/hello/text.txt")
    }
    files = {**rest, "emails/_layout.mjml": mjml, "emails/hello/body.mjml": body}
    result = check_documents(files)

    assert result.problems == []
    assert bundle_from_documents(result.documents, "b2b").emails["hello"].locales["en"].mjml == body
    [problem] = check_documents({**files, "emails/hello/body.mjml": body.replace("mj-text", "mj-txt")}).problems[:1]
    assert (problem.line, problem.code, problem.remedy) == (2, "mjml-tag", "did you mean `mj-text`?")


def test_a_typed_field_of_the_catalogue_is_formatted_by_its_type():
    text = FILES["emails/hello/text.txt"]
    good = text + "{% if lead.renewal %}{{ lead.renewal | date }}{% endif %}\n"
    assert check_documents({**FILES, "emails/hello/text.txt": good}).problems == []
    [problem] = check_documents({**FILES, "emails/hello/text.txt": good.replace(" | date", "")}).problems
    assert (problem.code, problem.remedy) == ("field-format", "write `{{ lead.renewal | date }}`")


def test_the_sales_brief_may_not_do_more_than_other_templates():
    [problem] = check_documents({**FILES, "sales/brief.md": "{{ lead.name.upper() }}\n"}).errors

    assert (problem.file, problem.line) == ("sales/brief.md", 1)


def test_a_mapping_is_checked_against_the_catalogue_and_is_no_definition():
    mapping = """\
identities: {email: Email}
events:
  - {type: webinar.atended, occurred_at: When}
lead: {consents: [{topic: nurtur}]}
"""
    result = check_documents({**FILES, "mappings/crm.yaml": mapping})

    assert [(each.file, each.line, each.column, each.code, each.remedy) for each in result.problems] == [
        ("mappings/crm.yaml", 3, 12, "unknown-event", "did you mean `webinar.attended`?"),
        ("mappings/crm.yaml", 4, 27, "unknown-topic", "did you mean `nurture`?"),
    ]
    assert not [key for key in result.documents if "crm" in key]


def test_the_documents_build_a_bundle_for_each_profile():
    result = check_documents(FILES)

    b2b = bundle_from_documents(result.documents, "b2b")
    b2c = bundle_from_documents(result.documents, "b2c")

    assert (set(b2b.sequences), set(b2c.sequences)) == ({"welcome"}, set())
    assert b2b.rules.thresholds.sql == 100
    assert b2b.templates["sales/brief.md"] == FILES["sales/brief.md"]
    assert b2b.emails["hello"].topic == "nurture"
    assert check_bundle(b2b) == []
    assert check_bundle(b2c) == []


def test_a_bundle_is_checked_like_the_files_it_came_from():
    documents = check_documents(FILES).documents
    documents["scoring"] = {"rules": [{"event": "email.clikced", "points": 1}]}

    [problem] = check_bundle(bundle_from_documents(documents, "b2b"))

    assert (problem.file, problem.code) == ("scoring.yaml", "unknown-event")
    assert problem.message == "rules.0.event: unknown event type `email.clikced`"


def test_activity_and_patterns_stand_for_the_types_of_the_catalogue():
    entry = "did: {event: [activity, email.*], within: 90 days, where: {until: activity}}"
    files = {**FILES, SEQUENCE: WELCOME.replace("did: webinar.registered", entry)}
    result = check_documents(files)
    assert result.problems == []

    test = bundle_from_documents(result.documents, "b2b").sequences["welcome"].entry.when.all[0].did

    assert "page.viewed" in test.event
    assert "email.bounced" in test.event  # by `email.*`
    assert "sales.rejected" not in test.event  # no activity
    assert len(test.event) == len(set(test.event))
    assert test.where["until"].is_ == "activity"  # a property, not a pattern


WORDS = st.sampled_from(
    ["a", "rules", "events", "when", "did", "all", "not", "steps", "id", "email", "wait", "branch", "1"]
)
DATA = st.recursive(
    st.one_of(WORDS, st.integers(), st.booleans(), st.none(), st.floats(allow_nan=False, allow_infinity=False)),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(WORDS, inner, max_size=4)),
    max_leaves=12,
)


def as_yaml(data: object) -> str:
    if isinstance(data, dict):
        return "{" + ", ".join(f'"{key}": {as_yaml(value)}' for key, value in data.items()) + "}"
    if isinstance(data, list):
        return "[" + ", ".join(as_yaml(each) for each in data) + "]"
    if isinstance(data, bool) or data is None:
        return {True: "true", False: "false", None: "null"}[data]
    return str(data)


@given(file=st.sampled_from(["events.yaml", "scoring.yaml", "lifecycle.yaml", "audiences.yaml", SEQUENCE]), data=DATA)
@settings(max_examples=60)
@example(file="sequences/welcome.yaml", data={"steps": ["a"]})
def test_whatever_a_file_holds_the_check_answers(file, data):
    result = check_documents({**FILES, file: as_yaml(data) + "\n"})

    assert all(each.line >= 1 and each.column >= 1 and each.message for each in result.problems)
    assert result.ok or result.errors
