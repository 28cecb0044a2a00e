"""The `ripen` command: every subcommand is loaded when it is called, so that a marketer's command starts fast."""

from __future__ import annotations

import os
import sys

from cyclopts import App, CycloptsError

from cli.output import say
from nurture.errors import BadInput, OutsideFailed, RetryLater, RipenError, StopTheRun

app = App(
    name="ripen",
    help="Ripen leads: score them, nurture them, and hand the ready ones to sales.",
    help_format="markdown",
    version_flags=[],
    print_error=False,
    exit_on_error=False,
)
for name, place, text in (
    ("demo", "cli.demo.command:demo_command", "A sample business from nothing, lived day by day."),
    ("init", "cli.workspace:init", "Lay out a new workspace."),
    ("import", "cli.imports:app", "Bring in leads or events from a file."),
    ("run", "cli.running:run", "Run a flow, or one part of it, by hand."),
    ("check", "cli.checking:check_command", "Lint all definitions and e-mails."),
    ("publish", "cli.publishing:publish", "Make the working tree's definitions live."),
    ("explain", "cli.explaining:explain_command", "Why: score, stage, sequences and messages of a lead."),
    ("preview", "cli.previewing:preview", "An e-mail as it would be sent."),
    ("report", "cli.reporting:report_command", "Pipeline, funnel per step, speed to lead."),
    ("audit", "cli.auditing:audit", "Check every invariant."),
    ("messages", "cli.messages:app", "The message ledger."),
    ("events", "cli.events:app", "Opens and clicks: a person's or a machine's."),
    ("sequences", "cli.sequences:app", "The sequences and their state."),
    ("suppressions", "cli.suppressions:app", "Addresses that get nothing, and why."),
    ("tasks", "cli.sales:app", "Sales tasks, and the sales side's answer."),
    ("merge", "cli.merging:merge_command", "Two leads are one person."),
    ("privacy", "cli.privacy:app", "What is held about a person, and forgetting them."),
    ("letters", "cli.dead_letters:app", "Dead letters: what could not be used."),
    ("doctor", "cli.doctor:doctor", "Settings, connections and versions."),
    ("db", "cli.database:app", "Migrations."),
    ("serve", "cli.serving:serve_command", "Prefect server, deployments, worker and web door on loopback."),
):
    app.command(place, name=name, help=text)


def main() -> None:
    """Run the command line; exit codes: 0 done, 1 the answer is no, 2 bad usage or input, 3 outside trouble."""
    sys.exit(run(sys.argv[1:]))


def run(arguments: list[str]) -> int:
    """Run one command and return its exit code; a user's mistake is a message, not a stack trace."""
    try:
        result = app(arguments, result_action="return_value")
    except CycloptsError as error:
        say(f"ripen: {error}")
        say("Try `ripen --help`, or `ripen COMMAND --help` for an example.")
        return 2
    except BadInput as error:
        say(f"ripen: {error}")
        return 2
    except StopTheRun as error:
        say(f"ripen: {error}")
        return 3
    except (OutsideFailed, RetryLater) as error:
        say(f"ripen: {error}")
        return 3
    except RipenError as error:
        say(f"ripen: {error}")
        return 2
    except BrokenPipeError:
        # The reader has seen enough, as with `| head`.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        say("ripen: interrupted; everything done so far stands, and the command can be repeated")
        return 130
    return result if isinstance(result, int) else 0
