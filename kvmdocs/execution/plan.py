"""Plan of a run: the key and the state of each recipe, and which recipes a run would execute. Nothing runs here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from kvmdocs.catalog.key.cache_key import KeyInputs
from kvmdocs.catalog.key.cache_key import key as make_key
from kvmdocs.core import graph
from kvmdocs.core.errors import Evidence, HostLacks
from kvmdocs.core.model import Freshness, Record, Status
from kvmdocs.execution.project import Project
from kvmdocs.execution.recipe_values import stored
from kvmdocs.execution.run_result import RunResult, skipped_record
from kvmdocs.host import facts
from kvmdocs.recording.recipe import Recipe


@dataclass(frozen=True)
class PlanEntry:
    """State of a recipe before a run, as far as it can be known.

    Attributes:
        stale: Whether a run would execute it. A recipe that builds on a stale one counts as stale, but does not run if the
        result of
            that one turns out unchanged.
        ingredients: Inputs of its cache key; None if they cannot be known yet.
        waits_for: The stale recipes it builds on.
        cannot: Reason why it cannot run on this host, or "".
        lacks: Tools that it needs and the host lacks; they can be installed.
        record: Record that a run would take from the store.
    """

    stale: bool
    ingredients: KeyInputs | None = None
    waits_for: tuple[str, ...] = ()
    cannot: str = ""
    lacks: tuple[str, ...] = ()
    record: Record | None = None


def with_inputs(project: Project, names: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """Return these recipes and everything they build on, each with its direct inputs.

    Raises:
        CatalogError: A name is unknown.
    """
    return graph.closure(names, lambda name: [item.name for item in project.catalog.get(name).recipe.inputs])


def make_plan(project: Project, names: Iterable[str], fresh: frozenset[str] = frozenset()) -> dict[str, PlanEntry]:
    """Return the plan entries of recipes and everything they build on, in topological order.

    Args:
        project: The project.
        names: The recipes.
        fresh: Recipes whose records in the store are ignored.

    Raises:
        CatalogError: A name is unknown, or recipes build on each other in a circle.
    """
    inputs = with_inputs(project, names)
    keys = KeyCache(project)
    records: dict[str, Record] = {}
    plan: dict[str, PlanEntry] = {}
    for name in graph.topological_order(inputs):
        waits_for = tuple(other for other in inputs[name] if plan[other].stale)
        if waits_for:
            plan[name] = PlanEntry(stale=True, waits_for=waits_for)
            continue
        with project.catalog.about(name):
            plan[name] = _entry(project, name, keys, records, use_store=name not in fresh)
        if plan[name].cannot:
            records[name] = skipped_record(name, "cannot run here", facts.describe(project.settings))
        elif record := plan[name].record:
            records[name] = record
    return plan


def _entry(project: Project, name: str, keys: KeyCache, records: Mapping[str, Record], *, use_store: bool) -> PlanEntry:
    """Return the plan entry of a recipe whose inputs all have records."""
    recipe = project.catalog.get(name).recipe
    if cannot := blocked(recipe, records) or project.capabilities.missing(recipe.needs):
        return PlanEntry(stale=False, cannot=cannot)
    if lacks := project.missing_tools(recipe.tools):
        return PlanEntry(stale=True, lacks=tuple(lacks))
    record = stored(project, keys.key(name, records)) if use_store else None
    return PlanEntry(stale=record is None, ingredients=keys.inputs(name, records), record=record)


def record_of(project: Project, name: str, entry: PlanEntry) -> Record | None:
    """Return the record for the recipe's present key, or else its latest record.

    They differ after an edit was reverted, and if another checkout shares the store.
    """
    return entry.record or project.store.latest(name)


def blocked(recipe: Recipe, records: Mapping[str, Record]) -> str:
    """Return the reason why a skipped input keeps a recipe from running, or "". Every input has a record, and none failed."""
    for wanted in recipe.inputs:
        record = records[wanted.name]
        if record.status is Status.SKIPPED and not wanted.optional:
            return f"it builds on {wanted.name}, which was skipped: {record.reason}"
    return ""


def lacking(project: Project, recipe: Recipe, *, require: bool) -> str:
    """Return a message that names the tools that the host lacks and the command that installs them, or "".

    Args:
        project: The project.
        recipe: The recipe.
        require: Raise an error instead.

    Raises:
        HostLacks: A tool is missing, and `require` is set.
    """
    missing = project.missing_tools(recipe.tools)
    if not missing:
        return ""
    reason = f"this host lacks {', '.join(missing)}"
    advice = project.install_advice(recipe.tools)
    if require:
        raise HostLacks(f"recipe {recipe.name} cannot run: {reason}", Evidence(recipe=recipe.name, advice=advice))
    return f"{reason}; {advice}"


def failed_below(project: Project, outcome: RunResult, name: str) -> list[str]:
    """Return the failed recipes that a recipe builds on, directly or through others that were therefore not run.

    Args:
        project: The project.
        outcome: Result of the run, with everything that the recipe builds on.
        name: The recipe.
    """
    failed: dict[str, None] = {}
    seen: set[str] = set()
    todo = [name]
    while todo:
        for wanted in project.catalog.get(todo.pop()).recipe.inputs:
            record = outcome.records.get(wanted.name)
            if record is not None and record.status is Status.FAILED:
                failed[wanted.name] = None
            elif outcome.freshness.get(wanted.name) is Freshness.BLOCKED and wanted.name not in seen:
                seen.add(wanted.name)
                todo.append(wanted.name)
    return list(failed)


def because_of(failed: Iterable[str]) -> str:
    """Return the reason why a recipe that builds on failed ones is not run, or "" if there are none."""
    return next((f"it builds on {name}, which failed" for name in failed), "")


class KeyCache:
    """Cache of the keys of a project's recipes. Valid while the records of their inputs do not change.

    Args:
        project: The project.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._keys: dict[str, tuple[str, KeyInputs]] = {}

    def key(self, name: str, records: Mapping[str, Record]) -> str:
        """Return a recipe's key, given the records of its inputs."""
        return self._get(name, records)[0]

    def inputs(self, name: str, records: Mapping[str, Record]) -> KeyInputs:
        """Return the inputs of that key."""
        return self._get(name, records)[1]

    def _get(self, name: str, records: Mapping[str, Record]) -> tuple[str, KeyInputs]:
        if name not in self._keys:
            inputs = key_inputs(self._project, name, records)
            self._keys[name] = make_key(inputs), inputs
        return self._keys[name]


def key_inputs(project: Project, name: str, records: Mapping[str, Record]) -> KeyInputs:
    """Return the inputs of a recipe's cache key.

    Args:
        project: The project.
        name: The recipe.
        records: Records of the recipes it builds on. A recipe without a record is left out.
    """
    recipe = project.catalog.get(name).recipe
    available = {wanted.name: records[wanted.name] for wanted in recipe.inputs if wanted.name in records}
    return KeyInputs(
        recipe=name,
        code=project.code_digest(name),
        settings=project.shown_settings(recipe),
        inputs={other: record.result or str(record.status) for other, record in available.items()},
        tools=project.tool_versions(recipe.tools),
        facts=facts.facts(recipe.facts),
        environ=project.declared_environ(recipe),
        data=project.data_digests(recipe),
    )
