"""How recipes stand: their keys, what keeps them from running, and which of them a run would run. Nothing is run here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kvmdocs.catalog.key.cache_key import KeyInputs
from kvmdocs.catalog.key.cache_key import key as make_key
from kvmdocs.core import graph
from kvmdocs.core.model import Freshness, Record, Status
from kvmdocs.execution.project import Project
from kvmdocs.execution.result import RunResult
from kvmdocs.execution.results import stored
from kvmdocs.host import probes
from kvmdocs.recording.recipe import Recipe


@dataclass(frozen=True)
class PlanEntry:
    """How a recipe stands before a run, as far as can be told.

    Attributes:
        stale: Whether a run would run it. What builds on a stale recipe counts as stale, although an unchanged result may yet spare it.
        ingredients: What its key is made of; None where that cannot be told.
        waits_for: The stale recipes it builds on.
        cannot: Why it cannot run on this host, or "".
        lacks: The tools that it wants and that are not there; they can be installed.
        record: The record that a run would take from the store.
    """

    stale: bool
    ingredients: KeyInputs | None = None
    waits_for: tuple[str, ...] = ()
    cannot: str = ""
    lacks: tuple[str, ...] = ()
    record: Record | None = None


def with_inputs(project: Project, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """These recipes and all they build on, each with what it builds on.

    Raises:
        CatalogError: A name is unknown, or recipes build on each other in a circle.
    """
    return graph.closure(names, lambda name: [item.name for item in project.catalog.get(name).recipe.inputs])


def make_plan(project: Project, names: Iterable[str], fresh: frozenset[str] = frozenset()) -> dict[str, PlanEntry]:
    """How these recipes and all they build on stand, each after what it builds on.

    Args:
        project: The project.
        names: The recipes.
        fresh: Those of which the store's record does not count.

    Raises:
        CatalogError: A name is unknown, or recipes build on each other in a circle.
    """
    below = with_inputs(project, names)
    keys = KeyCache(project)
    records: dict[str, Record] = {}
    found: dict[str, PlanEntry] = {}
    for name in graph.topological_order(below):
        waits_for = tuple(other for other in below[name] if found[other].stale)
        if waits_for:
            found[name] = PlanEntry(stale=True, waits_for=waits_for)
            continue
        with project.catalog.about(name):
            found[name] = _standing(project, name, keys, records, counts=name not in fresh)
        if found[name].cannot:
            records[name] = Record(
                name, "", Status.SKIPPED, probes.describe(project.settings), probes.now(), reason="cannot run here"
            )
        elif record := found[name].record:
            records[name] = record
    return found


def _standing(project: Project, name: str, keys: KeyCache, records: Mapping[str, Record], *, counts: bool) -> PlanEntry:
    """How a recipe stands of which all that it builds on has a record; whether the store's record of it counts is said by the caller."""
    recipe = project.catalog.get(name).recipe
    if cannot := blocked(recipe, records) or project.capabilities.missing(recipe.needs):
        return PlanEntry(stale=False, cannot=cannot)
    if lacks := project.missing_tools(recipe.tools):
        return PlanEntry(stale=True, lacks=tuple(lacks))
    record = stored(project, keys.key(name, records)) if counts else None
    return PlanEntry(stale=record is None, ingredients=keys.ingredients(name, records), record=record)


def record_of(project: Project, name: str, standing: PlanEntry) -> Record | None:
    """The record to go by: the one that is wanted now, else the newest.

    They differ after an edit that was undone, and where another checkout shares the store.
    """
    return standing.record or project.store.latest(name)


def blocked(recipe: Recipe, records: Mapping[str, Record]) -> str:
    """Why a recipe cannot run because of what it builds on, of which all have records and none failed, or ""."""
    for wanted in recipe.inputs:
        record = records[wanted.name]
        if record.status is Status.SKIPPED and not wanted.optional:
            return f"it builds on {wanted.name}, which was skipped: {record.reason}"
    return ""


def failed_below(project: Project, outcome: RunResult, name: str) -> list[str]:
    """The failed recipes that a recipe builds on, directly or by way of others that were not run for that reason.

    Args:
        project: The project.
        outcome: What came of the recipes that it builds on.
        name: The recipe.
    """
    failed: dict[str, None] = {}
    seen: set[str] = set()
    ahead = [name]
    while ahead:
        for wanted in project.catalog.get(ahead.pop()).recipe.inputs:
            record = outcome.records.get(wanted.name)
            if record is not None and record.status is Status.FAILED:
                failed[wanted.name] = None
            elif outcome.freshness.get(wanted.name) is Freshness.BLOCKED and wanted.name not in seen:
                seen.add(wanted.name)
                ahead.append(wanted.name)
    return list(failed)


def because_of(failed: Iterable[str]) -> str:
    """The reason why a recipe that builds on failed ones is not run, or "" for none."""
    return next((f"it builds on {name}, which failed" for name in failed), "")


class KeyCache:
    """Keys of a project's recipes, each made once: for a time in which no record of what they build on changes.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[str, tuple[str, KeyInputs]] = {}

    def key(self, name: str, records: Mapping[str, Record]) -> str:
        """A recipe's key, from the records of what it builds on."""
        return self._made(name, records)[0]

    def ingredients(self, name: str, records: Mapping[str, Record]) -> KeyInputs:
        """What that key is made of."""
        return self._made(name, records)[1]

    def _made(self, name: str, records: Mapping[str, Record]) -> tuple[str, KeyInputs]:
        if name not in self._known:
            made = ingredients(self._project, name, records)
            self._known[name] = make_key(made), made
        return self._known[name]


def ingredients(project: Project, name: str, records: Mapping[str, Record]) -> KeyInputs:
    """What a recipe's key is made of.

    Args:
        project: The project.
        name: The recipe.
        records: Records of what it builds on; an input without one does not count.
    """
    recipe = project.catalog.get(name).recipe
    known = {wanted.name: records[wanted.name] for wanted in recipe.inputs if wanted.name in records}
    return KeyInputs(
        recipe=name,
        code=project.code_digest(name),
        settings=project.shown_settings(recipe),
        inputs={other: record.result or str(record.status) for other, record in known.items()},
        tools=project.tool_versions(recipe.tools),
        facts=probes.facts(recipe.facts),
        environ=project.declared_environ(recipe),
        data=project.data_digests(recipe),
    )
