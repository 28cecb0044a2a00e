"""Rules about headers: who, to whom, when, about what, and nothing that only spam has."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from email.utils import parsedate_to_datetime

from nurture.deliverability.domains import FREE_MAIL, aligned
from nurture.deliverability.letter import Letter, decoded
from nurture.deliverability.rules import Rule, Seen, several

MAX_SUBJECT = 70
# Headers of which RFC 5322 (3.6), or the standard that made them, allows one.
ONCE = (
    "from sender reply-to to cc date subject message-id in-reply-to references mime-version content-type"
    " content-transfer-encoding list-unsubscribe list-unsubscribe-post list-id feedback-id precedence auto-submitted"
)
_MESSAGE_ID = re.compile(r"<[^\s<>@]{1,250}@[^\s<>@]{1,250}>")
_ENCODED = re.compile(r"=\?[^?\s]*\?[^?\s]*\?[^?]*\?=")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029]")
_FEEDBACK = re.compile(r"(?:[^:\s]*:){0,3}[^:\s]{5,15}")
_LETTERS = re.compile(r"[^\W\d_]")


def _one(name: str, *, more: Callable[[Letter], str] | None = None) -> Callable[[Letter], Seen]:
    """Whether there is exactly one header of a name; `more` says what is wrong with it, if anything."""

    def look(letter: Letter) -> Seen:
        values = letter.all(name.lower())
        if len(values) != 1:
            return Seen(False, f"{len(values)} {name} headers")
        wrong = more(letter) if more else ""
        return Seen(not wrong, wrong or f"one {name}")

    return look


def _address_trouble(name: str) -> Callable[[Letter], str]:
    def trouble(letter: Letter) -> str:
        found = len(letter.addresses(name))
        return "" if found == 1 else f"{found} addresses in {name.title()}"

    return trouble


def _subject_trouble(letter: Letter) -> str:
    return "" if letter.decoded("subject").strip() else "the Subject is empty"


def _date_trouble(letter: Letter) -> str:
    try:
        found = parsedate_to_datetime(letter.first("date"))
    except (ValueError, TypeError, IndexError):
        return "the Date cannot be read"
    return "" if found.tzinfo is not None else "the Date has no time zone"


def _id_trouble(letter: Letter) -> str:
    return "" if _MESSAGE_ID.fullmatch(letter.first("message-id").strip()) else "the Message-ID is not <key@domain>"


def _version_trouble(letter: Letter) -> str:
    return "" if letter.first("mime-version").strip() == "1.0" else "MIME-Version is not 1.0"


def _no_bcc(letter: Letter) -> Seen:
    found = [name for name in ("bcc", "resent-bcc") if letter.all(name)]
    return Seen(not found, "no Bcc" if not found else f"a header {found[0].title()}")


def _injection(letter: Letter) -> Seen:
    counts = Counter(name for name, _ in letter.headers)
    twice = [name for name in ONCE.split() if counts[name] > 1]
    hidden = [name for name, value in letter.headers if name != "dkim-signature" and _hides(value)]
    if twice:
        return Seen(False, f"more than one {several(twice)}")
    return Seen(
        not hidden, f"a control character in {several(hidden)}" if hidden else "each header once, no control characters"
    )


def _hides(value: str) -> bool:
    return bool(_CONTROL.search(value) or ("=?" in value and _CONTROL.search(decoded(value))))


def _encoded_words(letter: Letter) -> Seen:
    wrong = []
    for name, value in letter.headers:
        if "=?" in value:
            read = decoded(value)
            # A word that is left after decoding, or a sign of wrong bytes, was not made by a mail program.
            if _ENCODED.search(read) or "\ufffd" in read:
                wrong.append(name)
    return Seen(not wrong, f"an encoded word in {several(wrong)} that cannot be read" if wrong else "all can be read")


def _no_free_mail(letter: Letter) -> Seen | None:
    domain = letter.domain("from")
    return Seen(domain not in FREE_MAIL, domain) if domain else None


def _reply_to(letter: Letter) -> Seen | None:
    given, sender = letter.domain("reply-to"), letter.domain("from")
    if not given:
        return Seen(True, "answers go to the sender") if sender else None
    return Seen(aligned(given, sender), f"answers to {given}, from {sender}")


def _subject_length(letter: Letter) -> Seen | None:
    length = len(letter.decoded("subject").strip())
    return Seen(length <= MAX_SUBJECT, f"{length} characters") if length else None


def _subject_shouting(letter: Letter) -> Seen | None:
    subject = letter.decoded("subject")
    letters = _LETTERS.findall(subject)
    if not letters:
        return None
    if len(letters) > 5 and sum(sign.isupper() for sign in letters) > 0.7 * len(letters):
        return Seen(False, "mostly capitals")
    marks = sum(subject.count(sign) for sign in "!?\u203c\u2757$€£")
    return Seen(subject.count("!") <= 1 and marks <= 3, f"{subject.count('!')} exclamation marks")


def _feedback_id(letter: Letter) -> Seen | None:
    value = letter.first("feedback-id").strip()
    if not value:
        return Seen(False, "no Feedback-ID") if letter.marketing else None
    return Seen(bool(_FEEDBACK.fullmatch(value)), f"{value.count(':') + 1} fields")


def _precedence(letter: Letter) -> Seen:
    value = letter.first("precedence").strip().lower()
    return Seen(value in ("", "bulk", "list"), value or "none")


def _auto_submitted(letter: Letter) -> Seen | None:
    value = letter.first("auto-submitted").partition(";")[0].strip().lower()
    return Seen(value in ("", "no"), value or "none") if letter.marketing else None


RULES: tuple[Rule[Letter], ...] = (
    Rule(
        "from",
        "must",
        "exactly one From with one address",
        "write one From with one address",
        _one("From", more=_address_trouble("from")),
    ),
    Rule(
        "to",
        "must",
        "exactly one To with one address",
        "address one reader a mail; lists belong nowhere in it",
        _one("To", more=_address_trouble("to")),
    ),
    Rule(
        "subject",
        "must",
        "exactly one Subject that is not empty",
        "give the e-mail a subject",
        _one("Subject", more=_subject_trouble),
    ),
    Rule(
        "date",
        "must",
        "exactly one Date with its time zone",
        "write the Date as RFC 5322 does",
        _one("Date", more=_date_trouble),
    ),
    Rule(
        "message-id",
        "must",
        "exactly one Message-ID, `<key@domain>`",
        "write one Message-ID of your own domain",
        _one("Message-ID", more=_id_trouble),
    ),
    Rule(
        "mime-version",
        "must",
        "exactly one `MIME-Version: 1.0`",
        "write `MIME-Version: 1.0` once",
        _one("MIME-Version", more=_version_trouble),
    ),
    Rule(
        "no-bcc",
        "must",
        "no Bcc, which would show other readers",
        "leave Bcc out; the envelope is where recipients stand",
        _no_bcc,
    ),
    Rule(
        "header-injection",
        "must",
        "no header twice that may stand once, no control characters, also none in encoded words",
        "look at names and fields that come from outside: one has started a header of its own",
        _injection,
    ),
    Rule(
        "encoded-words",
        "must",
        "encoded words that can be read, none inside another",
        "encode headers once, as UTF-8 (RFC 2047)",
        _encoded_words,
    ),
    Rule(
        "from-domain",
        "must",
        "a From domain of your own, no free-mail host",
        "send from a domain that you own: free-mail hosts publish DMARC that refuses you",
        _no_free_mail,
    ),
    Rule(
        "reply-to-alignment",
        "should",
        "answers that go to the organisation that sends",
        "set sender.reply_to to an address of your own domain",
        _reply_to,
    ),
    Rule(
        "subject-length",
        "should",
        f"a subject of at most {MAX_SUBJECT} characters, which phones show",
        "shorten the subject",
        _subject_length,
    ),
    Rule(
        "subject-shouting",
        "should",
        "a subject that is not in capitals and has one exclamation mark at most",
        "write the subject as you would to one person",
        _subject_shouting,
    ),
    Rule(
        "feedback-id",
        "should",
        "a Feedback-ID of at most four fields, the last of 5 to 15 characters (Gmail)",
        "write `Feedback-ID: campaign:step:sender-name`; the last field stays the same in all mails",
        _feedback_id,
    ),
    Rule(
        "precedence",
        "should",
        "no Precedence other than bulk or list",
        "leave Precedence out, or write bulk",
        _precedence,
    ),
    Rule(
        "auto-submitted",
        "must",
        "no Auto-Submitted on marketing mail (RFC 3834: it is for answers of machines)",
        "leave Auto-Submitted out, or say --transactional",
        _auto_submitted,
    ),
)
