"""What recipes returned, from their records. A value is made of the types that the recipe's annotation names, and of no others."""

from __future__ import annotations

from typing import Any

from kvmdocs.core.errors import Evidence, Place, StoreError
from kvmdocs.core.model import Record
from kvmdocs.execution.project import Project
from kvmdocs.recording.value_form import ValueRefused, names_in
from kvmdocs.recording.values import decode, verify


def value(project: Project, record: Record) -> Any:
    """What a recipe returned.

    Raises:
        CatalogError: The value of an approved record cannot be made; the error names its line.
        StoreError: The value of a record of the store is not what the recipe's annotation says, or cannot be made.
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
    """Whether the value of a record of the store can be read: another checkout, with other types, may have put it there."""
    try:
        verify(record.value, project.returned(record.recipe))
    except ValueRefused:
        return False
    return True


def stored(project: Project, key: str) -> Record | None:
    """The store's record of a key; None when there is none, or its value cannot be read: then the recipe runs again."""
    record = project.store.get(key)
    return record if record and is_readable(project, record) else None


def types(project: Project, record: Record) -> list[type]:
    """The types in a record's value, of which `is_readable` is true: a worker that takes it has to import them."""
    known = project.returned(record.recipe)
    return [known.types[name] for name in sorted(set(names_in(record.value)))]
