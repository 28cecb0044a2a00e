"""Every reason that is stored beside a refusal, a hold or an end, in plain words; the code stays what it is."""

from __future__ import annotations

# Why a message was not sent, or waits.
MESSAGES: dict[str, str] = {
    "no-address": "the lead has no e-mail address",
    "merged": "the lead has become part of another one",
    "suppressed": "the address is suppressed: a bounce, a complaint, an unsubscribe or a person stopped it",
    "erased": "the person was erased while it waited",
    "unsubscribed": "the lead has withdrawn its consent for this topic",
    "no-consent": "nobody has granted this topic, and a marketing mail needs it",
    "not-confirmed": "the lead has asked for this topic, and has not confirmed it yet",
    "basis-not-allowed": "it was granted on a basis that the topic does not take",
    "nothing-to-confirm": "it asks for a confirmation, and nothing waits for one any more",
    "too-many-confirmations": "the lead was asked to confirm often enough for one day",
    "customer": "the lead is a customer, and this is a marketing mail",
    "in-sales-hands": "sales has an open task about the lead",
    "left-sequence": "the lead had left the sequence before the mail went out",
    "sequence-stopped": "the operator stopped the sequence",
    "too-late": "its turn came later than the step allows",
    "email-removed": "the e-mail had been removed from the definitions",
    "cannot-render": "a field is missing, or the text is not fit to be sent; tried again after a day",
    "quiet-hours": "the window was closed where the reader lives; it waits until it opens",
    "frequency-cap": "the reader had as many mails as the cap allows; it waits for the next free place",
    "on-hold": "the sequence is on hold; it waits until that is lifted",
    "temporary-refusal": "the provider said `not now`; it is tried again",
    "refused-by-provider": "the provider said no for good",
    "daily-limit": "the day's allowance of the sending domain was used up; it waits for the next day",
    "reply-lost": "handed over, and the provider's reply was lost; not sent again, unless its key says it is the same",
    "found-at-provider": "it was in doubt, and the provider knows that it refused it",
    "resolved-by-person": "it was in doubt, and a person settled it by evidence",
    "ledger-row-lost": "its row was lost and written anew by the audit; nobody knows whether it was sent",
    # Said of those that have no reason of their own.
    "its-turn": "it waits for the next delivery",
    "in-hand": "a worker has it in hand",
    "handing-over": "it is being handed over right now",
}

# Why an enrollment stands still.
HOLDS: dict[str, str] = {
    "in-sales-hands": "sales has an open task about the lead; it goes on when that is closed",
    "colleague-replied": "somebody else of the account has replied",
    "holdout": "held out to compare with: it gets nothing, until its goal or an exit",
    "by-person": "a person holds it",
    "on-hold": "the whole sequence is on hold",
}

# Why an enrollment is over; the author's own exits stand for themselves.
ENDS: dict[str, str] = {
    "completed": "it came to the end of its steps",
    "goal": "it reached the goal",
    "in-sales-hands": "sales has an open task about the lead",
    "sequence-stopped": "the operator stopped the sequence",
    "sequence-removed": "the sequence was removed from the definitions",
    "steps-removed": "the steps that were left to it were removed from the sequence",
    "merged": "the lead has become part of another one",
    "replied": "the lead replied",
    "meeting-booked": "the lead booked a meeting",
    "hard-bounce": "the mailbox does not exist",
    "complained": "the lead called a mail spam",
    "became-customer": "the lead became a customer",
    "twice-at-once": "it was in the sequence twice; the older one stayed",
    "repaired": "it had ended without a reason, and the audit wrote this one",
}

# Why a lead is not in a sequence.
NOT_IN: dict[str, str] = {
    "sequence-hold": "the sequence is on hold; nobody enters",
    "sequence-drain": "the sequence is being drained; nobody enters",
    "sequence-stop": "the sequence was stopped; nobody enters",
    "condition": "its entry condition does not hold",
    "no-reentry": "the lead has been in it, and nobody enters twice",
    "reentry-not-yet": "the lead has been in it, and the pause before it may enter again is not over",
    "no-edge": "its entry condition has held all the while; entry is on becoming true",
    "true-when-published": "its entry condition held already when it was published; entry is on becoming true",
    "imported-history": "its entry condition was fulfilled by imported history, which enrolls nobody",
    "in-sales-hands": "sales has an open task about the lead; nobody enters meanwhile",
    "in-sales-hands-then": "its entry condition became true while sales had an open task about the lead",
    "next-run": "its entry condition holds, and the next run will see it",
}

# Why a lead is, or is not, a member of an audience.
AUDIENCES: dict[str, str] = {
    "criteria": "its criteria hold",
    "chosen": "a sequence step added it",
    "no-address": "the lead has no e-mail address",
    "customer": "the lead is a customer, and the audience is for prospecting",
    "in-sales-hands": "sales has an open task about the lead, and the audience is for prospecting",
    "suppressed": "the address is suppressed",
    "no-consent": "the lead has not consented to advertising",
    "basis-not-allowed": "advertising was granted on a basis that the topic does not take",
    "removed-by-step": "a sequence step removed it",
    "not-chosen": "no sequence step has added it",
    "criteria-not-met": "its criteria do not hold",
}

# Who or what judged that a machine opened or clicked.
_MACHINES = {
    None: "its source says that a machine did it",
    "source": "its source says that a machine did it",
    "person": "a person judged that a machine did it",
    "unjudged": "it has just come; the next run says whether a person or a machine did it",
    "settling": "it came a moment ago; the first run after the settling time says whether a person or a machine did it",
    "honeypot": "a link that no reader sees was followed, by this visit or about when it came",
    "prefetch": "it only asked for the link: by HEAD, or as a prefetch",
    "prefetcher": "its user agent is that of a scanner, a preview or a program",
    "privacy-open": "a mail program opens every mail like that, for everybody",
    "too-fast": "it came as soon as the mail was delivered",
    "every-link": "too many links of the mail were followed in a moment",
    "gateway": "links of too many mails were followed in a moment from one place",
}


def in_words(table: dict[str, str], reason: str | None) -> str | None:
    """A reason in plain words; one that is not ours, such as an author's own exit, as it stands."""
    return None if reason is None else table.get(reason, reason.replace("-", " "))


def machine_in_words(judged_by: str | None) -> str:
    """Who says that an event is the work of a machine."""
    return _MACHINES.get(judged_by, f"recognised as a machine: {str(judged_by).replace('-', ' ')}")


def verdict_in_words(verdict: str, judged_by: str | None) -> str:
    """Why `ripen events` calls an open or click a person's, a machine's or pending."""
    if verdict == "machine":
        return machine_in_words(judged_by)
    if verdict == "pending":
        return _MACHINES["settling"]
    return "a person judged that a person did it" if judged_by == "person" else "nothing says that a machine did it"
