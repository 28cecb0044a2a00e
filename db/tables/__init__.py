"""Every table, by noun; `metadata` is what the migrations must equal."""

from db.tables.base import metadata
from db.tables.definitions import definition_versions, publication_items, publications
from db.tables.intake import dead_letters, intake_files, source_cursors
from db.tables.leads import accounts, consent_states, consents, events, identities, leads, suppressions
from db.tables.outside import (
    audience_choices,
    audience_members,
    sales_task_leads,
    sales_tasks,
)
from db.tables.runs import installation, runs, work_queue
from db.tables.scores import score_contributions, scores, stage_transitions
from db.tables.sending import erasures, frozen_mails, provider_facts, sending_days, tracked_links, transports
from db.tables.sequences import enrollments, entry_marks, executed_steps, messages, sequence_states

__all__ = [
    "accounts",
    "audience_choices",
    "audience_members",
    "consent_states",
    "consents",
    "dead_letters",
    "definition_versions",
    "enrollments",
    "entry_marks",
    "erasures",
    "events",
    "executed_steps",
    "frozen_mails",
    "identities",
    "installation",
    "intake_files",
    "leads",
    "messages",
    "metadata",
    "provider_facts",
    "publication_items",
    "publications",
    "runs",
    "sales_task_leads",
    "sales_tasks",
    "score_contributions",
    "scores",
    "sending_days",
    "sequence_states",
    "source_cursors",
    "stage_transitions",
    "suppressions",
    "tracked_links",
    "transports",
    "work_queue",
]
