"""Modes of a build: the policy for stale recipes.

========== ======================================================================================
live       runs stale recipes
fresh      runs every recipe
recorded   runs nothing: shows the newer of the store's record and the approved one, with its age
           and its host on the page; needs nothing but Python
========== ======================================================================================

``mkdocs serve`` shows the pages before it runs anything: see `kvmdocs.site.serve.view` and `kvmdocs.site.serve.runner`. In the
mode ``recorded`` it runs nothing at all.

The mode is the setting ``mode``, so also the environment variable ``KVMDOCS_MODE``. The MkDocs plugin has an option of that
name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from kvmdocs.core import graph
from kvmdocs.core.model import Freshness, Mode, Record, Status
from kvmdocs.core.settings import override_setting
from kvmdocs.execution.executor import Executor
from kvmdocs.execution.plan import with_inputs
from kvmdocs.execution.project import Project
from kvmdocs.execution.recipe_values import is_readable
from kvmdocs.execution.run_result import ProgressListener, RunResult, skipped_record
from kvmdocs.host import facts


def wants_all() -> bool:
    """Check whether a skip because of a missing package is an error (``REQUIRE=all``)."""
    return os.environ.get("REQUIRE", "") == "all"


@contextmanager
def use_mode(mode: str | None) -> Iterator[None]:
    """Override the mode for this process and its children. ``None`` is a no-op."""
    with override_setting("mode", mode or None):
        yield


def executor(project: Project, listener: ProgressListener, names: Iterable[str], *, require: bool = False) -> Executor:
    """Return the executor for a project's mode, which is not ``recorded``."""
    fresh: frozenset[str] = frozenset()
    if project.mode is Mode.FRESH:
        inputs = {name: [wanted.name for wanted in entry.recipe.inputs] for name, entry in project.catalog.entries.items()}
        fresh = frozenset(graph.closure([name for name in names if name in inputs], lambda name: inputs.get(name, [])))
    return Executor(project, listener, require=require, fresh=fresh)


def run(project: Project, listener: ProgressListener, names: Iterable[str], *, require: bool = False) -> RunResult:
    """Return the records of recipes, run or looked up according to the project's mode.

    Raises:
        KvmdocsError: As `kvmdocs.execution.executor.Executor.run`.
    """
    wanted = list(names)
    if project.mode is Mode.RECORDED:
        return recorded(project, wanted)
    return executor(project, listener, wanted, require=require).run(wanted)


def recorded(project: Project, names: Iterable[str]) -> RunResult:
    """Return the newest existing records of recipes. Runs nothing and probes nothing on the host.

    Raises:
        CatalogError: A name is unknown, or an approved record cannot be read.
    """
    result = RunResult()
    wanted = list(names)
    for name in graph.topological_order(with_inputs(project, wanted)):
        record = newest(project, name)
        if record is None and name not in wanted:
            continue  # pages use the record of an input only for links, and leave out what has none
        if record is None:
            reason = f"there is no record of it yet, and this build runs nothing; `kvmdocs run {name}` makes one"
            record = skipped_record(name, reason, facts.describe(project.settings))
        result.records[name] = record
        result.freshness[name] = Freshness.RECORDED if record.status is Status.PASSED else Freshness.MISSING
    return result


def newest(project: Project, name: str) -> Record | None:
    """Return the newer of a recipe's record in the store and its approved one, or None if there is neither.

    A record in the store is ignored if this project cannot read its value: another checkout, with other types, may have stored
    it.

    Raises:
        CatalogError: The approved record cannot be read.
    """
    stored, approved = project.store.latest(name), project.approved.get(name)
    records = [record for record in (stored if stored and is_readable(project, stored) else None, approved) if record]
    return max(records, key=lambda record: _timestamp(record.started), default=None)


def _timestamp(started: str) -> float:
    """Return a record's time in seconds since 1970; 0 if it cannot be parsed, so that the record counts as the oldest."""
    try:
        return datetime.fromisoformat(started).timestamp()
    except (ValueError, OverflowError):
        return 0.0
