"""Mail about mail of ours: reports (RFC 3464), complaints (RFC 5965), and what older systems write."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from nurture.inbound.parts import MailPart, addresses
from nurture.inbound.statuses import enhanced_status, is_hard
from nurture.redaction import redact

MAX_REASON = 300
_MAX_GROUPS = 200
_REPORTS = ("message/delivery-status", "message/global-delivery-status")
_ADDRESS = re.compile(r"[\w.!#$%&'*+/=?^`{|}~-]{1,64}@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63})+")
# An action of a report, worst first, and what it is to us. `delivered`, `relayed` and `expanded` are no trouble.
_ACTIONS: dict[str, Literal["bounce", "delayed", "other"]] = {
    "failed": "bounce",
    "delayed": "delayed",
    "relayed": "other",
    "delivered": "other",
    "expanded": "other",
}
_RANK = {"bounce": 0, "delayed": 1, "other": 2}
# How systems without reports begin, each told from a person's mail by who sends it (see `_from_a_machine`).
_OPENINGS = re.compile(
    r"""Hi\.\ This\ is\ the\ .{1,60}program          # qmail
    | This\ message\ was\ created\ automatically\ by\ (?:the\ )?mail  # Exim
    | This\ is\ the\ mail\ system\ at\ host           # Postfix
    | Delivery\ to\ the\ following\ recipients?\ (?:has\ been\ )?(?:failed|delayed)  # Gmail, Exchange
    | Delivery\ has\ failed\ to\ these\ recipients    # Exchange, Microsoft 365
    | did\ not\ reach\ the\ following\ recipient      # Exchange 2003
    | message\ (?:wasn't|couldn't\ be|could\ not\ be|was\ not|has\ not\ been)\ (?:yet\ )?delivered
    | (?:unable|failed)\ to\ deliver\ (?:your|the|this)?\ ?(?:message|mail)
    | The\ following\ addresses?\ had\ (?:permanent\ fatal|transient\ non-fatal|delivery)\ errors  # sendmail
    | Failed\ addresses\ follow                       # smail
    | Your\ message\ .{0,200}?(?:cannot|could\ not)\ be\ delivered
    | Die\ (?:folgende\ )?Nachricht\ konnte\ nicht\ zugestellt\ werden
    | Meddelelsen\ kunne\ ikke\ leveres
    | Undeliver(?:able|ed)\ [Mm]ail""",
    re.VERBOSE | re.IGNORECASE,
)
_LATE = re.compile(
    r"delayed|delivery delay|delivery incomplete|not been delivered yet|has not yet been delivered|warning message only"
    r"|you do not need to re-?send|will (?:continue to|keep) (?:be )?(?:re)?try|transient non-fatal|\(delay\)",
    re.IGNORECASE,
)
_MACHINE = re.compile(r"^(?:mailer-?daemon|mail-?daemon|postmaster|mailerdaemon|microsoftexchange\w*)[@+-]")
# ... and how such a mail is titled, for systems whose daemons have names of their own.
_TITLE = re.compile(
    r"^(?:undeliver(?:able|ed)|unzustellbar|nicht zustellbar|kan ikke leveres|"
    r"mail delivery (?:failed|system|subsystem)|delivery (?:status notification|failure|has failed)"
    r"|failure notice|returned mail|mail (?:system )?error)",
    re.IGNORECASE,
)
# Where the returned mail of ours begins in a text: what stands there is no longer the system's word.
_RETURNED = re.compile(
    r"^[- ]{2,}.{0,40}(?:below this line|copy of (?:the|your) message|original (?:message|mail)|message header).{0,60}$"
    r"|^(?:Return-Path|Received|DKIM-Signature): ",
    re.IGNORECASE | re.MULTILINE,
)


@dataclass(frozen=True, slots=True)
class Returned:
    """What a system says of one message of ours."""

    kind: Literal["bounce", "delayed", "complaint", "unsubscribe", "other"]
    recipient: str = ""
    status: str = ""
    reason: str = ""
    hard: bool | None = None


def returned(parts: list[MailPart]) -> Returned | None:
    """What the mail says of a message of ours that came back; None when it is no such mail."""
    reports = [part for part in parts if part.content_type in _REPORTS]
    report_type = parts[0].parameters.get("report-type", "")
    if report_type == "feedback-report" or any(part.content_type == "message/feedback-report" for part in parts):
        return _complaint(parts)
    if report_type == "disposition-notification" or any(
        part.content_type.endswith("disposition-notification") for part in parts
    ):
        return Returned("other")  # read, or deleted unread: nobody has answered
    if reports:
        return _report(parts, reports)
    return _old_style(parts)


# --- Complaints -------------------------------------------------------------------------------------------------------


def _complaint(parts: list[MailPart]) -> Returned:
    report = next((part for part in parts if part.content_type == "message/feedback-report"), None)
    fields = _groups(report.text)[0] if report and report.text else {}
    if not fields and report:
        # The reader takes it for a mail with headers alone.
        inner = parts[parts.index(report) + 1] if parts.index(report) + 1 < len(parts) else report
        fields = {name: values[0] for name, values in inner.headers.items() if "feedback-type" in inner.headers}
    word = fields.get("feedback-type", "abuse").lower()
    kinds = {"not-spam": "other", "auth-failure": "other", "opt-out": "unsubscribe", "opt-out-list": "unsubscribe"}
    given = [fields.get("original-rcpt-to", ""), fields.get("removal-recipient", "")]
    of_ours = [value for part in parts[1:] if "message-id" in part.headers for value in part.all("to")]
    found = [each for each in addresses([*given, *of_ours]) if not each.startswith(("redacted@", "undisclosed"))]
    kind: Literal["complaint", "unsubscribe", "other"] = kinds.get(word, "complaint")  # type: ignore[assignment]
    return Returned(kind, found[0] if found else "", reason=said(word))


# --- Reports ----------------------------------------------------------------------------------------------------------


def _report(parts: list[MailPart], reports: list[MailPart]) -> Returned:
    groups = [group for report in reports for group in _groups(report.text)]
    found = [one for group in groups if (one := _of_recipient(group)) is not None]
    if found:
        return min(found, key=lambda one: (_RANK[one.kind], not one.hard))
    # A report whose fields cannot be read: the text beside it may say what happened.
    return _old_style(parts, certain=True) or Returned("bounce", hard=False)


def _groups(text: str) -> list[dict[str, str]]:
    groups = []
    for block in text.split("\n\n")[:_MAX_GROUPS]:
        fields: dict[str, str] = {}
        name = ""
        for line in block.splitlines()[:100]:
            if line[:1] in (" ", "\t") and name:
                fields[name] += " " + line.strip()
            else:
                name, colon, value = line.partition(":")
                name = name.strip().lower() if colon else ""
                if name:
                    fields.setdefault(name, value.strip())
        groups.append(fields)
    return groups or [{}]


def _of_recipient(group: dict[str, str]) -> Returned | None:
    who = group.get("original-recipient") or group.get("final-recipient")
    action = group.get("action", "").lower().split(" ")[0]
    if not who or (not action and "status" not in group):
        return None
    kind = _ACTIONS.get(action)
    words = group.get("diagnostic-code", "")
    status = enhanced_status(group.get("status", "")) or enhanced_status(words)
    if kind is None:
        kind = {"5": "bounce", "4": "delayed"}.get(status[:1], "other")  # type: ignore[assignment]
    assert kind is not None
    # A vague code in the field, a plain one in the words: the server that refused says the latter.
    exact = enhanced_status(words)
    if status in ("", "5.0.0", "4.0.0", "5.5.0") and exact:
        status = exact
    recipient = (addresses([who.rpartition(";")[2]]) or [""])[0]
    hard = is_hard(status, words) if kind == "bounce" else None
    return Returned(kind, recipient, status if kind != "other" else "", said(words.partition(";")[2] or words), hard)


# --- Older systems ----------------------------------------------------------------------------------------------------


def _old_style(parts: list[MailPart], *, certain: bool = False) -> Returned | None:
    mail = parts[0]
    text = next((part.text for part in parts if part.content_type == "text/plain" and part.text.strip()), "")
    own = _own_words(text)
    opening = _OPENINGS.search(own[:4_000])
    if not certain and not (_from_a_machine(mail) and (opening or mail.first("x-failed-recipients"))):
        return None
    words = own[opening.start() :][:4_000] if opening else own[:4_000]
    named = addresses(mail.all("x-failed-recipients", "x-failed-recipient"))
    inside = [each.lower() for each in _ADDRESS.findall(words) if not _MACHINE.match(each.lower())]
    recipient = (named or inside or [""])[0]
    if _LATE.search(mail.first("subject")) or _LATE.search(words[:1_500]):
        return Returned("delayed", recipient, enhanced_status(words), _after_recipient(words, recipient))
    status = enhanced_status(words)
    return Returned("bounce", recipient, status, _after_recipient(words, recipient), is_hard(status, words))


def _own_words(text: str) -> str:
    cut = _RETURNED.search(text)
    return text[: cut.start()] if cut and cut.start() > 40 else text


def _after_recipient(words: str, recipient: str) -> str:
    """What is said of the recipient, which follows the address nearly everywhere."""
    place = words.lower().find(recipient) if recipient else -1
    return said(words[place + len(recipient) :].lstrip(">:) \n\t") if place >= 0 else words)


def _from_a_machine(mail: MailPart) -> bool:
    senders = addresses(mail.all("from"))
    return (
        mail.first("return-path") == "<>"
        or any(_MACHINE.match(each) for each in senders)
        or bool(_TITLE.match(mail.first("subject")))
        or any(name in mail.headers for name in ("x-failed-recipients", "x-ms-exchange-message-is-ndr"))
    )


def said(words: str) -> str:
    """The other side's words for people: on one line, short, without addresses."""
    return redact(" ".join(words.split()))[:MAX_REASON]
