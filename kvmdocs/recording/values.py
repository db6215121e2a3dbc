"""Values that a recipe may return, and their storage for the recipes that build on it.

Allowed are numbers, text, None, lists, tuples, dictionaries, paths below a workspace, and the frozen dataclasses and
enumerations that the recipe's annotation names (`kvmdocs.recording.result_types`). A path is stored relative to the store's
folder of workspaces, so a record does not depend on the location of the store.

A value in JSON form is data. Decoding imports nothing and calls nothing but the constructors of those dataclasses.

The *result digest* of a value covers the content of every file and tree that it names, but not their location. Two runs that
produce the same bytes have the same digest, and recipes that build on them need not run again.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import Evidence, ValueNotStorable
from kvmdocs.recording.result_types import ReturnTypes, is_storable, name_of
from kvmdocs.recording.value_form import (
    DEEPEST,
    ENUM,
    PATH,
    TUPLE,
    TYPE,
    VALUE,
    At,
    ValueRefused,
    brief,
    check,
    class_name,
    is_scalar,
    is_text,
)

_NOTHING = ReturnTypes()


def encode(value: Any, work: Path, returned: ReturnTypes = _NOTHING) -> Any:
    """Convert a recipe's return value to JSON form.

    Args:
        value: The value.
        work: The store's folder of workspaces.
        returned: Types that the recipe's annotation names.

    Raises:
        ValueNotStorable: The value, or a part of it, would not survive the round trip, has a type that is not in the
            annotation, or is a path outside of the workspaces.
    """
    data = _encode(value, work, returned, DEEPEST)
    try:
        decode(data, work, returned)
    except ValueRefused as error:
        raise ValueNotStorable(
            f"the returned value could not be restored from its record: {error.message}",
            Evidence(advice="a dataclass must accept the values of its fields as keyword arguments"),
        ) from error
    return data


def _encode(value: Any, work: Path, returned: ReturnTypes, depth: int) -> Any:
    # Exact types only: a named tuple would come back as a plain tuple.
    kind = type(value)
    if is_scalar(value):
        return value
    if isinstance(value, Path):
        return {PATH: _below(value, work)}
    if depth == 0:
        raise ValueNotStorable(
            f"the returned value is nested more than {DEEPEST} deep", Evidence(advice="return a flat list of its items")
        )
    if kind is tuple:
        return {TUPLE: [_encode(item, work, returned, depth - 1) for item in value]}
    if kind is list:
        return [_encode(item, work, returned, depth - 1) for item in value]
    if kind is dict and all(type(key) is str and not key.startswith("$") and is_text(key) for key in value):
        return {key: _encode(item, work, returned, depth - 1) for key, item in value.items()}
    if is_storable(kind) and not (isinstance(value, Enum) and kind.__members__.get(value.name) is not value):
        _check_named(kind, returned)
        if isinstance(value, Enum):
            return {ENUM: f"{name_of(kind)}.{value.name}", VALUE: value.value if is_scalar(value.value) else None}
        fields = {field.name: getattr(value, field.name) for field in dataclasses.fields(value) if field.init}
        return {TYPE: name_of(kind), **{name: _encode(item, work, returned, depth - 1) for name, item in fields.items()}}
    raise ValueNotStorable(
        f"the {kind.__name__} {brief(value)} cannot be kept as a recipe's result",
        Evidence(advice="return text, numbers, paths, lists, dictionaries or a frozen dataclass (of a module) of these"),
    )


def without_secrets(data: Any, mask: Callable[[str], str]) -> Any:
    """Return a value in JSON form without secrets in its texts.

    Args:
        data: The value.
        mask: Removes secrets from a text.

    Raises:
        ValueNotStorable: The name of a path contains a secret; without it the path would be wrong.
    """
    if isinstance(data, str):
        return mask(data)
    if isinstance(data, list):
        return [without_secrets(item, mask) for item in data]
    if not isinstance(data, dict):
        return data
    if ENUM in data:
        return data
    if PATH in data and (shown := mask(data[PATH])) != data[PATH]:
        raise ValueNotStorable(
            f"the returned path {shown!r} has a secret in its name", Evidence(advice="give the file or folder another name")
        )
    return {
        name if name.startswith("$") else mask(name): item if name in (PATH, TYPE) else without_secrets(item, mask)
        for name, item in data.items()
    }


def _below(path: Path, work: Path) -> str:
    """Return a path relative to the folder of workspaces."""
    try:
        relative = Path(os.path.normpath(path)).relative_to(work)
    except ValueError:
        relative = Path()
    if not relative.parts or not is_text(str(relative)):
        raise ValueNotStorable(
            f"the returned path {brief(path)} does not lie in a workspace",
            Evidence(advice="return paths below `sh.workspace`; other files may not exist in a later build"),
        )
    return str(relative)


def _check_named(kind: type, returned: ReturnTypes) -> None:
    """Check that the recipe's annotation names a type. A value of another type could not be read from the record."""
    if returned.types.get(name_of(kind)) is kind:
        return
    what = f"its annotation `{returned.annotation}` does not name that type" if returned.annotation else "it has no annotation"
    lost = "".join(f"; a part of the annotation cannot be resolved: {why}" for why in returned.unresolved)
    advice = f"annotate it `-> {kind.__qualname__}`, or name the type in the container, union or field that holds it"
    unseen = ", and import what annotations name outside of `if TYPE_CHECKING:`" if lost else ""
    raise ValueNotStorable(f"the recipe returns a {kind.__qualname__}, and {what}{lost}", Evidence(advice=advice + unseen))


def decode(data: Any, work: Path, returned: ReturnTypes = _NOTHING) -> Any:
    """Convert JSON form back to the value.

    Args:
        data: Result of `encode`, or any other JSON.
        work: The store's folder of workspaces.
        returned: Types that the annotation of the recipe names; no others are created.

    Raises:
        ValueRefused: As for `verify`, or a dataclass does not accept the values of its fields.
    """
    verify(data, returned)
    return _decode(data, work, returned, ())


def _decode(data: Any, work: Path, returned: ReturnTypes, at: At) -> Any:
    if isinstance(data, list):
        return [_decode(item, work, returned, (*at, number)) for number, item in enumerate(data)]
    if not isinstance(data, dict):
        return data
    if PATH in data:
        return work / data[PATH]
    if TUPLE in data:
        return tuple(_decode(data[TUPLE], work, returned, (*at, TUPLE)))
    if ENUM in data:
        return _member(data[ENUM], returned, at)
    fields = {key: _decode(item, work, returned, (*at, key)) for key, item in data.items() if key != TYPE}
    if TYPE not in data:
        return fields
    try:
        return _kind(data[TYPE], returned, at)(**fields)
    except (Exception, SystemExit) as error:
        raise ValueRefused(f"{data[TYPE]} does not take its fields: {type(error).__name__}: {error}", at) from error


def verify(data: Any, returned: ReturnTypes) -> None:
    """Check that data is a value of types that a recipe returns, without creating it.

    Raises:
        ValueRefused: The data does not have the form that `encode` produces, or names another type, field or member.
    """
    check(data)
    _verify(data, returned, ())


def _verify(data: Any, returned: ReturnTypes, at: At) -> None:
    if isinstance(data, dict) and TYPE in data:
        _check_fields(data, returned, at)
    if isinstance(data, dict) and ENUM in data:
        _member(data[ENUM], returned, (*at, ENUM))
    for key, item in data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ():
        _verify(item, returned, (*at, key))


def _kind(name: str, returned: ReturnTypes, at: At) -> type:
    """Return the type of that name among those that a recipe returns."""
    kind = returned.types.get(class_name(name))
    if kind is not None:
        return kind
    wanted = f"returns `{returned.annotation}`" if returned.annotation else "has no annotation that names a type"
    raise ValueRefused(f"it names the type {brief(name)}, and its recipe {wanted}", at)


def _check_fields(data: dict[str, Any], returned: ReturnTypes, at: At) -> None:
    """Check that a dataclass has all given fields, and that no required field is missing."""
    name = data[TYPE]
    kind = _kind(name, returned, (*at, TYPE))
    if issubclass(kind, Enum) or not dataclasses.is_dataclass(kind):
        raise ValueRefused(f"it names {name} as a dataclass, which that is not", (*at, TYPE))
    fields = {field.name: field for field in dataclasses.fields(kind) if field.init}
    if unknown := data.keys() - fields.keys() - {TYPE}:
        raise ValueRefused(f"{name} has no field {brief(min(unknown))}", (*at, min(unknown)))
    missing = dataclasses.MISSING
    absent = [key for key, field in fields.items() if key not in data and field.default is field.default_factory is missing]
    if absent:
        raise ValueRefused(f"the field {absent[0]!r} of {name} is missing", at)


def _member(named: str, returned: ReturnTypes, at: At) -> Any:
    """Return the member of an enumeration. It is looked up, so that no code of the enumeration is called."""
    whole, _, name = named.rpartition(".")
    kind = _kind(whole, returned, at)
    member = kind.__members__.get(name) if issubclass(kind, Enum) else None
    if member is None:
        raise ValueRefused(f"{whole} has no member {brief(name)}", at)
    return member
