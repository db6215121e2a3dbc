"""Offering the whole log of each step of a site's recipes, as a file beside the pages that its transcript leads to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files
from mkdocs.utils import get_relative_url

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

    from kvmdocs.core.model import Record
    from kvmdocs.execution.project import Project
    from kvmdocs.execution.result import RunResult

FOLDER = "logs"
"""Folder of the site with the logs."""


class LogLinks:
    """The logs of a site."""

    def __init__(self) -> None:
        self._files: dict[tuple[str, str], File] = {}

    def offer(self, files: Files, config: MkDocsConfig, project: Project, outcome: RunResult) -> None:
        """Add the whole log of every step that has one to the site."""
        self._files = {}
        for name in project.catalog.shown_recipes():
            record = outcome.records.get(name)
            for step in record.steps if record else ():
                if record and step.output.log:
                    path = project.store.logs(record.key) / step.output.log
                    if path.is_file():  # the record may be older than what the store still holds
                        self._add(files, config, (name, step.output.log), path)

    def _add(self, files: Files, config: MkDocsConfig, which: tuple[str, str], path: Path) -> None:
        file = File.generated(config, f"{FOLDER}/{which[0]}/{which[1]}", abs_src_path=str(path))
        files.append(file)
        self._files[which] = file

    def link(self, record: Record, name: str, page: Page | None) -> str | None:
        """Where a log of a record is, seen from a page; None where it is not offered."""
        file = self._files.get((record.recipe, name))
        return get_relative_url(file.url, page.url) if file and page else None
