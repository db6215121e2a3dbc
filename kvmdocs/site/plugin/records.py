"""Records of a site: a build runs what its guides show, a server takes the latest records there are."""

from __future__ import annotations

import sys
from pathlib import Path

from mkdocs.exceptions import PluginError
from mkdocs.plugins import get_plugin_logger

from kvmdocs.catalog.catalog import Catalog
from kvmdocs.core.errors import KvmdocsError, StoreError
from kvmdocs.core.model import Freshness, Mode, Record, Status
from kvmdocs.execution import modes, report
from kvmdocs.execution.executor import Executor
from kvmdocs.execution.project import Project
from kvmdocs.execution.run_result import ProgressListener, RunResult
from kvmdocs.site.publisher import command_result
from kvmdocs.site.serve.runner import BackgroundRunner
from kvmdocs.site.serve.view import ServeView

log = get_plugin_logger("kvmdocs")


def run(project: Project) -> RunResult:
    """Return the records of all recipes that a project's guides show, made or found as its mode says.

    Raises:
        PluginError: A guide is wrong or a recipe failed; the message lists all of them.
    """
    catalog = project.catalog
    if catalog.problems:
        raise PluginError("\n\n".join(problem.report() for problem in catalog.problems))
    before = command_result.get()
    # The command around this build (`--keep-going`) has reported these failures, and pages show them; they are not run again.
    failed = before.failed() if before is not None else {}
    # That command has also reported progress; once is enough.
    if before is None:
        result = modes.run(project, report.ProgressLines(), catalog.shown_recipes())
    elif project.mode is Mode.RECORDED:
        result = modes.recorded(project, catalog.shown_recipes())
    else:
        result = Executor(project, ProgressListener(), failed=failed).run(catalog.shown_recipes())
    if before is not None:
        result.freshness.update({name: before.freshness[name] for name in result.records if name in before.freshness})
    new_failures = [record for name, record in result.failed().items() if name not in failed]
    if message := report.describe_failures(new_failures, catalog, project.store):
        raise PluginError(message)
    return result


class ServeRecords:
    """Records that a server shows, and the runner that makes new ones in the background.

    Attributes:
        background: The runner; None before the first build, and while the store cannot be written.
    """

    def __init__(self) -> None:
        self.background: BackgroundRunner | None = None

    def latest(self, project: Project) -> ServeView:
        """Return the latest records. Problems are logged and stop nothing."""
        for problem in project.catalog.problems:
            log.error(problem.report())
        names = [name for name in project.catalog.shown_recipes() if name in project.catalog.entries]
        if project.mode is Mode.RECORDED:
            return ServeView(modes.recorded(project, names))
        try:
            self.background = self.background or BackgroundRunner(project)
        except StoreError as error:
            # A sentence, not a template.
            log.warning(f"{error.report()}\nno recipe runs in the background until the store can be written")  # noqa: G004
            return ServeView(modes.recorded(project, names))
        view = self.background.view(project, names)
        result = view.outcome
        # A recipe without a record has an empty one that says so; while it runs for the first time, its page says that instead.
        missing = [name for name in names if name not in result.records]
        empty = modes.recorded(project, missing).records
        result.records.update((name, record) for name, record in empty.items() if name in missing)
        if message := report.describe_failures(result.failed().values(), project.catalog, project.store):
            log.error(message)
        return view

    def stop(self) -> None:
        """Stop the background runner."""
        if self.background is not None:
            self.background.stop()
            self.background = None


def record_on_page(project: Project, result: RunResult, name: str) -> Record | None:
    """Return the record of a recipe that a page shows: if it was skipped the approved one, but never in place of a failure."""
    record = result.records.get(name)
    if record is not None and (record.status is not Status.SKIPPED or result.freshness.get(name) is Freshness.BLOCKED):
        return record
    return modes.newest(project, name) or record


def project_without_recipes(root: Path) -> Project:
    """Return a project without its recipes, for the pages of one whose recipes cannot be read.

    Raises:
        PluginError: The settings cannot be read either.
    """
    try:
        project = Project(root, guides=[])
    except KvmdocsError as error:
        raise PluginError(error.report()) from error
    project.catalog = Catalog(project.settings)
    return project


def forget_modules(root: Path) -> None:
    """Remove the project's recipes from ``sys.modules``, so that edited ones are imported again."""
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path and name.partition(".")[0] != "kvmdocs" and Path(path).is_relative_to(root) and "site-packages" not in path:
            del sys.modules[name]
