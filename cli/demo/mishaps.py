"""What goes wrong in any business: lines that nobody can use, clocks that run ahead, a file that comes twice."""

from __future__ import annotations

from datetime import datetime, timedelta

from cli.demo.business import Business

Row = dict[str, str]


def mishaps_of(business: Business, now: datetime) -> list[Row]:
    """The broken lines that come with the file of an instant; most files have none."""
    day = (now - business.opens).days
    if now.hour > 9 or day % 9 != 4:
        return []
    who = business.person(1 + day % business.leads)
    row = {"source_event_id": f"mishap-{day}", "source": "website", "occurred_at": now.isoformat(), "email": who.email}
    kinds: list[list[Row]] = [
        [{**row, "type": "webinar.attendd"}],
        [{**row, "type": "page.viewed", "email": ""}],
        [{**row, "type": "newsletter.subscribed", "email": "not-an-address"}],
        # A system whose clock runs two hours ahead: the run that reaches the time takes it in.
        [{**row, "type": "page.viewed", "occurred_at": (now + timedelta(hours=2)).isoformat()}],
        [{**row, "type": "guide.downloaded", "occurred_at": "yesterday"}],
        [{**row, "type": "social.interacted"}, {**row, "type": "social.interacted"}],
    ]
    return kinds[day // 9 % len(kinds)]
