"""Digests of what a run used of its project beyond what its code tells. A record is current only while they are unchanged.

The worker observes names (`kvmdocs.execution.worker.observation`). What the key holds anyway is left out, so most records have
no entry: modules that the recipe's module imports by name, and declared data.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import sys
from collections.abc import Iterable
from functools import cache
from pathlib import Path

from kvmdocs.core.model import Record
from kvmdocs.execution.project import Project
from kvmdocs.execution.worker.observation import FILE, FOLDER, LIBRARY, MODULE
from kvmdocs.recording.digests import content_digest


def with_digests(project: Project, record: Record) -> dict[str, str]:
    """Return the digest of each thing that a run used and its key does not hold, by its kind and name.

    Args:
        project: The project.
        record: The record of the run; the keys of `Record.observed` say what it used.
    """
    entry = project.catalog.get(record.recipe)
    modules = project.catalog.code.modules
    named = {f"{MODULE} {name}" for name in modules.loaded(entry.module)}
    libraries = {one for one in record.observed if one.startswith(f"{LIBRARY} ")}
    used = set(record.observed) - libraries - named
    tops = {one.removeprefix(f"{LIBRARY} ") for one in libraries} | modules.libraries(entry.module)
    used |= {f"{LIBRARY} {name}" for name in _distributions_of(tops - {"kvmdocs"})}
    folder = Path(entry.recipe.function.__code__.co_filename).parent
    data = [(folder / name).resolve() for name in entry.recipe.data]
    return {one: digest for one in sorted(used) if not _is_data(project, one, data) and (digest := _digest(project, one))}


def changes(project: Project, record: Record) -> list[str]:
    """Describe each thing that the run used and that has changed since."""
    return [_description(one, now) for one, then in record.observed.items() if (now := _digest(project, one)) != then]


def _is_data(project: Project, entry: str, data: Iterable[Path]) -> bool:
    """Check whether an entry is a file or folder that the recipe declares as data, or lies in one."""
    kind, name = entry.split(" ", 1)
    return kind in (FILE, FOLDER) and any((project.root / name).resolve().is_relative_to(one) for one in data)


def _digest(project: Project, entry: str) -> str:
    """Return the digest of an entry as it is now; "" if it does not exist."""
    kind, name = entry.split(" ", 1)
    if kind == MODULE:
        return project.catalog.code.whole(name)
    if kind == LIBRARY:
        return _version(name)
    path = project.root / name
    try:
        if kind == FOLDER:
            names = sorted(one for one in os.listdir(path) if one != "__pycache__")
            return hashlib.sha256("\0".join(names).encode("utf-8", "surrogateescape")).hexdigest()
        return content_digest(path) if path.exists() else ""
    except OSError:
        return ""


@cache
def _version(distribution: str) -> str:
    """Return the version of an installed package; "" if it is not installed."""
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _distributions_of(tops: Iterable[str]) -> set[str]:
    """Return the installed packages that top-level modules belong to. Slow: it reads the lists of all packages."""
    wanted = set(tops) - sys.stdlib_module_names
    return {name for top, names in _all_distributions().items() if top in wanted for name in names} if wanted else set()


@cache
def _all_distributions() -> dict[str, list[str]]:
    return dict(importlib.metadata.packages_distributions())


def _description(entry: str, now: str) -> str:
    kind, name = entry.split(" ", 1)
    verb = "changed" if now else "is gone"
    used = {MODULE: "which the run imported", FILE: "which the run read", FOLDER: "which the run listed"}
    return f"library {name}: it is now {now or 'not installed'}" if kind == LIBRARY else f"{kind} {name}, {used[kind]}, {verb}"
