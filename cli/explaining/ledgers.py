"""What was sent and what was not, what sales was asked to do, the audiences, and the consents."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.text import Text

from cli.explaining.layout import day, print_or, table, time

_MESSAGES = 12


def show_messages(terminal: Console, messages: list[dict[str, Any]]) -> None:
    """The latest messages with the reason of each."""
    shown = table("Messages", "When", "E-mail", "Status", "Why")
    for each in messages[:_MESSAGES]:
        when = each["handed_over_at"] or each["settled_at"] or each["queued_at"]
        why = each["why"] or ""
        if each["status"] != "accepted" and each["reason"]:
            why = f"{each['reason']}: {why}"
        if each["status"] == "queued" and each["not_before"]:
            why += f"; not before {time(each['not_before'])}"
        shown.add_row(time(when), each["subject"] or each["email"], each["status"], why)
    print_or(terminal, shown, "No message so far.")
    if len(messages) > _MESSAGES:
        terminal.print(Text(f"and {len(messages) - _MESSAGES} before", style="dim"))


def show_tasks(terminal: Console, tasks: list[dict[str, Any]]) -> None:
    """What sales was asked to do."""
    shown = table("Sales tasks", "Opened", "Task", "Status", "Owner", "Due")
    for each in tasks:
        shown.add_row(time(each["opened_at"]), each["title"], each["status"], each["owner"], time(each["due_at"]))
    if tasks:
        terminal.print(shown)


def show_audiences(terminal: Console, audiences: list[dict[str, Any]]) -> None:
    """Whether the lead is a member of each advertising audience, and why."""
    shown = table("Audiences", "Audience", "Member", "Why")
    for each in audiences:
        member = "yes" if each["member"] else "no"
        if each["member"] != each["wanted"]:
            member += ", the next sync changes that"
        shown.add_row(each["audience"], member, each["says"])
    if audiences:
        terminal.print(shown)


def show_consents(terminal: Console, consents: list[dict[str, Any]]) -> None:
    """What the lead allows, since when, and what says so."""
    shown = table("Consent", "Topic", "Status", "Basis", "Since", "From", "Evidence")
    for each in consents:
        basis = each["basis"] if each["status"] == "granted" else ""
        shown.add_row(each["topic"], each["status"], basis, day(each["since"]), each["source"] or "", _evidence(each))
    print_or(terminal, shown, "No consent recorded: no marketing e-mail is sent.")


def show_suppressions(terminal: Console, suppressions: list[dict[str, Any]]) -> None:
    """What stops the address, and why what was lifted was lifted."""
    shown = table("Suppressions", "Scope", "Reason", "Since", "Lifted", "Because")
    for each in suppressions:
        lifted = day(each["lifted_at"]) if each["lifted_at"] else ""
        shown.add_row(each["scope"], each["reason"], day(each["since"]), lifted, each["lifted_because"] or "")
    if suppressions:
        terminal.print(shown)


def _evidence(consent: dict[str, Any]) -> str:
    """The version of the text that the person agreed to, and the facts behind it, in a few words."""
    said = []
    if consent.get("wording"):
        said.append(f"text {str(consent['wording'])[:40]}")
    for key, value in (consent.get("evidence") or {}).items():
        if isinstance(value, str | int) and key != "source_event_id":
            said.append(f"{key} {value}")
    return ", ".join(said)
