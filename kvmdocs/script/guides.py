"""Scripts of a project: of some recipes, or of all recipes that a guide shows."""

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
from kvmdocs.store.derived import get_or_make

MIRRORS = "script.mirrors."
CANNOT = "script.cannot."
"""Prefixes of settings: address of each ``<mirror>`` in the records, and reason why a script cannot repeat a recipe."""

TERMINALS = (Where.GUEST, Where.HMP, Where.QMP)
"""Prompts that are reached through a socket, which takes further tools (setting ``project.terminals``)."""

RecordOf = Callable[[str], Record | None]
"""Function that returns a recipe's record."""


class GuideScript(NamedTuple):
    """A script and its requirements.

    Attributes:
        text: Text of the script.
        packages: Command for root that installs the needed packages, by family of distributions
            (`kvmdocs.host.packages.by_family`).
        seconds: Duration of each recipe's recorded run in seconds.
    """

    text: str
    packages: dict[str, str]
    seconds: dict[str, float]


def for_recipes(project: Project, names: Iterable[str], record_of: RecordOf, title: str = "") -> str | None:
    """Return the script of some recipes and of all they build on, each once and in topological order.

    Args:
        project: The project.
        names: Names of the recipes.
        record_of: Returns the record of a recipe.
        title: Title of the script.

    Returns:
        Text of the script; None if none of these recipes has a record that a script can be made from.
    """
    made = _scripted(project, names, record_of, title)
    return made.text if made else None


def _scripted(project: Project, names: Iterable[str], record_of: RecordOf, title: str) -> GuideScript | None:
    wanted = list(names)
    records, missing = _select(project, wanted, record_of)
    shown = [record.recipe for record in records if record.recipe in wanted]
    if not shown:
        return None
    mirrors, lab = dict(_settings(project, MIRRORS)), project.settings["lab.folder"]
    packages = by_family(map(project.tools.get, tools(project, records)))
    seconds = {record.recipe: record.seconds for record in records}

    def make() -> str:
        return script(records, FIXED, missing, title=title, shown=shown, mirrors=mirrors, lab=lab, packages=packages)

    if not all(record.key for record in records):
        return GuideScript(make(), packages, seconds)  # an approved record has no key
    made = [f"{record.key} {record.started}" for record in records]
    depends = [*made, repr((FIXED, missing, title, shown, mirrors, lab, packages))]
    return GuideScript(get_or_make(project.store, depends, make, ".sh"), packages, seconds)


def _select(project: Project, names: list[str], record_of: RecordOf) -> tuple[list[Record], dict[str, str]]:
    """Return the records for a script in topological order, and the reason for each recipe that is left out."""
    records: list[Record] = []
    missing: dict[str, str] = {}
    for name in graph.topological_order(with_inputs(project, names)):
        record = record_of(name)
        if reason := project.settings.values.get(f"{CANNOT}{name}"):
            missing[name] = str(reason)
        elif record is None:
            missing[name] = "it has no record"
        elif record.status is not Status.PASSED:
            missing[name] = record.reason or (record.failure.message if record.failure else "it did not pass")
        elif any(MASK in text for step in record.steps for text in (step.command, step.stdin or "")):
            missing[name] = "a secret is typed in it, which its record does not hold"
        else:
            records.append(record)
    return records, missing


def tools(project: Project, records: Iterable[Record]) -> list[str]:
    """Return the tools that the records' commands need, sorted: those of the recipes, and those for guests and monitors."""
    records = list(records)
    reached = any(step.where in TERMINALS for record in records for step in record.steps)
    declared = {tool for record in records for tool in record.tools}
    return sorted(declared | set(project.settings["project.terminals"] if reached else ()))


def for_guide(project: Project, guide: Path, record_of: RecordOf) -> str | None:
    """Return the text of a guide's script; None if the guide shows nothing that a script can be made from."""
    made = scripted_guide(project, guide, record_of)
    return made.text if made else None


def scripted_guide(project: Project, guide: Path, record_of: RecordOf) -> GuideScript | None:
    """Return a guide's script with its requirements; None if it shows nothing that a script can be made from."""
    names = dict.fromkeys(request.name for request in project.catalog.requests if request.block.guide == guide)
    recipes = [name for name in names if name in project.catalog.entries]
    return _scripted(project, recipes, record_of, f"The page {project.catalog.shown(guide)}") if recipes else None


def find_guide(project: Project, guide: Path) -> Path:
    """Return the path of a guide as the catalog has it.

    Raises:
        GuideError: It is not a guide of the project, or it shows no recipe.
    """
    path = guide.resolve()
    for request in project.catalog.requests:
        if request.block.guide.resolve() == path:
            return request.block.guide
    reason = "it shows no recipe" if path in project.catalog.guides() else "it is not a guide of this project"
    advice = "`kvmdocs list --json` lists the guides that show recipes"
    raise GuideError(f"{guide} has no script: {reason}", Evidence(advice=advice))


def _settings(project: Project, prefix: str) -> Iterator[tuple[str, str]]:
    for name, value in project.settings.values.items():
        if name.startswith(prefix):
            yield name.removeprefix(prefix), str(value)
