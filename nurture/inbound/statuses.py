"""Whether a refusal means that the mailbox does not exist: enhanced status codes (RFC 3463), and the words beside them.

When in doubt it does not: a soft bounce costs another try, a hard one costs the reader for good.
"""

from __future__ import annotations

import re

# Class 5, by subject and detail. Everything that is not here follows its subject.
_HARD = {
    "1.0",  # other address status
    "1.1",  # no such mailbox
    "1.2",  # no such system
    "1.3",  # no valid address
    "1.6",  # moved, no forwarding address
    "1.9",
    "1.10",  # the domain takes no mail (null MX)
    "2.1",  # disabled
    "4.4",  # no route: the domain is gone
}
# Codes that say nothing by themselves; the words beside them decide.
_VAGUE = {"", "0.0", "1.0", "2.0", "3.0", "4.0", "4.1", "5.0", "5.1"}
_ENHANCED = re.compile(r"(?<![\d.])([245])\.(\d{1,3})\.(\d{1,3})(?![\d.])")
_REPLY = re.compile(r"(?<![\d.])([45])\d\d(?=[ \-\n#:])")
# What is refused is this mail or this sender, or the mailbox is full: another mail may arrive.
_NOT_THE_MAILBOX = re.compile(
    r"\b(?:over ?quota|quota exceeded|(?:mailbox|inbox|account) (?:is |was )?full|full mailbox"
    r"|exceeded (?:its|their|his) (?:storage|quota)|out of storage|insufficient (?:system )?storage|spam|blocked"
    r"|block ?list(?:ed)?|black ?list(?:ed)?|spamhaus|barracuda|reputation|dmarc"
    r"|policy (?:reasons?|violation)|content rejected|virus|too (?:large|big)|size limit|grey ?list(?:ed|ing)?"
    r"|rate limit(?:ed)?|try again later)\b",
    re.IGNORECASE,
)
_NO_SUCH_MAILBOX = re.compile(
    r"\b(?:(?:user|recipient|mailbox|account|address|addressee)(?: name)? (?:is |was )?"
    r"(?:unknown|not found|does(?: not|n'?t) exist|invalid|disabled|unavailable|not known"
    r"|no longer (?:exists|available|valid))"
    r"|(?:no such|unknown|invalid|bad destination|non-?existent) "
    r"(?:user|recipient|mailbox|account|address|person|local part)"
    r"|no mailbox (?:here )?by that name|no longer (?:works?|employed) |not listed in|not our customer"
    r"|does(?: not|n'?t) have (?:a|an) [\w.-]{1,60} account|could(?: not|n'?t) be found|wasn'?t found"
    r"|recipient address rejected: access denied"
    r"|account that you tried to reach does not exist|host(?: or domain)? (?:name )?not found"
    r"|domain (?:name )?not found|unrouteable address|this address no longer accepts mail)",
    re.IGNORECASE,
)


def enhanced_status(text: str) -> str:
    """The first enhanced status code of class 4 or 5 in a text, empty when there is none."""
    return next((match[0] for match in _ENHANCED.finditer(text) if match[1] != "2"), "")


def reply_class(text: str) -> str:
    """`4` or `5` by the first three-digit SMTP reply in a text, empty when there is none."""
    found = _REPLY.search(text)
    return found[1] if found else ""


def is_hard(status: str, said: str) -> bool:
    """Whether a failure with this status and these words means that the mailbox does not exist."""
    found = _ENHANCED.fullmatch(status.strip())
    if _NOT_THE_MAILBOX.search(said):
        return False
    kind = found[1] if found else reply_class(said)
    if kind == "4":
        return False
    code = f"{int(found[2])}.{int(found[3])}" if found else ""
    if code in _VAGUE and _NO_SUCH_MAILBOX.search(said):
        return True
    return bool(found) and code in _HARD
