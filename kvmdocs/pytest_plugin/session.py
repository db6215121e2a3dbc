"""What the items of one project share in a test run: the project, and one run of all that they need."""

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
    from kvmdocs.execution.result import ProgressListener, RunResult
    from kvmdocs.store.drift import Drift


_units = pytest.StashKey[dict[Path, "Unit"]]()


def unit_of(config: pytest.Config, path: Path) -> Unit | None:
    """The unit of the project that a file belongs to; None for a file of no project."""
    units = config.stash.setdefault(_units, {})
    root = next((folder for folder in path.parents if (folder / FILE).is_file()), None)
    if root is None:
        return None
    if root not in units:
        units[root] = Unit(root)
    return units[root]


class Unit:
    """What the items of one project share: the project, and what came of running what they need.

    Args:
        root: The project's folder.
    """

    def __init__(self, root: Path) -> None:
        from kvmdocs.execution.project import Project

        self.project: Project = Project(root)
        self.wanted: list[str] = []
        self._outcome: RunResult | None = None
        self._wrong: dict[str, KvmdocsError] = {}

    @property
    def outcome(self) -> RunResult:
        """What came of the run."""
        if self._outcome is None:
            self.run()
        assert self._outcome is not None  # set by run()
        return self._outcome

    def run(self, shared: Path | None = None) -> None:
        """Run all that the selected items need. What keeps all of it from running is told by each of them.

        Args:
            shared: The folder of the workers of a test run; the first of them runs everything for all.
        """
        if shared is None:
            from kvmdocs.execution import progress

            self._outcome = self._ran(progress.reporter(sys.__stderr__))
        else:
            from kvmdocs.execution import report
            from kvmdocs.pytest_plugin.xdist import once

            def told() -> tuple[RunResult, dict[str, KvmdocsError]]:
                return self._ran(report.Lines(sys.__stderr__)), self._wrong

            self._outcome, self._wrong = once(shared, str(self.project.root), told)

    def _ran(self, reporter: ProgressListener) -> RunResult:
        from kvmdocs.core.errors import Interrupted, KvmdocsError
        from kvmdocs.execution import modes
        from kvmdocs.execution.result import RunResult

        names = [name for name in dict.fromkeys(self.wanted) if name in self.project.catalog.entries]
        sound = [name for name in names if self._is_sound(name)] if self._fault(names) else names
        try:
            return modes.run(self.project, reporter, sound, require=modes.wants_all())
        except Interrupted as error:
            raise KeyboardInterrupt from error
        except KvmdocsError as error:
            self._wrong.update(dict.fromkeys(sound, error))
            return RunResult()

    def _fault(self, names: list[str]) -> CatalogError | None:
        """What these build on that is not there, or in a circle; None when all is well."""
        from kvmdocs.core import graph
        from kvmdocs.core.errors import CatalogError
        from kvmdocs.execution.plan import with_inputs

        try:
            graph.topological_order(with_inputs(self.project, names))
        except CatalogError as error:
            return error
        return None

    def _is_sound(self, name: str) -> bool:
        """Whether a recipe can be run; what is wrong is told by its items."""
        error = self._fault([name])
        if error:
            catalog = self.project.catalog
            told = [problem for problem in catalog.problems if problem.evidence.recipe == name]
            self._wrong[name] = (told or [error])[0].seen(place=catalog.get(name).place)
        return error is None

    def record(self, name: str) -> Record:
        """A recipe's record; the test is skipped or fails as the recipe did."""
        from kvmdocs.core.model import Status

        outcome = self.outcome
        if name in self._wrong:
            raise self._wrong[name]
        record = outcome.records[name]
        if record.status is Status.SKIPPED:
            skip(self.told(f"{self._lacking(name)}{record.reason}"))
        if record.status is Status.FAILED:
            raise RecipeDidFail(record)
        return record

    def told(self, text: str) -> str:
        """A text for pytest's reports: without secrets, and without what a terminal obeys."""
        from kvmdocs.core.control_characters import neutral

        return neutral(self.project.secrets.mask(text))

    def passed(self, name: str) -> bool:
        """Whether a recipe has a record that passed."""
        from kvmdocs.core.model import Status

        record = self.outcome.records.get(name)
        return record is not None and name not in self._wrong and record.status is Status.PASSED

    def _lacking(self, name: str) -> str:
        """The capabilities that a skipped recipe needs and that the host has not, named as the recipe names them."""
        if self.project.mode is Mode.RECORDED:
            return ""  # nothing is tried there
        needs = self.project.catalog.get(name).recipe.needs
        lacking = [need for need in needs if not self.project.capabilities.have(need).able]
        return f"needs {', '.join(lacking)}: " if lacking else ""


def skip(reason: str) -> NoReturn:
    """Skip the item that runs; pytest shows its place, not this one."""
    raise pytest.skip.Exception(reason, _use_item_location=True)


class RecipeDidFail(Exception):
    """A recipe failed; its record says why."""

    def __init__(self, record: Record) -> None:
        super().__init__(record.recipe)
        self.record = record


class RecordDrifted(Exception):
    """A record differs from the approved one in what its recipe calls stable."""

    def __init__(self, drift: Drift) -> None:
        super().__init__(drift.recipe)
        self.drift = drift
