"""Errors made fit to be shown: the kind stays, so that callers can act on it, and personal data does not."""

from __future__ import annotations

import pickle
import traceback
from pathlib import Path

import pytest

from db.engine import Database
from nurture.errors import (
    BadSetting,
    MissingField,
    OutsideFailed,
    RefusedRow,
    RetryLater,
    SchemaMismatch,
    StopTheRun,
    TransportDown,
)
from nurture.keys import email_hash
from tasks.run_summary import local_time
from tasks.safe_errors import without_personal_data


@pytest.mark.parametrize("kind", [RetryLater, TransportDown, SchemaMismatch, StopTheRun, OutsideFailed, BadSetting])
def test_our_own_errors_keep_kind_and_text(kind):
    shown = without_personal_data(kind("mend the password"), "deliver of run 7")
    assert type(shown) is kind
    assert str(shown) == "mend the password"


def test_what_an_error_carries_beside_its_text_is_left_behind():
    shown = without_personal_data(RefusedRow("bad-address", "line 3: ada@example.com is refused"), "pull of run 7")
    assert vars(shown) == {}
    assert str(shown) == "line 3: [address] is refused"
    assert without_personal_data(MissingField("hello", "lead.phone"), "x").args == (
        'hello: this lead has no lead.phone; give it a value, or write `lead.phone | default("...")` in the template',
    )


def test_of_a_foreign_error_only_type_and_place_are_told():
    try:
        email_hash(b"secret", address=None, ada="ada@example.com")  # type: ignore[call-arg]
    except TypeError as error:
        nowhere = without_personal_data(error, "rescore of run 7")
    try:
        local_time("ada@example.com", "UTC")  # type: ignore[arg-type]
    except AttributeError as error:
        shown = without_personal_data(error, "deliver of run 7")
    assert type(shown) is StopTheRun
    assert str(shown).startswith(
        "deliver of run 7 was stopped by an unexpected AttributeError at tasks/run_summary.py:"
    )
    assert "TypeError at tests/tasks/test_safe_errors.py:" in str(nowhere)


def test_nothing_of_the_original_travels_with_the_shown_error():
    try:
        raise ValueError("ada@example.com")
    except ValueError as error:
        shown = without_personal_data(error, "deliver")
    try:
        raise shown
    except StopTheRun as error:
        told = "".join(traceback.format_exception(error)) + repr(pickle.dumps(error))
    assert "ada@example.com" not in told


def test_a_database_that_is_out_of_reach_is_a_failure_outside(tmp_path: Path):
    database = Database(f"sqlite:///{tmp_path}/empty.db")
    with pytest.raises(OutsideFailed) as raised, database.read() as connection:
        connection.exec_driver_sql("SELECT 1 FROM nowhere")
    database.dispose()
    assert type(without_personal_data(raised.value, "rescore")) is OutsideFailed
