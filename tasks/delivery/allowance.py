"""What the workers of one run may still claim: the run's limit, the day's allowance of the domain, the rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from threading import Lock
from zoneinfo import ZoneInfo

from db import allowances, messages
from db.engine import Connection
from nurture.ramp_up import Ramp, most_on
from tasks.context import Run
from tasks.settings import EmailSettings

# Why a message waits that the day had no allowance for.
DAILY_LIMIT = "daily-limit"


@dataclass(frozen=True, slots=True)
class Share:
    """How many messages a worker may claim now; when none, after how many seconds to ask again, if at all."""

    messages: int
    ask_again_in: float | None = None


class Allowance:
    """Shared by the workers of one run; what several runs share stands in rows of the database."""

    def __init__(self, run: Run) -> None:
        settings = run.context.settings
        self.run = run
        self.email = settings.email
        self.domain = settings.sender.address.rpartition("@")[2].lower()
        self.zone = ZoneInfo(settings.project.time_zone)
        self.day = run.now.astimezone(self.zone).date()
        self.most_today = most_on(self.day, self.email.daily_limit, _ramp(self.email))
        self._left = self.email.limit_per_run
        self._asked_in_vain = False
        self._lock = Lock()

    @property
    def limit_reached(self) -> bool:
        """Whether more was ready than the run may send; what one worker only asks for is not gone yet."""
        return self._asked_in_vain and self._left <= 0

    def share(self, connection: Connection, wanted: int) -> Share:
        """Take up to so many, in the transaction of the claim; what is then not claimed goes back by `give_back`."""
        with self._lock:
            wanted = min(wanted, self._left)
            self._left -= wanted
        if not wanted:
            self._asked_in_vain = True
            return Share(0)
        granted, wait = wanted, None
        if self.most_today is not None:
            granted = min(granted, allowances.left_today(connection, self.domain, self.day, self.most_today))
        if granted and self.email.rate_per_second is not None:
            name = self.run.context.email.name
            granted, wait = allowances.draw(connection, name, granted, self.email.rate_per_second, self.run.now)
            if not granted and not messages.any_ready(connection, self.run.now):
                wait = None
        self._return(wanted - granted)
        if granted and self.most_today is not None:
            allowances.take(connection, self.domain, self.day, granted)
        return Share(granted, wait if not granted else None)

    def not_claimed(self, connection: Connection, number: int) -> None:
        """So many of a share found no message; in the transaction of the claim, so that its rate is not lost either."""
        self.give_back(connection, number)
        if number and self.email.rate_per_second is not None:
            allowances.pour_back(connection, self.run.context.email.name, number)

    def give_back(self, connection: Connection, number: int) -> None:
        """So many of what was taken are not sent after all."""
        if not number:
            return
        self._return(number)
        if self.most_today is not None:
            allowances.take(connection, self.domain, self.day, -number)

    def give_back_of(self, connection: Connection, leases: Sequence[datetime]) -> None:
        """What the workers had taken whose claims ended by these leases, each from its day."""
        if self.most_today is None:
            return
        lease = timedelta(seconds=self.email.lease_seconds)
        for day, number in sorted(Counter((end - lease).astimezone(self.zone).date() for end in leases).items()):
            allowances.take(connection, self.domain, day, -number)

    def _return(self, number: int) -> None:
        with self._lock:
            self._left += number

    def hold_until_tomorrow(self, connection: Connection) -> int:
        """When the day's allowance is used up, what is ready waits for the next day, and is not late for it."""
        if self.most_today is None:
            return 0
        if allowances.left_today(connection, self.domain, self.day, self.most_today) > 0:
            return 0
        return messages.hold_ready(connection, _midnight_after(self.day, self.zone), DAILY_LIMIT, self.run.now)


def _ramp(email: EmailSettings) -> Ramp | None:
    if email.ramp_up_from is None:
        return None
    return Ramp(email.ramp_up_from, email.ramp_up_first_day, email.ramp_up_growth)


def _midnight_after(day: date, zone: ZoneInfo) -> datetime:
    return datetime.combine(day + timedelta(days=1), time(), zone)
