"""The pytest plugin: every recipe and every block of every guide is a test.

Given a guide (``docs/en/debug.md``) or a module of recipes (``recipes/qemu.py``), pytest collects an item for each block or recipe in it. All that
the selected items need is run once, in parallel, by the same executor and into the same store as a build; then each item
says what became of its part. Under pytest-xdist that is still one run (`kvmdocs.pytest_workers`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from kvmdocs.model import Mode
from kvmdocs.pytest_unit import RecipeDidFail, RecordDrifted, Unit, skip
from kvmdocs.settings import FILE

if TYPE_CHECKING:
    from _pytest._code.code import ExceptionInfo, TerminalRepr

    from kvmdocs.catalog import Entry, Read
    from kvmdocs.guides import Block
    from kvmdocs.model import Record
    from kvmdocs.present import Publisher

SLOW = 60.0
"""Seconds a recipe is expected to take from which on it is marked ``slow``."""

DRIFT_LINES = 40
"""Lines of the drift that are shown with a failure."""

_units = pytest.StashKey[dict[Path, Unit]]()


def unit_of(config: pytest.Config, path: Path) -> Unit | None:
    """The unit of the project that a file belongs to; None for a file of no project."""
    units = config.stash.setdefault(_units, {})
    root = next((folder for folder in path.parents if (folder / FILE).is_file()), None)
    if root is None:
        return None
    if root not in units:
        units[root] = Unit(root)
    return units[root]


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers that items carry, and see to the mode that was asked for."""
    for name, meaning in {
        "kvm": "needs a KVM that a guest has booted under",
        "slow": "a recipe that takes over a minute the first time",
        "network": "needs the network beyond this host",
        "root": "needs root's rights",
    }.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    mode = config.getoption("kvmdocs_mode")
    if mode:
        from kvmdocs.modes import in_mode

        around = ExitStack()
        around.enter_context(in_mode(mode))
        config.add_cleanup(around.close)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the plugin's option."""
    parser.getgroup("kvmdocs").addoption(
        "--kvmdocs-mode",
        choices=[str(mode) for mode in Mode],
        default="",
        help="What is done about stale recipes: run them (live), run everything (fresh), run nothing (recorded).",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take guides and modules of recipes."""
    if file_path.suffix not in (".md", ".py"):
        return None
    unit = unit_of(parent.config, file_path)
    if unit is None:
        return None
    settings = unit.project.settings
    if file_path.suffix == ".md":
        inside = any(file_path.is_relative_to(settings.root / folder) for folder in settings["project.docs"])
        return GuideFile.from_parent(parent, path=file_path) if inside else None
    package = settings.root / settings["project.recipes"].replace(".", "/")
    return RecipeFile.from_parent(parent, path=file_path) if file_path.is_relative_to(package) else None


class _File(pytest.File):
    @cached_property
    def unit(self) -> Unit:
        """The unit of its project."""
        unit = unit_of(self.config, self.path)
        assert unit is not None  # pytest_collect_file has seen to it
        return unit

    def repr_failure(self, excinfo: ExceptionInfo[BaseException], style: Any = None) -> str | TerminalRepr:
        """The engine's own errors without a traceback."""
        del style
        from kvmdocs.errors import KvmdocsError

        error = excinfo.value
        return error.report() if isinstance(error, KvmdocsError) else super().repr_failure(excinfo)


class GuideFile(_File):
    """A guide; its items are its blocks, and what is wrong with it as a whole."""

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each block."""
        for block in self.blocks:
            # What came of the block when its guide was read; None for one that has nothing to do with recipes.
            read = self.unit.project.catalog.read.get((self.path, block.line))
            yield BlockItem.from_parent(self, name=f"line {block.line}", block=block, read=read)

    @cached_property
    def blocks(self) -> list[Block]:
        """Its blocks, as the catalog has read them; a guide that it could not read tells here why."""
        from kvmdocs.guides import find_blocks

        known = self.unit.project.catalog.blocks.get(self.path)
        return find_blocks(self.path) if known is None else known

    @cached_property
    def publisher(self) -> Publisher:
        """Renders what its blocks show."""
        from kvmdocs.present import Publisher

        return Publisher(self.unit.project, guide=self.path)


class RecipeFile(_File):
    """A module of recipes; its items are the recipes it defines."""

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each recipe."""
        shown = self.unit.project.catalog.shown(self.path)
        for name, entry in self.unit.project.catalog.entries.items():
            if entry.block is None and entry.place.path == shown:
                yield RecipeItem.from_parent(self, name=name, entry=entry)


class _Item(pytest.Item):
    """What recipes and blocks have in common: recipes they need, and how a failure is told."""

    @property
    def unit(self) -> Unit:
        """The project's unit."""
        file = self.parent
        assert isinstance(file, _File)  # items are made by those only
        return file.unit

    def needs(self) -> list[str]:
        """Names of the recipes this item looks at."""
        raise NotImplementedError

    def sound(self) -> pytest.CallInfo[None] | None:
        """How it passed, without any code of the project's own being run; None for one that did not, or that must be run to know."""
        names = self.needs()
        if not names or not all(self.unit.passed(name) for name in names):
            return None
        call = pytest.CallInfo.from_call(self.runtest, "call", (KeyboardInterrupt, pytest.exit.Exception))
        return None if call.excinfo else call

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
        from kvmdocs.errors import KvmdocsError

        error = excinfo.value
        if isinstance(error, RecipeDidFail):
            return "\n".join([*self._told(error.record), *self._drifted(error.record)])
        if isinstance(error, RecordDrifted):
            accept = f"kvmdocs approve {error.drift.recipe}"
            return "\n".join([*error.drift.lines(), f"  next     mend the recipe, or accept what it gives now: {accept}"])
        if isinstance(error, KvmdocsError):
            return error.report()
        return super().repr_failure(excinfo, style)

    def _told(self, record: Record) -> list[str]:
        from kvmdocs import report

        project = self.unit.project
        return [report.describe_failure(record, project.catalog.askers(record.recipe), project.store)]

    def _drifted(self, record: Record) -> list[str]:
        """How a failed record differs from the approved one up to where it failed."""
        from kvmdocs.approving import drift_until_failure

        drift = drift_until_failure(self.unit.project, record)
        if drift is None:
            return []
        lines = drift.lines()
        more = [f"… {len(lines) - DRIFT_LINES} more lines"] if len(lines) > DRIFT_LINES else []
        return ["", "Up to there it differs from the approved record:", *lines[:DRIFT_LINES], *more]


class RecipeItem(_Item):
    """A recipe passes if it has a record that passed, and that has not drifted in what the recipe calls stable."""

    def __init__(self, *, entry: Entry, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._entry = entry
        self.locate(entry.place.line)
        self.mark([entry.recipe.name])

    def needs(self) -> list[str]:
        """The recipe itself."""
        return [self._entry.recipe.name]

    def runtest(self) -> None:
        """Look at its record."""
        from kvmdocs.approving import drift_of

        record = self.unit.record(self._entry.recipe.name)
        stable = self._entry.recipe.stable
        if stable and (drift := drift_of(self.unit.project, record, stable)):
            raise RecordDrifted(drift)

    def reportinfo(self) -> tuple[Path, int, str]:
        """File, line counted from 0, and name."""
        return self.path, self._entry.place.line - 1, f"recipe {self.name}"


class BlockItem(_Item):
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

    @property
    def _guide(self) -> GuideFile:
        file = self.parent
        assert isinstance(file, GuideFile)  # it is what makes blocks
        return file

    def sound(self) -> pytest.CallInfo[None] | None:
        """The same; what a block renders by itself is code of the project's own."""
        renders = self._read is None or any(request.options.render for request in self._read.requests)
        return None if renders else super().sound()

    def runtest(self) -> None:
        """Render what it shows, or execute it if that is nothing."""
        read = self._read
        if read is None:
            self._execute()
            return
        if read.error is not None:
            raise read.error
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
            skip("; ".join(reasons))

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


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist which folder it shares with the others."""
    from kvmdocs.pytest_workers import KEY, folder_for_workers

    node.workerinput[KEY] = str(folder_for_workers(node.config))


def _nothing() -> None:
    """What there is to set up and to tear down."""


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Report a recipe or block that is sound without the frame of a test: nothing runs that had to be set up, captured, logged or torn down.

    What is not, and the last of a file, after which pytest takes down what earlier tests have set up, go pytest's own way.
    """
    if (
        not isinstance(item, _Item)
        or nextitem is None
        or nextitem.parent is not item.parent
        or item.config.getoption("setuponly")
    ):
        return None
    passed = item.sound()
    if passed is None:
        return None
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    for call in (pytest.CallInfo.from_call(_nothing, "setup"), passed, pytest.CallInfo.from_call(_nothing, "teardown")):
        hook.pytest_runtest_logreport(report=hook.pytest_runtest_makereport(item=item, call=call))
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Run all that the selected items need before the first of them, so that it runs in parallel."""
    units: dict[int, Unit] = {}
    for item in session.items:
        if isinstance(item, _Item):
            units[id(item.unit)] = item.unit
            item.unit.wanted.extend(item.needs())
    if session.config.option.collectonly or not units:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    from kvmdocs.pytest_workers import shared_folder

    shared = shared_folder(session.config)
    with capture.global_and_fixture_disabled():
        for unit in units.values():
            unit.run(shared)
