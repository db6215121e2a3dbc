"""View of ``mkdocs serve``: the latest records and which of them are stale. `kvmdocs.site.serve.runner` makes new ones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kvmdocs.catalog.key import cache_key
from kvmdocs.core.errors import Evidence, KvmdocsError, RecipeFailed
from kvmdocs.core.model import Freshness, Record
from kvmdocs.execution.explain import explain_entry
from kvmdocs.execution.plan import PlanEntry, make_plan
from kvmdocs.execution.project import Project
from kvmdocs.execution.run_result import RunResult, failed_record, skipped_record
from kvmdocs.host import facts
from kvmdocs.host.probes import AssumedCapabilities


@dataclass(frozen=True)
class Attempt:
    """Run of a recipe in the background.

    Attributes:
        key: The cache key that the recipe was run for.
        record: The record, if the recipe failed or was skipped; that of a passed recipe is in the store.
    """

    key: str
    record: Record | None = None


@dataclass
class ServeView:
    """Records that pages show now.

    Attributes:
        outcome: A record for each recipe that has one, and a freshness for all recipes.
        reasons: The reasons why each stale recipe is stale.
        wanted: The cache keys of the recipes to run in the background, by recipe.
    """

    outcome: RunResult = field(default_factory=RunResult)
    reasons: dict[str, tuple[str, ...]] = field(default_factory=dict)
    wanted: dict[str, str] = field(default_factory=dict)


def make_view(project: Project, names: Iterable[str], attempts: Mapping[str, Attempt]) -> ServeView:
    """Return the latest records of recipes and of their inputs, and which of them are stale. Nothing is run or probed.

    Args:
        project: The project.
        names: The recipes that the guides show.
        attempts: The background runs so far, by recipe; none is repeated for the same cache key.
    """
    project.capabilities = AssumedCapabilities(project.settings, project.store)
    view = ServeView()
    for name, entry in _plan(project, names).items():
        try:
            if isinstance(entry, KvmdocsError):
                raise entry
            _add(project, name, entry, attempts.get(name), view)
        except KvmdocsError as error:
            view.outcome.records[name] = failure_record(project, name, error.message, error.evidence.advice)
            view.outcome.freshness[name] = Freshness.NONE
    return view


def _plan(project: Project, names: Iterable[str]) -> dict[str, PlanEntry | KvmdocsError]:
    """Return a plan entry for each recipe, or the error of a recipe that cannot be planned."""
    names = list(names)
    try:
        return dict(make_plan(project, names))
    except KvmdocsError as error:
        if len(names) == 1:
            return {names[0]: error}
    plan: dict[str, PlanEntry | KvmdocsError] = {}
    for name in names:
        plan |= _plan(project, [name])
    return plan


def _add(project: Project, name: str, entry: PlanEntry, attempt: Attempt | None, view: ServeView) -> None:
    """Add a recipe to the view."""
    records, freshness = view.outcome.records, view.outcome.freshness
    key = cache_key.key(entry.ingredients) if entry.ingredients else ""
    if entry.record is not None:
        records[name], freshness[name] = entry.record, Freshness.CACHED
        return
    if not entry.stale or entry.lacks:
        advice = project.install_advice(entry.lacks) if entry.lacks else ""
        lacks = f"this host lacks {', '.join(entry.lacks)}; {advice}" if entry.lacks else ""
        records[name] = skipped_record(name, entry.cannot or lacks, facts.describe(project.settings))
        freshness[name] = Freshness.NONE
        return
    if attempt is not None and attempt.key != key:
        attempt = None
    if attempt and attempt.record:
        records[name], freshness[name] = attempt.record, Freshness.NONE
        return
    latest = project.store.latest(name)
    seconds = latest.seconds if latest else project.catalog.get(name).recipe.expects
    if key and not attempt and seconds <= project.settings["limits.serve"]:
        view.wanted[name] = key
    elif key and (failure := project.store.failure(name)) and failure.key == key:
        records[name], freshness[name] = failure, Freshness.NONE
        return
    freshness[name] = Freshness.RUNNING if name in view.wanted else Freshness.STALE
    view.reasons[name] = explain_entry(project, name, entry).reasons
    if record := latest or project.approved.get(name):
        records[name] = record


def failure_record(project: Project, name: str, message: str, advice: str = "") -> Record:
    """Return a record of a failure for a recipe that failed before it had one of its own."""
    return failed_record(name, RecipeFailed(message, Evidence(advice=advice)), facts.describe(project.settings))
