"""What a build does about stale recipes: its mode.

========== ======================================================================================
live       runs what is stale
fresh      runs everything
recorded   runs nothing: the newest of the store's record and the approved one is shown, and the
           page says how old it is and where it was made; nothing but Python is needed
========== ======================================================================================

``mkdocs serve`` runs nothing before it shows the pages: see `kvmdocs.site.serve.view` and `kvmdocs.site.serve.runner`. In the mode ``recorded`` it runs nothing at all.

The mode is the setting ``mode``, so ``KVMDOCS_MODE`` in the environment too; the MkDocs plugin has an option of that name.
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
from kvmdocs.execution.project import Project
from kvmdocs.execution.result import ProgressListener, RunResult
from kvmdocs.execution.results import is_readable
from kvmdocs.host import probes


def wants_all() -> bool:
    """Whether a skip for want of a package is an error (``REQUIRE=all``)."""
    return os.environ.get("REQUIRE", "") == "all"


@contextmanager
def use_mode(mode: str | None) -> Iterator[None]:
    """Have this process and those it starts in a mode, whatever the settings say; None leaves it to them."""
    with override_setting("mode", mode or None):
        yield


def executor(project: Project, reporter: ProgressListener, names: Iterable[str], *, require: bool = False) -> Executor:
    """The executor for a project's mode, unless that runs nothing."""
    fresh: frozenset[str] = frozenset()
    if project.mode is Mode.FRESH:
        inputs = {name: [wanted.name for wanted in entry.recipe.inputs] for name, entry in project.catalog.entries.items()}
        fresh = frozenset(graph.closure([name for name in names if name in inputs], lambda name: inputs.get(name, [])))
    return Executor(project, reporter, require=require, fresh=fresh)


def run(project: Project, reporter: ProgressListener, names: Iterable[str], *, require: bool = False) -> RunResult:
    """The records of recipes, as the project's mode has them made or found.

    Raises:
        KvmdocsError: As `kvmdocs.execution.executor.Executor.run`.
    """
    wanted = list(names)
    if project.mode is Mode.RECORDED:
        return recorded(project, wanted)
    return executor(project, reporter, wanted, require=require).run(wanted)


def recorded(project: Project, names: Iterable[str]) -> RunResult:
    """The newest records that are there. Nothing is run, tried or asked of the host.

    Raises:
        CatalogError: A name is unknown, or an approved record cannot be read.
    """
    outcome = RunResult()
    wanted = list(names)
    plan = graph.closure(wanted, lambda name: [item.name for item in project.catalog.get(name).recipe.inputs])
    for name in graph.topological_order(plan):
        record = newest(project, name)
        if record is None and name not in wanted:
            continue  # a page that shows a table may link to what an earlier recipe has seen; without that it shows no link
        if record is None:
            reason = f"there is no record of it yet, and this build runs nothing; `kvmdocs run {name}` makes one"
            record = Record(name, "", Status.SKIPPED, probes.describe(project.settings), probes.now(), reason=reason)
        outcome.records[name] = record
        outcome.freshness[name] = Freshness.RECORDED if record.status is Status.PASSED else Freshness.MISSING
    return outcome


def newest(project: Project, name: str) -> Record | None:
    """The newest of a recipe's record in the store and its approved one; None when there is neither.

    A record of the store whose result this project's code cannot read is none: another checkout, with other types, may have put it there.

    Raises:
        CatalogError: The approved record cannot be read.
    """
    stored, approved = project.store.latest(name), project.approved.get(name)
    known = [record for record in (stored if stored and is_readable(project, stored) else None, approved) if record]
    return max(known, key=lambda record: _moment(record.started), default=None)


def _moment(started: str) -> float:
    """A record's time as a number; one that cannot be read is the oldest."""
    try:
        return datetime.fromisoformat(started).timestamp()
    except (ValueError, OverflowError):
        return 0.0
