"""The scripts of a project: of some of its recipes, and of all that a guide shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from kvmdocs import graph
from kvmdocs.errors import Evidence, GuideError
from kvmdocs.export import script
from kvmdocs.kept import kept
from kvmdocs.model import Record, Status
from kvmdocs.project import FIXED, Project

MIRRORS = "script.mirrors."
CANNOT = "script.cannot."
"""Settings: the address for each ``<mirror>`` of the records, and why a recipe cannot be done again by a script."""

RecordOf = Callable[[str], Record | None]
"""Gives a recipe's record."""


def for_recipes(project: Project, names: Iterable[str], record_of: RecordOf, title: str = "") -> str | None:
    """The script of some recipes, with all they build on, each once and in order.

    Args:
        project: The project.
        names: The recipes.
        record_of: Gives the record of each.
        title: What the script is of.

    Returns:
        The script; None when none of these recipes has a record that a script can be made of.
    """
    wanted = list(names)
    plan = graph.closure(wanted, lambda one: [item.name for item in project.catalog.get(one).recipe.inputs])
    records: list[Record] = []
    missing: dict[str, str] = {}
    for name in graph.in_order(plan):
        record = record_of(name)
        if reason := project.settings.values.get(f"{CANNOT}{name}"):
            missing[name] = str(reason)
        elif record is None:
            missing[name] = "there is no record of it"
        elif record.status is not Status.PASSED:
            missing[name] = record.reason or (record.failure.message if record.failure else "it did not pass")
        else:
            records.append(record)
    shown = [record.recipe for record in records if record.recipe in wanted]
    if not shown:
        return None
    mirrors, lab = dict(_settings(project, MIRRORS)), project.settings["lab.folder"]

    def make() -> str:
        return script(records, FIXED, missing, title=title, shown=shown, mirrors=mirrors, lab=lab)

    if not all(record.key for record in records):
        return make()  # what an approved record holds has no key
    made = [f"{record.key} {record.started}" for record in records]
    return kept(project.store, [*made, repr((FIXED, missing, title, shown, mirrors, lab))], make, ".sh")


def for_guide(project: Project, guide: Path, record_of: RecordOf) -> str | None:
    """The script of all that a guide shows; None when it shows nothing that a script can be made of."""
    names = dict.fromkeys(request.name for request in project.catalog.requests if request.block.guide == guide)
    known = [name for name in names if name in project.catalog.entries]
    return for_recipes(project, known, record_of, f"The page {project.catalog.shown(guide)}") if known else None


def find_guide(project: Project, guide: Path) -> Path:
    """A guide of the project by its path.

    Raises:
        GuideError: It is none, or it shows no recipe.
    """
    found = guide.resolve()
    if found not in {request.block.guide.resolve() for request in project.catalog.requests}:
        known = "it shows no recipe" if found in project.catalog.guides() else "it is no guide of this project"
        raise GuideError(f"there is no script of {guide}: {known}", Evidence(advice="`kvmdocs list` names what guides show"))
    return next(request.block.guide for request in project.catalog.requests if request.block.guide.resolve() == found)


def _settings(project: Project, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in project.settings.values.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), str(value)
