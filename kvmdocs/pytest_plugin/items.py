"""What pytest collects of a project: a guide with an item for each of its blocks, a module of recipes with one for each recipe."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kvmdocs.pytest_plugin.session import RecipeDidFail, RecordDrifted, Unit, skip, unit_of
from kvmdocs.recording.source.urls import PREFIX

if TYPE_CHECKING:
    from _pytest._code.code import ExceptionInfo, TerminalRepr

    from kvmdocs.catalog.catalog import CatalogEntry, Read, Request
    from kvmdocs.catalog.guides import Block
    from kvmdocs.core.model import Record
    from kvmdocs.site.publisher import Publisher

SLOW = 60.0
"""Seconds a recipe is expected to take from which on it is marked ``slow``."""

SHOWN = ".shown"
"""Ending of what is kept of a guide whose blocks can be shown."""

DRIFT_LINES = 40
"""Lines of the drift that are shown with a failure."""


class ProjectFile(pytest.File):
    """A file of a project, which knows its unit."""

    @cached_property
    def unit(self) -> Unit:
        """The unit of its project."""
        unit = unit_of(self.config, self.path)
        assert unit is not None  # pytest_collect_file has seen to it
        return unit

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        """The engine's own errors without a traceback."""
        del style
        from kvmdocs.core.errors import KvmdocsError

        error = excinfo.value
        return self.unit.told(error.report()) if isinstance(error, KvmdocsError) else super().repr_failure(excinfo)


class GuideFile(ProjectFile):
    """A guide; its items are its blocks."""

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each block."""
        for block in self.blocks:
            # What came of the block when its guide was read; None for one that has nothing to do with recipes.
            read = self.unit.project.catalog.read.get((self.path, block.line))
            yield BlockItem.from_parent(self, name=f"line {block.line}", block=block, read=read)

    @cached_property
    def blocks(self) -> list[Block]:
        """Its blocks, as the catalog has read them; a guide that it could not read tells here why."""
        from kvmdocs.catalog.guides import find_blocks

        known = self.unit.project.catalog.blocks.get(self.path)
        return find_blocks(self.path) if known is None else known

    @cached_property
    def plain(self) -> dict[int, list[str]]:
        """Blocks, by their lines, that only show records which passed, and for each what it depends on whether they can be shown so."""
        found = {}
        for block in self.blocks:
            read = self.unit.project.catalog.read.get((self.path, block.line))
            if read is None or read.error or not read.requests:
                continue
            if all(request.options.render is None and self.unit.passed(request.name) for request in read.requests):
                found[block.line] = [part for request in read.requests for part in self._parts(request)]
        return found

    def _parts(self, request: Request) -> list[str]:
        record = self.unit.record(request.name)
        return [record.recipe, record.key, record.started, repr(request.options)]

    @cached_property
    def known(self) -> bool:
        """Whether all its plain blocks have been shown before, by this renderer, as `teardown` notes."""
        from kvmdocs.store.derived import recall

        return recall(self.unit.project.store, self._all_parts(), SHOWN) is not None

    def _all_parts(self) -> list[str]:
        settings = self.unit.project.settings.values
        links = {name: value for name, value in settings.items() if name.startswith(PREFIX)}
        return [repr(links), *(part for line, parts in self.plain.items() for part in (str(line), *parts))]

    def teardown(self) -> None:
        """Note in the store that all its plain blocks can be shown, if they were."""
        if self.shown and not self.known and self.shown >= self.plain.keys():
            from kvmdocs.store.derived import keep

            keep(self.unit.project.store, self._all_parts(), "", SHOWN)

    @cached_property
    def shown(self) -> set[int]:
        """Lines of the blocks that were shown without an error."""
        return set()

    @cached_property
    def publisher(self) -> Publisher:
        """Renders what its blocks show."""
        from kvmdocs.site.publisher import Publisher

        return Publisher(self.unit.project, guide=self.path)


class RecipeFile(ProjectFile):
    """A module of recipes; its items are the recipes it defines."""

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each recipe."""
        shown = self.unit.project.catalog.shown(self.path)
        for name, entry in self.unit.project.catalog.entries.items():
            if entry.block is None and entry.place.path == shown:
                yield RecipeItem.from_parent(self, name=name, entry=entry)


class ProjectItem(pytest.Item):
    """What recipes and blocks have in common: recipes they need, and how a failure is told."""

    @cached_property
    def unit(self) -> Unit:
        """The project's unit."""
        file = self.parent
        assert isinstance(file, ProjectFile)  # items are made by those only
        return file.unit

    def needs(self) -> list[str]:
        """Names of the recipes this item looks at."""
        raise NotImplementedError

    def sound(self) -> bool:
        """Whether nothing of the project's own has to run to tell that it passes."""
        names = self.needs()
        return bool(names) and all(self.unit.passed(name) for name in names)

    def locate(self, line: int) -> None:
        """Put file and line into JUnit's XML, whose current form has no attributes for them."""
        self.user_properties += [("file", self.unit.project.catalog.shown(self.path)), ("line", line)]

    def mark(self, names: list[str]) -> None:
        """Put on the markers that follow from what recipes declare."""
        for name in names:
            entry = self.unit.project.catalog.entries.get(name)
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
        """A recipe's failure with its evidence; the engine's own errors without a traceback."""
        from kvmdocs.core.errors import KvmdocsError

        error = excinfo.value
        if isinstance(error, RecipeDidFail):
            return self.unit.told("\n".join([*self._told(error.record), *self._drifted(error.record)]))
        if isinstance(error, RecordDrifted):
            accept = f"kvmdocs approve {error.drift.recipe}"
            lines = [*error.drift.lines(), f"  next     mend the recipe, or accept what it gives now: {accept}"]
            return self.unit.told("\n".join(lines))
        if isinstance(error, KvmdocsError):
            return self.unit.told(error.report())
        return super().repr_failure(excinfo, style)

    def _told(self, record: Record) -> list[str]:
        from kvmdocs.execution import report

        project = self.unit.project
        return [report.describe_failure(record, project.catalog.shown_at(record.recipe), project.store)]

    def _drifted(self, record: Record) -> list[str]:
        """How a failed record differs from the approved one up to where it failed."""
        from kvmdocs.script.approval import drift_until_failure

        drift = drift_until_failure(self.unit.project, record)
        if drift is None:
            return []
        lines = drift.lines()
        more = [f"… {len(lines) - DRIFT_LINES} more lines"] if len(lines) > DRIFT_LINES else []
        return ["", "Up to there it differs from the approved record:", *lines[:DRIFT_LINES], *more]


class RecipeItem(ProjectItem):
    """A recipe passes if it has a record that passed, and that has not drifted in what the recipe calls stable."""

    def __init__(self, *, entry: CatalogEntry, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._entry = entry
        self.locate(entry.place.line)
        self.mark([entry.recipe.name])

    def needs(self) -> list[str]:
        """The recipe itself."""
        return [self._entry.recipe.name]

    def runtest(self) -> None:
        """Look at its record."""
        from kvmdocs.script.approval import drift_of

        record = self.unit.record(self._entry.recipe.name)
        stable = self._entry.recipe.stable
        if stable and (drift := drift_of(self.unit.project, record, stable)):
            raise RecordDrifted(drift)

    def reportinfo(self) -> tuple[Path, int, str]:
        """File, line counted from 0, and name."""
        return self.path, self._entry.place.line - 1, f"recipe {self.name}"


class BlockItem(ProjectItem):
    """A block passes if it runs and all that it shows can be shown."""

    def __init__(self, *, block: Block, read: Read | None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._block = block
        self._read = read
        self._needs = [request.name for request in read.requests] if read else []
        self.locate(block.line)
        self.mark(self._needs)

    def needs(self) -> list[str]:
        """The recipes it shows."""
        return self._needs

    @cached_property
    def _guide(self) -> GuideFile:
        file = self.parent
        assert isinstance(file, GuideFile)  # it is what makes blocks
        return file

    def sound(self) -> bool:
        """The same; what a block renders by itself is code of the project's own."""
        return self._block.line in self._guide.plain

    def runtest(self) -> None:
        """Render what it shows, or execute it if that is nothing."""
        read = self._read
        if read is None:
            self._execute()
            return
        if read.error is not None:
            raise read.error
        if self.sound() and self._guide.known:
            return
        publisher = self._guide.publisher
        publisher.turn_to(self.path)
        reasons = []
        for request in read.requests:
            self.unit.project.catalog.get(request.name)
            try:
                publisher.render(self.unit.record(request.name), request.options)
            except pytest.skip.Exception as skipped:
                reasons.append(f"{request.name}: {skipped.msg}")
        if reasons and len(reasons) == len(read.requests):
            skip(self.unit.told("; ".join(reasons)))
        self._guide.shown.add(self._block.line)

    def _execute(self) -> None:
        """Execute the block after the earlier ones of its session."""
        names: dict[str, Any] = {}
        catalog = self.unit.project.catalog
        if self._block.session:
            for earlier in self._guide.blocks:
                if earlier.session == self._block.session and earlier.line < self._block.line:
                    catalog.execute(earlier, names, lambda *_: None)
        catalog.execute(self._block, names, lambda *_: None)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Guide, line counted from 0, and name."""
        return self.path, self._block.line - 1, f"{self.unit.project.catalog.shown(self.path)}:{self._block.line}"
