"""The seam to Prefect: each step becomes a task run, and nothing but counts and short words crosses.

Prefect writes parameters, names, state messages, logs and exceptions to its database in clear, so leads, the `Run` and
foreign exceptions stay on this side. Apart from `flows` this is the only module that knows Prefect.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Any

from prefect import Task, get_run_logger, runtime
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.concurrency.sync import rate_limit
from prefect.states import Completed, Failed

from nurture.errors import OutsideFailed, RetryLater, RipenError, StopTheRun
from nurture.redaction import redact
from tasks import run_summary
from tasks.context import Run
from tasks.day import FLOWS, Counts, Step, run_flow
from tasks.prefect_home import EMAIL_RATE
from tasks.run_summary import Summary
from tasks.safe_errors import without_personal_data
from tasks.settings import load_settings
from tasks.workspace import default_home, open_context

# A step that meets an outside trouble is tried again soon; the next run tries again anyway.
RETRY_DELAYS_SECONDS: list[float] = [5, 30]


def run_in_prefect(flow: str, now: datetime) -> State[dict[str, Any]]:
    """Run a flow of `tasks.day` with its steps as task runs; the state carries `run_id` and `steps`, counts alone.

    A failed run returns its state too: what a flow raises, Prefect pickles to disk.
    """
    logger = get_run_logger()
    try:
        context = open_context()
        if context.settings.email.rate_per_second is not None:
            context.pace = _at_the_rate_of_prefect
        try:
            outcome = run_flow(context, flow, now, as_task_run)
            summary = run_summary.summarise(context.database, outcome, context.settings.project.time_zone)
        finally:
            context.database.dispose()
    except Exception as raised:
        error = without_personal_data(raised, f"{flow} of {now:%Y-%m-%d %H:%M} UTC")
        logger.error("%s", error)
        return Failed(message=str(error), data=error)
    try:
        _make_artifacts(summary)
    except Exception as raised:
        # The run itself has done its work.
        logger.warning("the run's artifacts could not be made: %s", type(raised).__name__)
    message = run_summary.headline(summary)
    logger.info("%s, run %s: %s", flow, outcome.run_id, message)
    return Completed(
        name="Completed with unknowns" if summary.unknowns else None,
        message=message,
        data={"run_id": outcome.run_id, "steps": outcome.steps},
    )


def _at_the_rate_of_prefect(messages: int) -> None:
    """Wait for so many slots; an operator changes the limit in Prefect, and a server without it does not hold us up."""
    rate_limit(EMAIL_RATE, occupy=messages, strict=False)


def as_task_run(name: str, step: Step, run: Run) -> Counts:
    """The seam: one step as one task run. The step and its run go in by closure, where Prefect does not look."""
    attempt = _Attempt(name, step, run)
    # No tags: for each the server is asked for a slot, which takes two seconds a task run.
    state = Task(
        attempt.make,
        name=name,
        task_run_name=name.replace("-", " "),
        description=step.__doc__,
        cache_policy=NO_CACHE,
        persist_result=False,
        retries=len(RETRY_DELAYS_SECONDS),
        retry_delay_seconds=RETRY_DELAYS_SECONDS,
        retry_condition_fn=lambda _task, _run, _state: attempt.may_pass,
    )(return_state=True)
    if attempt.error is not None:
        raise attempt.error
    if not state.is_completed():
        raise StopTheRun(
            f"Prefect did not run {name}: the task run ended as {state.name}; the next run goes on from there"
        )
    return attempt.counts


class _Attempt:
    """The tries of one step, with what the last one came to."""

    def __init__(self, name: str, step: Step, run: Run) -> None:
        self.name = name
        self.step = step
        self.run = run
        self.counts: Counts = {}
        self.error: RipenError | None = None

    @property
    def may_pass(self) -> bool:
        """Whether it met a trouble outside that may be over soon."""
        return isinstance(self.error, (RetryLater, OutsideFailed))

    def make(self) -> State[Counts]:
        """Do the step; the state says what it did, or why it could not."""
        self.error = None
        try:
            self.counts = self.step(self.run)
        except Exception as raised:
            self.error = without_personal_data(raised, f"{self.name} of run {self.run.notes.get('run_id', '?')}")
        if self.error is not None:
            get_run_logger().error("%s: %s", self.name, self.error)
            return Failed(message=str(self.error), data=self.error)
        said = run_summary.in_words(self.counts)
        get_run_logger().info("%s: %s", self.name, said)
        return Completed(message=said, data=self.counts)


def _make_artifacts(summary: Summary) -> None:
    """Show the run where Prefect shows artifacts: the whole as Markdown, and the daily sync's tables one by one."""
    flow = summary.outcome.flow
    create_markdown_artifact(
        run_summary.markdown(summary), key=flow, description=f"What run {summary.outcome.run_id} did"
    )
    if flow != "daily-sync":
        return
    tables = {
        "attention": (run_summary.attention_rows(summary), "What needs a person, and the command that helps"),
        "messages": (run_summary.message_rows(summary), "The run's messages by outcome and reason"),
        "pipeline": (run_summary.pipeline_rows(summary), "Leads in each stage"),
    }
    for key, (rows, description) in tables.items():
        if rows:
            create_table_artifact(rows, key=key, description=description)


def table_of_contents(flow: str) -> str:
    """The steps of a flow as its description in Prefect, one line each."""
    lines = [
        f"{number}. **{step.__name__.replace('_', '-')}**: {(step.__doc__ or '').strip().splitlines()[0]}"
        for number, step in enumerate(FLOWS[flow], 1)
    ]
    return "\n".join(lines)


def run_name() -> str:
    """The name of the flow run at hand as an operator says it: `daily sync of Mon 3 Mar 06:30`, in the project's zone.

    The time is the given `now`, else when the run was due.
    """
    given = runtime.flow_run.parameters
    what = str(given.get("part") or runtime.flow_run.flow_name).replace("-", " ")
    now = given.get("now") or runtime.flow_run.scheduled_start_time
    instant = datetime.fromisoformat(now) if isinstance(now, str) else now
    try:
        time_zone = load_settings(default_home()).project.time_zone
        return f"{what} of {run_summary.local_time(instant, time_zone)}"
    except (RipenError, KeyError):
        # The run itself will say what is wrong with the settings.
        return f"{what} of {run_summary.local_time(instant, 'UTC')} UTC"


class _Redacting(logging.Filter):
    """Blots out what looks personal in whatever a run logs; see `nurture.redaction`."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never refuse a record, only its personal data."""
        record.msg, record.args = redact(record.getMessage()), ()
        if record.exc_info:
            record.exc_text = redact(logging.Formatter().formatException(record.exc_info))
            record.exc_info = None
        return True


for _logger in ("prefect.flow_runs", "prefect.task_runs"):
    logging.getLogger(_logger).addFilter(_Redacting())
