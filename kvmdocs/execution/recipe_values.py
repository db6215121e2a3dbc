"""Values that recipes returned, read from their records. A value is built of the types in the recipe's annotation only."""

from __future__ import annotations

from typing import Any

from kvmdocs.core.errors import Evidence, Place, StoreError
from kvmdocs.core.model import Record
from kvmdocs.execution import observed
from kvmdocs.execution.project import Project
from kvmdocs.recording.value_form import ValueRefused, names_in
from kvmdocs.recording.values import decode, verify


def value(project: Project, record: Record) -> Any:
    """Return the value that a recipe returned.

    Raises:
        CatalogError: The value of an approved record cannot be built; the error names its line.
        StoreError: The value of a record in the store does not match the recipe's annotation, or cannot be built.
    """
    try:
        return decode(record.value, project.store.work, project.returned(record.recipe))
    except ValueRefused as error:
        if not record.key:
            raise project.approved.refused(record.recipe, error) from error
        place = Place(project.catalog.shown(project.store.record_file(record.key)))
        advice = f"`kvmdocs run --fresh {record.recipe}` makes a new one"
        raise StoreError(
            f"the record {place} cannot be read: {error.message}", Evidence(recipe=record.recipe, place=place, advice=advice)
        ) from error


def is_readable(project: Project, record: Record) -> bool:
    """Check whether this project can read the value of a record in the store.

    Another checkout, with other types, may have stored it.
    """
    try:
        verify(record.value, project.returned(record.recipe))
    except ValueRefused:
        return False
    return True


def stored(project: Project, key: str) -> Record | None:
    """Return the store's record of a key if it is current; otherwise None: the recipe then runs again.

    It is not current if its value cannot be read, or if something changed that its run was observed to use.
    """
    record = project.store.get(key)
    return record if record and is_readable(project, record) and not observed.changes(project, record) else None


def types(project: Project, record: Record) -> list[type]:
    """Return the types in the value of a readable record: a worker that takes the value must import them."""
    returned = project.returned(record.recipe)
    return [returned.types[name] for name in sorted(set(names_in(record.value)))]
