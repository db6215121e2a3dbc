"""Downloads of whole logs: a file of the site for each step, to which its transcript links."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

    from kvmdocs.core.model import Record
    from kvmdocs.execution.project import Project
    from kvmdocs.execution.run_result import RunResult

FOLDER = "logs"
"""Folder of the site with the logs."""


class LogLinks:
    """The logs of a site."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, str], File] = {}

    def add_files(self, files: Files, config: MkDocsConfig, project: Project, result: RunResult) -> None:
        """Add the whole log of every step that has one to the site."""
        for name in project.catalog.shown_recipes():
            if (record := result.records.get(name)) is None:
                continue
            for log in (step.output.log for step in record.steps if step.output.log):
                path = project.store.logs(record.key) / log
                if path.is_file():  # garbage collection may have removed the logs of an old record
                    file = File.generated(config, f"{FOLDER}/{name}/{log}", abs_src_path=str(path))
                    files.append(file)
                    self._files[name, log] = file

    def link(self, record: Record, name: str, page: Page | None) -> str | None:
        """Return the address of a record's log, relative to a page; None if the site does not have it."""
        file = self._files.get((record.recipe, name))
        return get_relative_url(file.url, page.url) if file and page else None
