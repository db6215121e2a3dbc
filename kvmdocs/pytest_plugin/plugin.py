"""The pytest plugin: every recipe and every block of every guide is a test.

Given a guide (``docs/en/debug.md``) or a module of recipes (``recipes/build/qemu.py``), pytest collects an item for each block or recipe in it. All that
the selected items need is run once, in parallel, by the same executor and into the same store as a build; then each item
says what became of its part. Under pytest-xdist that is still one run (`kvmdocs.pytest_plugin.xdist`).
"""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal

import pytest

from kvmdocs.core.model import Mode
from kvmdocs.pytest_plugin.items import GuideFile, ProjectItem, RecipeFile
from kvmdocs.pytest_plugin.session import Unit, unit_of


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
        from kvmdocs.execution.modes import use_mode

        around = ExitStack()
        around.enter_context(use_mode(mode))
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


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist which folder it shares with the others."""
    from kvmdocs.pytest_plugin.xdist import KEY, folder_for_workers

    node.workerinput[KEY] = str(folder_for_workers(node.config))


def _empty(passed: pytest.TestReport, when: Literal["setup", "teardown"], at: float) -> pytest.TestReport:
    """The report of a phase beside a test's call in which there was nothing to do, and so nothing that a plugin could say about it."""
    return pytest.TestReport(
        passed.nodeid,
        passed.location,
        passed.keywords,
        "passed",
        None,
        when,
        start=at,
        stop=at,
        user_properties=passed.user_properties,
    )


def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool | None:
    """Report a recipe or block that is sound without the frame of a test: nothing runs that had to be set up, captured, logged or torn down.

    What is not, and the last of a file, after which pytest takes down what earlier tests have set up, go pytest's own way.
    """
    if (
        not isinstance(item, ProjectItem)
        or nextitem is None
        or nextitem.parent is not item.parent
        or item.config.getoption("setuponly")
    ):
        return None
    if not item.sound():
        return None
    call = pytest.CallInfo.from_call(item.runtest, "call", (KeyboardInterrupt, pytest.exit.Exception))
    if call.excinfo:
        return None  # pytest tells it, with all that belongs to a failure
    hook = item.ihook
    hook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    passed = hook.pytest_runtest_makereport(item=item, call=call)
    for report in (_empty(passed, "setup", passed.start), passed, _empty(passed, "teardown", passed.stop)):
        hook.pytest_runtest_logreport(report=report)
    hook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Run all that the selected items need before the first of them, so that it runs in parallel."""
    units: dict[int, Unit] = {}
    for item in session.items:
        if isinstance(item, ProjectItem):
            units[id(item.unit)] = item.unit
            item.unit.wanted.extend(item.needs())
    if session.config.option.collectonly or not units:
        return
    capture = session.config.pluginmanager.getplugin("capturemanager")
    from kvmdocs.pytest_plugin.xdist import shared_folder

    shared = shared_folder(session.config)
    with capture.global_and_fixture_disabled():
        for unit in units.values():
            unit.run(shared)
