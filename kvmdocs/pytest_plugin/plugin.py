"""The pytest plugin: every recipe and every block of every guide is a test.

pytest collects an item for each block of a guide (``docs/en/debug.md``) and for each recipe of a module
(``recipes/build/qemu.py``). The recipes that the selected items need run once, in parallel, before the first item, with the
same executor and store as a build. Each item then reports the result of its part. Under pytest-xdist the recipes still run
once (`kvmdocs.pytest_plugin.xdist`).
"""

from __future__ import annotations

from contextlib import ExitStack, nullcontext
from pathlib import Path
from typing import Any

import pytest

from kvmdocs.core.model import Mode
from kvmdocs.pytest_plugin.items import GuideFile, ProjectItem, RecipeFile
from kvmdocs.pytest_plugin.session import ProjectSession, session_of


def pytest_configure(config: pytest.Config) -> None:
    """Register the plugin's markers and apply ``--kvmdocs-mode``."""
    for name, meaning in {
        "kvm": "needs a KVM that can boot a guest",
        "slow": "a recipe that takes over a minute the first time",
        "network": "needs the network beyond this host",
        "root": "needs root's rights",
    }.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")
    mode = config.getoption("kvmdocs_mode")
    if mode:
        from kvmdocs.execution.modes import use_mode

        stack = ExitStack()
        stack.enter_context(use_mode(mode))
        config.add_cleanup(stack.close)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option ``--kvmdocs-mode``."""
    parser.getgroup("kvmdocs").addoption(
        "--kvmdocs-mode",
        choices=[str(mode) for mode in Mode],
        default="",
        help="Which recipes to run: those without a current record (live), all (fresh) or none (recorded).",
    )


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect guides and modules of recipes."""
    if file_path.suffix not in (".md", ".py"):
        return None
    session = session_of(parent.config, file_path)
    if session is None:
        return None
    settings = session.project.settings
    if file_path.suffix == ".md":
        inside = any(file_path.is_relative_to(settings.root / folder) for folder in settings["project.docs"])
        return GuideFile.from_parent(parent, path=file_path) if inside else None
    package = settings.root / settings["project.recipes"].replace(".", "/")
    return RecipeFile.from_parent(parent, path=file_path) if file_path.is_relative_to(package) else None


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the workers' shared folder to a worker of pytest-xdist."""
    from kvmdocs.pytest_plugin.xdist import KEY, folder_for_workers

    node.workerinput[KEY] = str(folder_for_workers(node.config))


def _is_skipped(item: pytest.Item) -> bool:
    """Check whether a mark skips an item for certain.

    A ``skipif`` condition given as text does not count: pytest evaluates it when it sets the item up.
    """
    if not item.config.pluginmanager.hasplugin("skipping"):
        return False
    conditions = [mark.args[0] for mark in item.iter_markers("skipif") if mark.args]
    return item.get_closest_marker("skip") is not None or any(one for one in conditions if not isinstance(one, str))


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop(session: pytest.Session) -> None:
    """Run the recipes that the selected items need, in parallel, before the first item."""
    projects: dict[int, ProjectSession] = {}
    for item in session.items:
        if isinstance(item, ProjectItem) and not _is_skipped(item):
            projects[id(item.project_session)] = item.project_session
            item.project_session.needed.extend(item.needs())
    if session.config.option.collectonly or not projects:
        return
    from kvmdocs.pytest_plugin.xdist import shared_folder

    capture = session.config.pluginmanager.getplugin("capturemanager")  # None with ``-p no:capture``
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        for project in projects.values():
            project.run(shared_folder(session.config))
