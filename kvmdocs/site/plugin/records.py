"""Where the records of a site come from: a build runs all that its guides ask for, a server looks at what there is."""

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
from kvmdocs.execution.result import ProgressListener, RunResult
from kvmdocs.site.publisher import earlier
from kvmdocs.site.serve.runner import BackgroundRunner
from kvmdocs.site.serve.view import ServeView

log = get_plugin_logger("kvmdocs")


def run(project: Project) -> RunResult:
    """All that a project's guides ask for, in its mode.

    Raises:
        PluginError: A guide is wrong or a recipe failed; the message lists all of them.
    """
    catalog = project.catalog
    if catalog.problems:
        raise PluginError("\n\n".join(problem.report() for problem in catalog.problems))
    before = earlier.get()
    # What failed in the command around this build, which goes on nevertheless, has been told and is shown; it is not tried once more.
    failed = before.failed() if before is not None else {}
    # That command has told what runs and what does not; once is enough.
    if before is None:
        outcome = modes.run(project, report.Lines(), catalog.shown_recipes())
    elif project.mode is Mode.RECORDED:
        outcome = modes.recorded(project, catalog.shown_recipes())
    else:
        outcome = Executor(project, ProgressListener(), failed=failed).run(catalog.shown_recipes())
    if before is not None:
        outcome.freshness.update({name: before.freshness[name] for name in outcome.records if name in before.freshness})
    newly = [record for name, record in outcome.failed().items() if name not in failed]
    if told := report.describe_failures(newly, catalog, project.store):
        raise PluginError(told)
    return outcome


class ServeRecords:
    """What there is to show for somebody who writes, while the rest runs behind the pages."""

    def __init__(self) -> None:
        self.background: BackgroundRunner | None = None

    def look(self, project: Project) -> ServeView:
        """What there is; what is wrong is logged, and stops nothing."""
        for problem in project.catalog.problems:
            log.error(problem.report())
        wanted = [name for name in project.catalog.shown_recipes() if name in project.catalog.entries]
        if project.mode is Mode.RECORDED:
            return ServeView(modes.recorded(project, wanted))
        try:
            self.background = self.background or BackgroundRunner(project)
        except StoreError as error:
            log.warning(f"{error.report()}\nnothing runs in the background")  # noqa: G004  # a sentence, not a template
            return ServeView(modes.recorded(project, wanted))
        view = self.background.look(project, wanted)
        shown = view.outcome
        # A recipe without any record says so; while it runs for the first time its page says that.
        none = [name for name in wanted if name not in shown.records]
        shown.records.update((name, record) for name, record in modes.recorded(project, none).records.items() if name in none)
        if told := report.describe_failures(shown.failed().values(), project.catalog, project.store):
            log.error(told)
        return view

    def stop(self) -> None:
        """End all that runs behind the pages."""
        if self.background is not None:
            self.background.stop()
            self.background = None


def shown(project: Project, outcome: RunResult, name: str) -> Record | None:
    """The record a page shows of a recipe: where it was skipped the approved one, but never in place of a failure."""
    record = outcome.records.get(name)
    if record is not None and (record.status is not Status.SKIPPED or outcome.freshness.get(name) is Freshness.BLOCKED):
        return record
    return modes.newest(project, name) or record


def bare(root: Path) -> Project:
    """A project without its recipes, for pages of one whose recipes cannot be read.

    Raises:
        PluginError: Not even its settings can be read.
    """
    try:
        project = Project(root, guides=[])
    except KvmdocsError as error:
        raise PluginError(error.report()) from error
    project.catalog = Catalog(project.settings)
    return project


def forget_modules(root: Path) -> None:
    """Forget the project's recipes, so that an edited one is imported anew."""
    for name, module in list(sys.modules.items()):
        path = getattr(module, "__file__", None)
        if path and name.partition(".")[0] != "kvmdocs" and Path(path).is_relative_to(root) and "site-packages" not in path:
            del sys.modules[name]
