"""State that the items of one project share in a test run: the project, and one run of the recipes they need."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import pytest

from kvmdocs.core.model import Mode
from kvmdocs.core.settings import FILE

if TYPE_CHECKING:
    from kvmdocs.core.errors import CatalogError, KvmdocsError
    from kvmdocs.core.model import Record
    from kvmdocs.execution.project import Project
    from kvmdocs.execution.run_result import ProgressListener, RunResult
    from kvmdocs.store.drift import Drift


_sessions = pytest.StashKey[dict[Path, "ProjectSession"]]()


def session_of(config: pytest.Config, path: Path) -> ProjectSession | None:
    """Return the session of the project that a file belongs to; None for a file outside of any project."""
    sessions = config.stash.setdefault(_sessions, {})
    root = next((folder for folder in path.parents if (folder / FILE).is_file()), None)
    if root is None:
        return None
    if root not in sessions:
        sessions[root] = ProjectSession(root)
    return sessions[root]


class ProjectSession:
    """A project in a test run, and the result of running the recipes that its items need.

    Args:
        root: The project's folder.

    Attributes:
        project: The project.
        needed: Names of the recipes that the selected items need; a name may be there more than once.
    """

    def __init__(self, root: Path) -> None:
        from kvmdocs.execution.project import Project

        self.project: Project = Project(root)
        self.needed: list[str] = []
        self._result: RunResult | None = None
        self._errors: dict[str, KvmdocsError] = {}

    @property
    def result(self) -> RunResult:
        """Result of the run, which is made now if it was not made yet."""
        if self._result is None:
            self.run()
        assert self._result is not None  # set by run()
        return self._result

    def run(self, shared: Path | None = None) -> None:
        """Run the needed recipes. An error that stops the whole run is reported by every item.

        Args:
            shared: The folder that the workers of pytest-xdist share: one worker runs the recipes for all.
        """
        if shared is None:
            from kvmdocs.execution import progress

            self._result = self._run(progress.progress_listener(sys.__stderr__))
        else:
            from kvmdocs.execution import report
            from kvmdocs.pytest_plugin.xdist import once

            def run_here() -> tuple[RunResult, dict[str, KvmdocsError]]:
                return self._run(report.ProgressLines(sys.__stderr__)), self._errors

            self._result, self._errors = once(shared, str(self.project.root), run_here)

    def _run(self, listener: ProgressListener) -> RunResult:
        from kvmdocs.core.errors import Interrupted, KvmdocsError
        from kvmdocs.execution import modes
        from kvmdocs.execution.run_result import RunResult

        names = [name for name in dict.fromkeys(self.needed) if name in self.project.catalog.entries]
        runnable = [name for name in names if self._can_run(name)] if self._graph_error(names) else names
        try:
            return modes.run(self.project, listener, runnable, require=modes.wants_all())
        except Interrupted as error:
            raise KeyboardInterrupt from error
        except KvmdocsError as error:
            self._errors.update(dict.fromkeys(runnable, error))
            return RunResult()

    def _graph_error(self, names: list[str]) -> CatalogError | None:
        """Return the error in the graph of what these recipes build on (a missing recipe or a cycle), or None."""
        from kvmdocs.core import graph
        from kvmdocs.core.errors import CatalogError
        from kvmdocs.execution.plan import with_inputs

        try:
            graph.topological_order(with_inputs(self.project, names))
        except CatalogError as error:
            return error
        return None

    def _can_run(self, name: str) -> bool:
        """Check whether the graph below a recipe is complete and acyclic. Its items report the error otherwise."""
        error = self._graph_error([name])
        if error:
            catalog = self.project.catalog
            problems = [problem for problem in catalog.problems if problem.evidence.recipe == name]
            self._errors[name] = (problems or [error])[0].seen(place=catalog.get(name).place)
        return error is None

    def record(self, name: str) -> Record:
        """Return a recipe's record.

        Raises:
            pytest.skip.Exception: The recipe was skipped.
            RecordFailed: The recipe failed.
            KvmdocsError: The recipe could not be run.
        """
        from kvmdocs.core.model import Status

        result = self.result
        if name in self._errors:
            raise self._errors[name]
        record = result.records[name]
        if record.status is Status.SKIPPED:
            skip(self.printable(f"{self._missing_needs(name)}{record.reason}"))
        if record.status is Status.FAILED:
            raise RecordFailed(record)
        return record

    def printable(self, text: str) -> str:
        """Return a text for pytest's reports, with secrets masked and control characters replaced."""
        from kvmdocs.core.control_characters import sanitize

        return sanitize(self.project.secrets.mask(text))

    def passed(self, name: str) -> bool:
        """Check whether a recipe has a record that passed."""
        from kvmdocs.core.model import Status

        record = self.result.records.get(name)
        return record is not None and name not in self._errors and record.status is Status.PASSED

    def _missing_needs(self, name: str) -> str:
        """Return "needs …: " with the capabilities that this host lacks, as the recipe names them; "" for none."""
        if self.project.mode is Mode.RECORDED:
            return ""  # no capability is probed in this mode
        needs = self.project.catalog.get(name).recipe.needs
        lacking = [need for need in needs if not self.project.capabilities.have(need).able]
        return f"needs {', '.join(lacking)}: " if lacking else ""


def skip(reason: str) -> NoReturn:
    """Skip the running item; pytest reports the item's location instead of this line."""
    raise pytest.skip.Exception(reason, _use_item_location=True)


class RecordFailed(Exception):
    """A recipe failed; its record says why."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.recipe)
        self.record = record


class RecordDrifted(Exception):
    """A record differs from the approved one in a section that its recipe calls stable."""

    def __init__(self, drift: Drift) -> None:
        super().__init__(drift.recipe)
        self.drift = drift
