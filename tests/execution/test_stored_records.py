"""Records that a run takes from the store."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kvmdocs.core.model import Host, Record, Status
from kvmdocs.execution.stored_records import StoredRecords


@pytest.fixture
def made(trial):
    """Return a project and the record of its recipe `one`, which the store has."""
    project = trial().recipes("@recipe()\ndef one(sh: Shell) -> None: ...\n").project()
    key = StoredRecords(project, frozenset()).key("one", {})
    record = Record("one", key, Status.PASSED, Host("", "", "", "", 1, 1), "2026-01-01T00:00:00+00:00")
    project.store.put(record)
    return project, record


def test_a_record_of_the_key_is_taken(made):
    project, record = made
    assert StoredRecords(project, frozenset()).take("one", {}) == record


def test_for_a_fresh_run_only_a_record_made_meanwhile_counts(made):
    project, record = made
    records = StoredRecords(project, frozenset({"one"}))
    assert records.take("one", {}) is None
    newer = replace(record, started="2999-01-01T00:00:00+00:00")
    project.store.put(newer)
    assert records.take("one", {}) == newer


def test_a_record_that_vanished_before_it_was_protected_is_lost(made):
    project, record = made
    held = replace(record, contents={"one-0/file": "digest"})
    records = StoredRecords(project, frozenset())
    records.protect([held])
    assert records.lost({"one": held}) == []
    project.store.record_file(record.key).unlink()
    assert records.lost({"one": held}) == ["one"]
    records.release()
    assert not list(project.store.runs.iterdir())
