"""The scripts of a project: of some of its recipes, and of all that a guide shows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from kvmdocs.core import graph
from kvmdocs.core.errors import Evidence, GuideError
from kvmdocs.core.model import Record, Status, Where
from kvmdocs.core.secrets.masking import MASK
from kvmdocs.execution.plan import with_inputs
from kvmdocs.execution.project import FIXED, Project
from kvmdocs.host.packages import by_family
from kvmdocs.script.assemble import script
from kvmdocs.store.derived import kept

MIRRORS = "script.mirrors."
CANNOT = "script.cannot."
"""Settings: the address for each ``<mirror>`` of the records, and why a recipe cannot be done again by a script."""

TERMINALS = (Where.GUEST, Where.HMP, Where.QMP)
"""Who is reached by a socket, which takes a program of its own (setting ``project.terminals``)."""

RecordOf = Callable[[str], Record | None]
"""Gives a recipe's record."""


class Scripted(NamedTuple):
    """A script, and what it wants.

    Attributes:
        text: The script.
        packages: What root types before it is run, by family of distributions (`kvmdocs.host.packages.by_family`).
        seconds: How long each of its recipes took when its record was made.
    """

    text: str
    packages: dict[str, str]
    seconds: dict[str, float]


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
    made = _scripted(project, names, record_of, title)
    return made.text if made else None


def _scripted(project: Project, names: Iterable[str], record_of: RecordOf, title: str) -> Scripted | None:
    wanted = list(names)
    records, missing = _chosen(project, wanted, record_of)
    shown = [record.recipe for record in records if record.recipe in wanted]
    if not shown:
        return None
    mirrors, lab = dict(_settings(project, MIRRORS)), project.settings["lab.folder"]
    packages = by_family(map(project.tools.get, tools(project, records)))
    seconds = {record.recipe: record.seconds for record in records}

    def make() -> str:
        return script(records, FIXED, missing, title=title, shown=shown, mirrors=mirrors, lab=lab, packages=packages)

    if not all(record.key for record in records):
        return Scripted(make(), packages, seconds)  # what an approved record holds has no key
    made = [f"{record.key} {record.started}" for record in records]
    depends = [*made, repr((FIXED, missing, title, shown, mirrors, lab, packages))]
    return Scripted(kept(project.store, depends, make, ".sh"), packages, seconds)


def _chosen(project: Project, names: list[str], record_of: RecordOf) -> tuple[list[Record], dict[str, str]]:
    """The records a script of some recipes is made of, each after those it builds on; and which it cannot have, and why."""
    records: list[Record] = []
    missing: dict[str, str] = {}
    for name in graph.topological_order(with_inputs(project, names)):
        record = record_of(name)
        if reason := project.settings.values.get(f"{CANNOT}{name}"):
            missing[name] = str(reason)
        elif record is None:
            missing[name] = "there is no record of it"
        elif record.status is not Status.PASSED:
            missing[name] = record.reason or (record.failure.message if record.failure else "it did not pass")
        elif any(MASK in text for step in record.steps for text in (step.command, step.stdin or "")):
            missing[name] = "a secret is typed in it, which its record does not hold"
        else:
            records.append(record)
    return records, missing


def tools(project: Project, records: Iterable[Record]) -> list[str]:
    """The tools that somebody needs who types what these records show, sorted: what the recipes declare, and what a guest or a monitor is reached with."""
    known = list(records)
    reached = any(step.where in TERMINALS for record in known for step in record.steps)
    return sorted(
        {tool for record in known for tool in record.tools} | set(project.settings["project.terminals"] if reached else ())
    )


def for_guide(project: Project, guide: Path, record_of: RecordOf) -> str | None:
    """The script of all that a guide shows; None when it shows nothing that a script can be made of."""
    made = scripted_guide(project, guide, record_of)
    return made.text if made else None


def scripted_guide(project: Project, guide: Path, record_of: RecordOf) -> Scripted | None:
    """The same, with what it wants."""
    names = dict.fromkeys(request.name for request in project.catalog.requests if request.block.guide == guide)
    known = [name for name in names if name in project.catalog.entries]
    return _scripted(project, known, record_of, f"The page {project.catalog.shown(guide)}") if known else None


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
