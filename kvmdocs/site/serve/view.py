"""What ``mkdocs serve`` shows: the last records, at once, and which of them are stale. What runs behind that is in `kvmdocs.site.serve.runner`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from kvmdocs.catalog.key import cache_key
from kvmdocs.core.errors import KvmdocsError
from kvmdocs.core.model import Failure, Freshness, Record, Status
from kvmdocs.execution.explain import answer
from kvmdocs.execution.plan import PlanEntry, make_plan
from kvmdocs.execution.project import Project
from kvmdocs.execution.result import RunResult
from kvmdocs.host import probes
from kvmdocs.host.probes import AssumedCapabilities


@dataclass(frozen=True)
class Attempt:
    """What came of running a recipe in the background.

    Attributes:
        key: The key it was run for.
        record: Its record, if it failed or was skipped; a passed one is in the store.
    """

    key: str
    record: Record | None = None


@dataclass
class ServeView:
    """What pages show at this moment.

    Attributes:
        outcome: A record for each recipe that has one to show; a freshness for all.
        reasons: Why each stale recipe is stale.
        wanted: The key of each recipe that is worth running now.
    """

    outcome: RunResult = field(default_factory=RunResult)
    reasons: dict[str, tuple[str, ...]] = field(default_factory=dict)
    wanted: dict[str, str] = field(default_factory=dict)


def look(project: Project, names: Iterable[str], attempts: Mapping[str, Attempt]) -> ServeView:
    """The last records of recipes and of all they build on, and which of them are stale. Nothing is run or tried.

    Args:
        project: The project.
        names: What the guides show.
        attempts: What was run in the background so far; no key is run twice.
    """
    project.capabilities = AssumedCapabilities(project.settings, project.store)
    view = ServeView()
    for name, standing in _standings(project, names).items():
        try:
            if isinstance(standing, KvmdocsError):
                raise standing
            _see(project, name, standing, attempts.get(name), view)
        except KvmdocsError as error:
            view.outcome.records[name] = failed(project, name, error.message, error.evidence.advice)
            view.outcome.freshness[name] = Freshness.NONE
    return view


def _standings(project: Project, names: Iterable[str]) -> dict[str, PlanEntry | KvmdocsError]:
    """How each recipe stands; one that cannot be told does not keep the others from being told."""
    wanted = list(names)
    try:
        return dict(make_plan(project, wanted))
    except KvmdocsError as error:
        if len(wanted) == 1:
            return {wanted[0]: error}
    found: dict[str, PlanEntry | KvmdocsError] = {}
    for name in wanted:
        found |= _standings(project, [name])
    return found


def _see(project: Project, name: str, standing: PlanEntry, attempt: Attempt | None, view: ServeView) -> None:
    """Put one recipe into the view."""
    records, freshness = view.outcome.records, view.outcome.freshness
    key = cache_key.key(standing.ingredients) if standing.ingredients else ""
    if standing.record is not None:
        records[name], freshness[name] = standing.record, Freshness.CACHED
        return
    if not standing.stale or standing.lacks:
        advice = project.install_advice(standing.lacks) if standing.lacks else ""
        lacks = f"this host lacks {', '.join(standing.lacks)}; {advice}" if standing.lacks else ""
        records[name], freshness[name] = _empty(project, name, Status.SKIPPED, standing.cannot or lacks), Freshness.NONE
        return
    tried = attempt is not None and attempt.key == key
    if tried and attempt and attempt.record:
        records[name], freshness[name] = attempt.record, Freshness.NONE
        return
    last = project.store.latest(name)
    usual = last.seconds if last else project.catalog.get(name).recipe.expects
    if key and not tried and usual <= project.settings["limits.serve"]:
        view.wanted[name] = key
    elif key and (failure := project.store.failure(name)) and failure.key == key:
        records[name], freshness[name] = failure, Freshness.NONE
        return
    freshness[name] = Freshness.RUNNING if name in view.wanted else Freshness.STALE
    view.reasons[name] = answer(project, name, standing).reasons
    if shown := last or project.approved.get(name):
        records[name] = shown


def _empty(project: Project, name: str, status: Status, reason: str = "") -> Record:
    return Record(name, "", status, probes.describe(project.settings), probes.now(), reason=reason)


def failed(project: Project, name: str, message: str, advice: str = "") -> Record:
    """The record of a recipe that did not get as far as one of its own."""
    failure = Failure(error="RecipeFailed", message=message, advice=advice)
    return replace(_empty(project, name, Status.FAILED), failure=failure)
