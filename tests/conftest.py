"""Fixtures for many tests: small projects, each with a store."""

from __future__ import annotations

import functools
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from kvmdocs.cli import main
from kvmdocs.execution.executor import Executor
from kvmdocs.execution.project import Project
from kvmdocs.execution.run_result import ProgressListener, RunResult
from kvmdocs.recording import recipe as recording_recipe
from tests.support import ROOT

pytest_plugins = ["pytester", "tests.support.scheduling"]

# The same examples on every run and no deadline, so that a busy machine does not fail a test. Use `--hypothesis-profile=search`
# to search further.
hypothesis_settings.register_profile(
    "kvmdocs", derandomize=True, deadline=None, database=None, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.register_profile("search", deadline=None, max_examples=2000, database=None)
hypothesis_settings.load_profile("kvmdocs")


# A shell starts background jobs with SIGINT ignored, and every child inherits that. Tests of Ctrl-C, and an interrupted gdb,
# need the disposition that a terminal gives.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

MKDOCS = """\
site_name: Trial
theme: {name: mkdocs}
plugins:
  - kvmdocs
  - markdown-exec: {ansi: "off"}
markdown_extensions:
  - pymdownx.superfences
"""


@dataclass
class Trial:
    """A small project in its own directory."""

    root: Path
    package: str
    environ: dict[str, str] = field(default_factory=dict)

    def recipes(self, text: str) -> Trial:
        """Write the module of recipes, with imports of `recipe`, `setting` and `Shell`."""
        folder = self.root / self.package
        folder.mkdir(exist_ok=True)
        (folder / "__init__.py").write_text("", "utf-8")
        head = "from __future__ import annotations\nfrom pathlib import Path\nfrom kvmdocs import Shell, recipe, setting\n"
        (folder / "all.py").write_text(head + textwrap.dedent(text), "utf-8")
        return self

    def guide(self, name: str, text: str) -> Path:
        """Write a guide."""
        path = self.root / "docs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")
        return path

    def block(self, name: str, code: str) -> Path:
        """Write a guide that contains one block."""
        return self.guide(name, f'# Title\n\n```python exec="on"\n{textwrap.dedent(code).strip()}\n```\n')

    @property
    def module(self) -> str:
        """Module of recipes."""
        return f"{self.package}.all"

    def project(self) -> Project:
        """The project, loaded again."""
        self.forget()
        return Project(self.root)

    def forget(self) -> None:
        """Forget the modules of recipes, so that their files are read again."""
        for name in [name for name in sys.modules if name.partition(".")[0] == self.package]:
            del sys.modules[name]

    def kvmdocs(self, *arguments: str) -> Result:
        """Run ``kvmdocs ARGUMENTS`` on the project in this process, as a new process would."""
        self.forget()
        # An engine error must reach the test: if it were caught, the output would be empty and the cause lost.
        return CliRunner().invoke(main.main, ["-C", str(self.root), *arguments], catch_exceptions=False)

    def run(self, *names: str) -> RunResult:
        """Run recipes with this process's executor."""
        project = self.project()
        try:
            return Executor(project, ProgressListener()).run(names)
        finally:
            sys.path[:] = [path for path in sys.path if path != str(self.root)]

    def command(self, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m ARGUMENTS`` in the project's directory and wait for it."""
        return subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.root,
            env=self.environment(**environ),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def start(self, *arguments: str) -> subprocess.Popen[bytes]:
        """Start ``python -m ARGUMENTS`` in the project's directory, in a session of its own."""
        return subprocess.Popen(
            # If the tests run under nohup, they and all children ignore SIGHUP.
            ["env", "--default-signal=HUP", sys.executable, "-m", *arguments],
            cwd=self.root,
            env=self.environment(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def environment(self, **more: str) -> dict[str, str]:
        """Environment of the project's commands."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KVMDOCS_", "PYTEST_", "MKDOCS_"))}
        return {**kept, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1", **self.environ, **more}


@pytest.fixture
def trial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], Trial]:
    """Return a factory of small projects."""
    # markdown-exec leaves MKDOCS_CONFIG_DIR set when a test ends a build early; it would be taken for the project's directory.
    for name in [name for name in os.environ if name.startswith(("KVMDOCS_", "MKDOCS_"))]:
        monkeypatch.delenv(name)
    made = 0

    def make() -> Trial:
        nonlocal made
        made += 1
        root = tmp_path / f"trial{made}"
        root.mkdir()
        package = f"trial{made}_{tmp_path.name.replace('-', '_')}"
        settings = f'[project]\nrecipes = "{package}"\n[store]\npath = "store"\n'
        (root / "kvmdocs.toml").write_text(settings, "utf-8")
        (root / "mkdocs.yml").write_text(MKDOCS, "utf-8")
        (root / "docs").mkdir()
        (root / "docs" / "index.md").write_text("# Home\n", "utf-8")
        return Trial(root, package)

    return make


@pytest.fixture(autouse=True)
def no_presenter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget the presenter that a block outside of a build has left in this process: it belongs to another test's project."""
    monkeypatch.setattr(recording_recipe, "_presenters", [])


# -- the unit half: tests that start no process -------------------------------------------------------------------

WITH_PROCESSES = ("content", "lab", "recipes", "scenarios", "scripts", "support")
"""Folders of tests that all may start processes."""

_unit_tests: list[str] = []
"""Name of the test that runs, if it may start no process."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests of some folders as those that start processes."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here) and item.path.relative_to(here).parts[0] in WITH_PROCESSES:
            item.add_marker(pytest.mark.process)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[object]:
    """Note which test runs, for `_refuse`. A guide or a recipe is no unit test."""
    if item.path.is_relative_to(Path(__file__).parent) and item.get_closest_marker("process") is None:
        _unit_tests.append(item.nodeid)
    try:
        return (yield)
    finally:
        _unit_tests.clear()


def _refuse(start: Callable[..., object]) -> Callable[..., object]:
    """Wrap a function that starts a process: a test without the mark fails there."""

    @functools.wraps(start)
    def wrapped(*args: object, **kwargs: object) -> object:
        assert not _unit_tests, f"{_unit_tests[0]} starts a process: mark it with @pytest.mark.process"
        return start(*args, **kwargs)

    return wrapped


subprocess.Popen.__init__ = _refuse(subprocess.Popen.__init__)
os.fork, os.posix_spawn, os.forkpty = _refuse(os.fork), _refuse(os.posix_spawn), _refuse(os.forkpty)
