"""A small templates folder without any problem, for tests that spoil it in one place."""

from __future__ import annotations

from nurture.check import check_documents
from nurture.problems import Problem

EVENTS = """\
events:
  email.clicked: {label: Clicked, channel: email, direction: push}
  email.replied: {label: Replied, channel: email, direction: inbound}
  email.bounced: {label: Bounced, channel: email, direction: push, counts_as_activity: false}
  email.complained: {label: Complained, channel: email, direction: push, counts_as_activity: false}
  page.viewed: {label: Page viewed, channel: website, direction: inbound}
  page.pricing_visited: {label: Prices looked at, channel: website, direction: inbound}
  webinar.registered: {label: Registered, channel: webinar, direction: inbound}
  webinar.attended: {label: Attended, channel: webinar, direction: inbound}
  demo.requested: {label: Demo requested, channel: website, direction: inbound}
  sales.rejected: {label: Rejected, channel: sales, direction: outbound, counts_as_activity: false}
derived:
  page.pricing_visited: {from: page.viewed, where: {url: {contains: /pricing}}}
fields:
  industry: {label: Industry}
  employees: {type: number}
  is_partner: {type: boolean}
  renewal: {type: date}
topics:
  nurture: {label: Advice by e-mail, channel: email}
  ads: {label: Advertising, channel: ads}
"""

SCORING = """\
rules:
  - {event: email.clicked, points: 5, group: mail}
  - {event: webinar.registered, points: 10}
  - {event: webinar.attended, points: 20}
fit:
  - id: large
    points: 10
    when: {field: employees, at_least: 50}
groups:
  mail: {cap: 50}
"""

LIFECYCLE = """\
conversions:
  - id: took-part
    to: mql
    on: [webinar.attended]
  - id: asked
    to: sql
    on: demo.requested
profiles:
  b2b:
    thresholds: {mql: 30, sql: 100}
  b2c:
    thresholds: {mql: 20, sql: 60}
sales:
  next_steps:
    demo.requested: Call.
recycle:
  reasons:
    too_early: {sequence: welcome, cool_down: 60 days}
"""

AUDIENCES = """\
audiences:
  readers: {title: Readers}
  customers:
    kind: exclusion
    when: {stage: customer}
"""

WELCOME = """\
sequence: welcome
title: Welcome
topic: nurture
profiles: [b2b]
entry:
  when:
    all:
      - did: webinar.registered
      - stage: {below: sql}
goal: {stage: {at_least: sql}}
exits:
  - reason: stop
    when: {did: [email.replied, email.bounced, email.complained]}
steps:
  - {id: hello, email: hello}
  - {id: pause, wait: 3 days}
  - {id: show, audience: {add: readers}}
  - id: clicked
    wait: {until: email.clicked, timeout: 10 days}
  - id: way
    branch:
      - name: keen
        if: {score: {at_least: 20}}
        steps:
          - {id: note, update: {field: industry, to: known}}
      - name: rest
        else: true
        steps:
          - {id: give-up, exit: not-keen}
  - {id: call, task: {title: Call}}
"""

_BODY = "Hello {{ project.name }} {{ project.postal_address }} {{ links.unsubscribe }}\n"

FILES = {
    "README.md": "What is here.\n",
    "events.yaml": EVENTS,
    "scoring.yaml": SCORING,
    "lifecycle.yaml": LIFECYCLE,
    "audiences.yaml": AUDIENCES,
    "sequences/welcome.yaml": WELCOME,
    "emails/hello/email.yaml": "topic: nurture\n",
    "emails/hello/subject.txt": "Hello\n",
    "emails/hello/text.txt": _BODY,
    "emails/hello/body.html": f"<p>{_BODY}</p>",
    "sales/brief.md": "# {{ lead.name }}\n",
}


def problems_with(file: str, old: str, new: str) -> list[Problem]:
    """What the check says when one piece of one file is replaced."""
    assert FILES[file].count(old) >= 1, f"{file} has no {old!r}"
    return check_documents({**FILES, file: FILES[file].replace(old, new, 1)}).problems


def place_of(file: str, old: str, new: str, mark: str) -> tuple[int, int]:
    """Line and column of `mark` at or after the replaced piece; with `<` before it, of the last one up to its end."""
    text = FILES[file].replace(old, new, 1)
    start = FILES[file].index(old)
    index = text.rindex(mark[1:], 0, start + len(new)) if mark.startswith("<") else text.index(mark, start)
    before = text[:index].split("\n")
    return len(before), len(before[-1]) + 1
