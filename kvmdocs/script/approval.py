"""Comparison of new records with approved ones, and approval: `kvmdocs diff` and `kvmdocs approve`."""

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


def find_drift(project: Project, record: Record, stable: bool | tuple[str, ...] = True) -> Drift | None:
    """Return the drift of a record that passed from its recipe's approved record; None if they agree or none is approved.

    Args:
        project: The project.
        record: The record.
        stable: Sections to compare; True for all.

    Raises:
        CatalogError: The approved record cannot be read, or neither record has one of the sections.
    """
    approved = project.approved.get(record.recipe)
    if not isinstance(stable, bool):
        _check_sections(project, [record, *([approved] if approved else [])], stable)
    return None if approved is None else compare(approved, redact(record, project.hidden()), stable)


def _check_sections(project: Project, records: list[Record], stable: tuple[str, ...]) -> None:
    """Check that the stable sections exist: a misspelt name would compare nothing and report no drift."""
    sections = {step.section: None for record in records for step in record.steps if step.section}
    if unknown := [name for name in stable if name not in sections]:
        name = records[0].recipe
        raise CatalogError(
            f"recipe {name} calls sections stable that it does not have: {', '.join(unknown)}; "
            f"it has: {', '.join(sections) or 'none'}",
            Evidence(recipe=name, place=project.catalog.get(name).place, advice="in `stable`, use names of its sections"),
        )


def drift_until_failure(project: Project, record: Record) -> Drift | None:
    """Return the drift of a failed record from as many steps of its approved record; it may show the cause of the failure."""
    approved = project.approved.get(record.recipe)
    if approved is None or not record.steps:
        return None
    until = replace(approved, steps=approved.steps[: len(record.steps)])
    return compare(until, redact(record, project.hidden()))


def approve(project: Project, records: Iterable[Record]) -> dict[str, Path | None]:
    """Approve records of the store.

    Returns:
        File written for each recipe; None if the approved record agrees once values that vary between runs are normalised.

    Raises:
        CatalogError: A recipe calls a section stable that its record does not have.
    """
    done: dict[str, Path | None] = {}
    for record in records:
        name = record.recipe
        approved = _readable_approved(project, name)
        if not isinstance(stable := project.catalog.get(name).recipe.stable, bool):
            _check_sections(project, [record], stable)
        new = redact(record, project.hidden())
        same = approved and approved.host == new.host and approved.tools == new.tools and compare(approved, new) is None
        done[name] = None if same else project.approved.put(_truncated(project, new))
    return done


def _readable_approved(project: Project, name: str) -> Record | None:
    """Return the approved record; None if there is none or it cannot be read, so that a new one replaces it."""
    try:
        return project.approved.get(name)
    except CatalogError:
        return None


def passed_record(project: Project, name: str, entry: PlanEntry | None = None) -> Record:
    """Return the record of a recipe that passed on this host: the current one, else the newest.

    Args:
        project: The project.
        name: Name of the recipe.
        entry: Its plan entry; without one the newest record is returned.

    Raises:
        CatalogError: There is no recipe of that name.
        RecipeFailed: The recipe has no record that passed.
    """
    project.catalog.get(name)
    record = project.store.latest(name) if entry is None else record_of(project, name, entry)
    if record is None:
        raise RecipeFailed(f"recipe {name} has no record here", Evidence(recipe=name, advice=f"kvmdocs run {name}"))
    return record


def _truncated(project: Project, record: Record) -> Record:
    """Return the record with long outputs truncated, or as it is if a guide has a note on a line that would be lost."""
    truncated = truncate(record)
    try:
        for request in project.catalog.requests:
            if request.name == record.recipe and request.options.render is None:
                transcript(truncated, request.options, Language.EN, freshness=Freshness.RECORDED)
    except GuideError:
        return record
    return truncated


def approvable(project: Project) -> list[str]:
    """Return the recipes that guides show and that have a record here which passed, in the order of the guides."""
    names = project.catalog.shown_recipes()
    return [name for name in names if (record := project.store.latest(name)) and record.status is Status.PASSED]
