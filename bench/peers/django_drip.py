"""The workload with django-drip-campaigns, run by the Python of its own environment: `django_drip.py CONTACTS`."""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta

import django
from django.conf import settings

_POINTS, _THRESHOLD, _BATCH = 5, 30, 2_000
# As long as Ripen's, 4 KB.
_MAIL = (
    "<p>Hi {{ user.first_name }},</p>"
    + "<p>This is what most readers find useful, and it takes five minutes.</p>" * 55
    + '<p><a href="https://www.example.com/guide">Start reading</a></p>'
)


def main(contacts: int) -> None:
    """Store events in bulk and points in one statement, which is the best that Django offers; then run both drips."""
    database = f"{os.environ['BENCH_FOLDER']}/drip.db"
    settings.configure(
        SECRET_KEY="bench",  # noqa: S106
        USE_TZ=True,
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": database}},
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "drip", "bench.peers.drip_app"],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        EMAIL_HOST="127.0.0.1",
        EMAIL_PORT=int(os.environ["BENCH_PORT"]),
        DEFAULT_FROM_EMAIL="hello@example.com",
    )
    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0, run_syncdb=True)
    from django.contrib.auth.models import User

    users = [User(username=f"u{n}", email=f"lead{n}@example.com", first_name=f"Lead {n}") for n in range(contacts)]
    User.objects.bulk_create(users, batch_size=_BATCH)
    event_s = _take_events(contacts)
    mails, mail_s = _send()
    note = f"Django {django.get_version()}; no consent, caps, ledger or tracking; it connects anew for each mail"
    answer = {
        "mail_ms": mail_s / mails * 1000,
        "event_ms": event_s / contacts / 10 * 1000,
        "mails": mails,
        "note": note,
    }
    print(json.dumps(answer))


def _take_events(contacts: int) -> float:
    from django.contrib.auth.models import User
    from django.db.models import OuterRef, Subquery, Sum

    from bench.peers.drip_app.models import Event, Profile

    ids = list(User.objects.order_by("id").values_list("id", flat=True))
    Profile.objects.bulk_create([Profile(user_id=id_) for id_ in ids], batch_size=_BATCH)
    began, start = time.process_time(), datetime(2026, 3, 1, tzinfo=UTC)
    rows = [
        Event(user_id=id_, kind="page", points=_POINTS, occurred_at=start + timedelta(minutes=n))
        for id_ in ids
        for n in range(10)
    ]
    Event.objects.bulk_create(rows, batch_size=_BATCH)
    total = Event.objects.filter(user=OuterRef("user")).values("user").annotate(sum=Sum("points")).values("sum")
    Profile.objects.update(points=Subquery(total))
    return time.process_time() - began


def _send() -> tuple[int, float]:
    from drip.models import Drip, QuerySetRule

    mails, began = 0, time.process_time()
    for name in ("thanks", "case study"):
        drip = Drip.objects.create(name=name, enabled=True, subject_template=name, body_html_template=_MAIL)
        QuerySetRule.objects.create(
            drip=drip, field_name="profile__points", lookup_type="gte", field_value=str(_THRESHOLD)
        )
        mails += drip.drip.run() or 0
    return mails, time.process_time() - began


if __name__ == "__main__":
    main(int(sys.argv[1]))
