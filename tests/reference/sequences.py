"""A sequence over its runs, in plain loops: who enters, who leaves and why, which mails go out and which do not.

It is told the instants of the runs, and what had been received by then. Stages and sales tasks are facts here
(`stages.py` has them). Left out: variants, frequency caps, merges, history that arrives together with something new.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from nurture.keys import share_of, share_seeds
from tests.reference.lead_conditions import Lead, holds, length, opens
from tests.reference.sequence_operators import Operated
from tests.reference.sequence_steps import Enrollment, Message

RETRY_AFTER = [timedelta(minutes=each) for each in (5, 15, 60, 240, 720)]
STANDARD_EXITS = {
    "replied": {"did": "email.replied"},
    "hard-bounce": {"did": {"event": "email.bounced", "where": {"kind": "hard"}}},
    "complained": {"did": "email.complained"},
}


class Sequence(Operated):
    """One sequence with everybody who ever was in it."""

    def run(self, now: datetime, daily: bool) -> None:
        """What a run at this instant makes of everything that has been received."""
        self.release(now)
        news = {lead.id: all(event.silent for event in lead.news) for lead in self.leads if lead.news}
        if self.state != "hold":
            news |= dict.fromkeys(self.missed, False)
            self.missed.clear()
        self.look(news, now)
        for lead in self.leads if daily else []:
            self.edge(lead, False, now)
        moved = 1
        while moved:
            before = [dict(lead.fields) for lead in self.leads]
            moved = sum(self.advance(each, now) for each in self.active())
            changed = [lead for lead, fields in zip(self.leads, before, strict=True) if lead.fields != fields]
            self.look({lead.id: False for lead in changed}, now, updated=True)
            moved += len(changed) + sum(self.deliver(each, mail, now) for each, mail in self.mails())
        for lead in self.leads:
            lead.news.clear()

    def look(self, changed: dict[int, bool], now: datetime, updated: bool = False) -> None:
        """Goals, exits, replies of colleagues and entries of those of whom something is new."""
        for each in self.active():
            if each.lead.id in changed:
                self.leaves(each, now)
        for each in [] if updated else self.active():
            self.pause_for_reply(each, now)
        for lead in self.leads:
            if lead.id in changed:
                self.edge(lead, changed[lead.id], now)

    def edge(self, lead: Lead, silent: bool, now: datetime) -> None:
        """Who comes to fulfil the condition enters, unless it is history, sales has the lead, or it was in before."""
        entry = self.programs[self.live].body["entry"]
        if not holds(entry["when"], lead, now, None):
            self.marked.discard(lead.id)
            self.missed.discard(lead.id)
            return
        edge, again = lead.id not in self.marked, entry.get("reentry", "never")
        self.marked.add(lead.id)
        if edge and not silent and self.state == "hold":
            self.missed.add(lead.id)
        for each in [each for each in self.enrollments if each.lead is lead]:
            if again == "never" or each.ended is None or each.ended + length(again["after"]) > now:
                return
        if edge and not silent and self.state == "on" and not lead.in_hands:
            program = self.programs[self.live]
            each = Enrollment(lead, self.live, program.body["steps"][0]["id"], now, now, now)
            share = share_of(lead.id, share_seeds("holdout", program.body["sequence"]))
            each.hold = "holdout" if share < round(program.body.get("holdout", 0) * 100) else None
            self.enrollments.append(each)

    def leaves(self, each: Enrollment, now: datetime) -> bool:
        """Whether it ends (or pauses) here: by its goal, then an exit in their order, then because sales has it."""
        body, lead = self.programs[each.version].body, each.lead
        ends = [("goal", "goal", body["goal"])] if "goal" in body else []
        ends += [("exited", each_exit["reason"], each_exit["when"]) for each_exit in body.get("exits", [])]
        named = {reason for _, reason, _ in ends} | set(body.get("stay_after", []))
        ends += [("exited", reason, when) for reason, when in STANDARD_EXITS.items() if reason not in named]
        for status, reason, when in ends:
            if holds(when, lead, now, each.entered, ends=True):
                each.end(status, reason, now)
                return True
        if "became-customer" not in named and any(at > each.entered for at in lead.bought):
            each.end("exited", "became-customer", now)
        elif lead.in_hands and body.get("in_sales_hands", "leave") == "leave":
            each.end("exited", "in-sales-hands", now)
        elif lead.in_hands:
            self.hold(each, "in-sales-hands", None, now)
        return each.status != "active" or each.hold is not None

    def advance(self, each: Enrollment, now: datetime) -> bool:
        """As far as it can go now; returns whether it moved."""
        moved = False
        if each.waiting == "message" and each.mail is not None and each.mail.settled is not None and not each.hold:
            base = max(each.mail.settled, each.thawed or each.mail.settled)
            each.waiting, each.due, each.happened, moved = "wake", base, base, True
        program = self.programs[each.version]
        while each.status == "active" and not (each.hold or self.state == "hold" or each.waiting == "message"):
            if not program.ready(each, now):
                break
            moved = True
            if not self.leaves(each, now):
                program.execute(each, now)
        return moved

    def mails(self) -> list[tuple[Enrollment, Message]]:
        """What is on its way."""
        return [(each, mail) for each in self.enrollments for mail in each.mails.values() if mail.status == "queued"]

    def deliver(self, each: Enrollment, mail: Message, now: datetime) -> bool:
        """Send a mail if it may go now; returns whether it is settled."""
        body, lead = self.programs[self.live].body, each.lead
        if each.status == "active" and lead.in_hands and body.get("in_sales_hands") == "pause":
            self.hold(each, "in-sales-hands", None, now)
        if self.state == "hold" or each.hold or (mail.not_before is not None and mail.not_before > now):
            return False
        for refused, reason in (
            (lead.stopped, "suppressed"),
            (not lead.consent, "no-consent"),
            (lead.stage == "customer", "customer"),
            (lead.in_hands, "in-sales-hands"),
            (each.status != "active", "left-sequence"),
            (mail.expires < now, "too-late"),
        ):
            if refused:
                mail.settle("skipped", reason, now)
                return True
        if mail.window is not None and (opening := opens(mail.window, lead.zone, now)) > now:
            # What is held for quiet hours does not become late by that.
            mail.expires += opening - (mail.not_before if mail.quiet and mail.not_before else now)
            mail.not_before, mail.quiet = opening, True
            return False
        said = self.verdicts[lead.id].pop(0) if self.verdicts.get(lead.id) else "accepted"
        if said == "retry":
            mail.attempts, mail.quiet = mail.attempts + 1, False
            mail.not_before = now + RETRY_AFTER[min(mail.attempts, 5) - 1]
            return False
        mail.settle(said, {"rejected": "refused-by-provider", "unknown": "reply-lost"}.get(said), now)
        return True
