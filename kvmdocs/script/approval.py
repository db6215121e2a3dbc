"""Comparing fresh records with approved ones, and approving them: what `kvmdocs diff` and `kvmdocs approve` do."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from kvmdocs.core.errors import CatalogError, Evidence, GuideError, RecipeFailed
from kvmdocs.core.model import Freshness, Record, Status
from kvmdocs.execution.plan import PlanEntry, record_of
from kvmdocs.execution.project import Project
from kvmdocs.render import Language, transcript
from kvmdocs.store.approved import redact, truncate
from kvmdocs.store.drift import Drift, compare


def drift_of(project: Project, record: Record, stable: bool | tuple[str, ...] = True) -> Drift | None:
    """How a record that passed differs from its recipe's approved one; None where it does not, or where there is none.

    Args:
        project: The project.
        record: The record.
        stable: The sections to compare; True for everything.

    Raises:
        CatalogError: The approved record cannot be read, or neither has a section that is to be compared.
    """
    approved = project.approved.get(record.recipe)
    if not isinstance(stable, bool):
        _see_sections(project, [record, *([approved] if approved else [])], stable)
    return None if approved is None else compare(approved, redact(record, project.hidden()), stable)


def _see_sections(project: Project, records: list[Record], stable: tuple[str, ...]) -> None:
    """See that what is called stable is there: a name that is misspelt would compare nothing, and say that nothing differs."""
    known = {step.section: None for record in records for step in record.steps if step.section}
    if unknown := [name for name in stable if name not in known]:
        name = records[0].recipe
        raise CatalogError(
            f"recipe {name} calls sections stable that it does not have: {', '.join(unknown)}; it has: {', '.join(known) or 'none'}",
            Evidence(recipe=name, place=project.catalog.get(name).place, advice="give `stable` names of its sections"),
        )


def drift_until_failure(project: Project, record: Record) -> Drift | None:
    """How a record that failed differs, as far as it got, from its recipe's approved one: what is new may be what it fails by."""
    approved = project.approved.get(record.recipe)
    if approved is None or not record.steps:
        return None
    until = replace(approved, steps=approved.steps[: len(record.steps)])
    return compare(until, redact(record, project.hidden()))


def approve(project: Project, records: Iterable[Record]) -> dict[str, Path | None]:
    """Make records of the store the approved ones.

    Returns:
        By recipe the file that was written; None where the approved record says the same under stable names.

    Raises:
        CatalogError: What a recipe calls stable is not there.
    """
    done: dict[str, Path | None] = {}
    for record in records:
        name = record.recipe
        known = _known(project, name)
        if not isinstance(stable := project.catalog.get(name).recipe.stable, bool):
            _see_sections(project, [record], stable)
        kept = redact(record, project.hidden())
        same = known is not None and known.host == kept.host and known.tools == kept.tools and compare(known, kept) is None
        done[name] = None if same else project.approved.put(_small(project, kept))
    return done


def _known(project: Project, name: str) -> Record | None:
    """The approved record that is there; None also for one that cannot be read, which a new one then replaces."""
    try:
        return project.approved.get(name)
    except CatalogError:
        return None


def fresh(project: Project, name: str, standing: PlanEntry | None = None) -> Record:
    """The record of a recipe that passed on this host and that it is to be judged by.

    Args:
        project: The project.
        name: The recipe.
        standing: How it stands; the newest record counts if that is not given.

    Raises:
        CatalogError: There is no recipe of that name.
        RecipeFailed: There is no such record.
    """
    project.catalog.get(name)
    record = project.store.latest(name) if standing is None else record_of(project, name, standing)
    if record is None:
        raise RecipeFailed(f"recipe {name} has no record here", Evidence(recipe=name, advice=f"kvmdocs run {name}"))
    return record


def _small(project: Project, record: Record) -> Record:
    """The record with long outputs shortened, unless a guide hangs a note on a line that would be lost."""
    small = truncate(record)
    try:
        for request in project.catalog.requests:
            if request.name == record.recipe and request.options.render is None:
                transcript(small, request.options, Language.EN, freshness=Freshness.RECORDED)
    except GuideError:
        return record
    return small


def approvable(project: Project) -> list[str]:
    """The recipes that guides show and that have a record here, in the order of the guides."""
    names = project.catalog.shown_recipes()
    return [name for name in names if (record := project.store.latest(name)) and record.status is Status.PASSED]
