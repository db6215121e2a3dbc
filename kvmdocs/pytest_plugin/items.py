"""pytest's nodes: guides with an item for each block, and modules of recipes with an item for each recipe."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kvmdocs.pytest_plugin.session import ProjectSession, RecordDrifted, RecordFailed, session_of, skip
from kvmdocs.recording.source.urls import PREFIX

if TYPE_CHECKING:
    from _pytest._code.code import ExceptionInfo, TerminalRepr

    from kvmdocs.catalog.entries import BlockResult, CatalogEntry, Request
    from kvmdocs.catalog.guides import Block
    from kvmdocs.core.model import Record
    from kvmdocs.site.publisher import Publisher

SLOW = 60.0
"""Seconds: a recipe that is expected to take this long or longer is marked ``slow``."""

RENDERED = ".shown"
"""File name suffix of a guide's note in the store that its plain blocks were rendered without an error."""

DRIFT_LINES = 40
"""Most lines of the drift to show with a failure."""


class ProjectFile(pytest.File):
    """A file of a project."""

    @cached_property
    def project_session(self) -> ProjectSession:
        """Session of the project that the file belongs to."""
        session = session_of(self.config, self.path)
        assert session is not None  # pytest_collect_file checks it
        return session

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        """Return the engine's own errors without a traceback."""
        del style
        from kvmdocs.core.errors import KvmdocsError

        error = excinfo.value
        printable = self.project_session.printable
        return printable(error.report()) if isinstance(error, KvmdocsError) else super().repr_failure(excinfo)


class GuideFile(ProjectFile):
    """A guide, with an item for each block."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for each block."""
        for block in self.blocks:
            # The block's result from reading the guide; None for a block that has nothing to do with recipes.
            read = self.project_session.project.catalog.read.get((self.path, block.number))
            yield BlockItem.from_parent(self, name=self._name(block), block=block, read=read)

    @cached_property
    def blocks(self) -> list[Block]:
        """Blocks of the guide, from the catalog. If the catalog could not read the guide, reading it here raises the error."""
        from kvmdocs.catalog.guides import find_blocks

        page = self.project_session.project.catalog.pages.get(self.path)
        return find_blocks(self.path) if page is None else page.blocks

    def _name(self, block: Block) -> str:
        """Return the name of a block's item, with the file if the guide includes it."""
        file = "" if block.file == block.guide else f"{self.project_session.project.catalog.shown(block.file)} "
        return f"{file}line {block.line}"

    @cached_property
    def plain(self) -> dict[int, list[str]]:
        """Inputs of rendering by line, for each block that only shows records that passed and has no ``render`` function."""
        plain = {}
        for block in self.blocks:
            read = self.project_session.project.catalog.read.get((self.path, block.number))
            if read is None or read.error or not read.requests:
                continue
            if all(request.options.render is None and self.project_session.passed(request.name) for request in read.requests):
                plain[block.number] = [part for request in read.requests for part in self._inputs(request)]
        return plain

    def _inputs(self, request: Request) -> list[str]:
        record = self.project_session.record(request.name)
        return [record.recipe, record.key, record.started, repr(request.options)]

    @cached_property
    def rendered_before(self) -> bool:
        """True if the store has the note that `teardown` writes, for the same inputs and the same engine."""
        from kvmdocs.store.derived import get

        return get(self.project_session.project.store, self._all_inputs(), RENDERED) is not None

    def _all_inputs(self) -> list[str]:
        settings = self.project_session.project.settings.values
        links = {name: value for name, value in settings.items() if name.startswith(PREFIX)}
        return [repr(links), *(part for line, inputs in self.plain.items() for part in (str(line), *inputs))]

    def teardown(self) -> None:
        """Note in the store that all plain blocks can be rendered, if they were rendered in this run."""
        if self.rendered and not self.rendered_before and self.rendered >= self.plain.keys():
            from kvmdocs.store.derived import put

            put(self.project_session.project.store, self._all_inputs(), "", RENDERED)

    @cached_property
    def rendered(self) -> set[int]:
        """Lines of the blocks that were rendered without an error in this run."""
        return set()

    @cached_property
    def publisher(self) -> Publisher:
        """Renderer of the guide's blocks."""
        from kvmdocs.site.publisher import Publisher

        return Publisher(self.project_session.project, guide=self.path)


class RecipeFile(ProjectFile):
    """A module of recipes, with an item for each recipe it defines."""

    def collect(self) -> Iterator[pytest.Item]:
        """Yield an item for each recipe."""
        catalog = self.project_session.project.catalog
        path = catalog.shown(self.path)
        for name, entry in catalog.entries.items():
            if entry.block is None and entry.place.path == path:
                yield RecipeItem.from_parent(self, name=name, entry=entry)


class ProjectItem(pytest.Item):
    """Base of the items for recipes and blocks."""

    @cached_property
    def project_session(self) -> ProjectSession:
        """Session of the project that the item belongs to."""
        file = self.parent
        assert isinstance(file, ProjectFile)  # only these make items
        return file.project_session

    def needs(self) -> list[str]:
        """Return the names of the recipes whose records this item reads."""
        raise NotImplementedError

    def locate(self, line: int, file: Path | None = None) -> None:
        """Add file and line as properties for JUnit XML, whose ``xunit2`` form has no attributes for them."""
        self.user_properties += [("file", self.project_session.project.catalog.shown(file or self.path)), ("line", line)]

    def mark(self, names: list[str]) -> None:
        """Add the markers that follow from the declarations of recipes."""
        for name in names:
            entry = self.project_session.project.catalog.entries.get(name)
            if entry is None:
                continue
            recipe = entry.recipe
            if recipe.expects >= SLOW:
                self.add_marker("slow")
            for need in recipe.needs:
                kind = {"reach": "network"}.get(need.partition(":")[0], need)
                if kind in ("network", "root", "kvm"):
                    self.add_marker(kind)

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        """Return a recipe's failure with its evidence, and the engine's own errors without a traceback."""
        from kvmdocs.core.errors import KvmdocsError

        error = excinfo.value
        if isinstance(error, RecordFailed):
            return self._printable([self._failure(error.record), *self._drift(error.record)])
        if isinstance(error, RecordDrifted):
            accept = f"kvmdocs approve {error.drift.recipe}"
            return self._printable([*error.drift.lines(), f"  next     fix the recipe, or accept its new output: {accept}"])
        if isinstance(error, KvmdocsError):
            return self._printable([error.report()])
        return super().repr_failure(excinfo, style)

    def _printable(self, lines: list[str]) -> str:
        return self.project_session.printable("\n".join(lines))

    def _failure(self, record: Record) -> str:
        from kvmdocs.execution import report

        project = self.project_session.project
        return report.describe_failure(record, project.catalog.shown_at(record.recipe), project.store)

    def _drift(self, record: Record) -> list[str]:
        """Return the drift of a failed record up to the failing step, as lines; [] if there is none."""
        from kvmdocs.script.approval import drift_until_failure

        drift = drift_until_failure(self.project_session.project, record)
        if drift is None:
            return []
        lines = drift.lines()
        more = [f"… {len(lines) - DRIFT_LINES} more lines"] if len(lines) > DRIFT_LINES else []
        return ["", "Up to the failing step it differs from the approved record:", *lines[:DRIFT_LINES], *more]


class RecipeItem(ProjectItem):
    """A recipe. It passes if it has a record that passed and that has not drifted in the sections the recipe calls stable."""

    def __init__(self, *, entry: CatalogEntry, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._entry = entry
        self.locate(entry.place.line)
        self.mark([entry.recipe.name])

    def needs(self) -> list[str]:
        """Return the recipe's own name."""
        return [self._entry.recipe.name]

    def runtest(self) -> None:
        """Check the recipe's record."""
        from kvmdocs.script.approval import find_drift

        record = self.project_session.record(self._entry.recipe.name)
        stable = self._entry.recipe.stable
        if stable and (drift := find_drift(self.project_session.project, record, stable)):
            raise RecordDrifted(drift)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the module, the line counted from 0, and the item's name."""
        return self.path, self._entry.place.line - 1, f"recipe {self.name}"


class BlockItem(ProjectItem):
    """A block. It passes if it runs and everything it shows can be rendered."""

    def __init__(self, *, block: Block, read: BlockResult | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._block = block
        self._read = read
        self._needs = [request.name for request in read.requests] if read else []
        self.locate(block.line, block.file)
        self.mark(self._needs)

    def needs(self) -> list[str]:
        """Return the names of the recipes that the block shows."""
        return self._needs

    @cached_property
    def _guide(self) -> GuideFile:
        file = self.parent
        assert isinstance(file, GuideFile)  # only these make blocks
        return file

    def runtest(self) -> None:
        """Render the records that the block shows, or execute the block if it shows none."""
        read = self._read
        if read is None:
            self._execute()
            return
        if read.error is not None:
            raise read.error
        if self._block.number in self._guide.plain and self._guide.rendered_before:
            return
        publisher = self._guide.publisher
        publisher.turn_to(self.path)
        reasons = []
        for request in read.requests:
            self.project_session.project.catalog.get(request.name)
            try:
                publisher.render(self.project_session.record(request.name), request.options)
            except pytest.skip.Exception as skipped:
                reasons.append(f"{request.name}: {skipped.msg}")
        if reasons and len(reasons) == len(read.requests):
            skip(self._printable(["; ".join(reasons)]))
        self._guide.rendered.add(self._block.number)

    def _execute(self) -> None:
        """Execute the block after the earlier blocks of its session."""
        names: dict[str, Any] = {}
        catalog = self.project_session.project.catalog
        if self._block.session:
            for earlier in self._guide.blocks:
                if earlier.session == self._block.session and earlier.number < self._block.number:
                    catalog.execute(earlier, names, lambda *_: None)
        catalog.execute(self._block, names, lambda *_: None)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return the guide, the line counted from 0, and the block's location."""
        file = self._block.file
        return file, self._block.line - 1, f"{self.project_session.project.catalog.shown(file)}:{self._block.line}"
