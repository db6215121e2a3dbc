"""JSON form of a recipe's value: its markers, and its validation.

A marker is a key of a dictionary that begins with ``$`` and gives the kind of value that the dictionary represents::

    {"$path": "recipe-0123456789abcdef/file"}       a path below the store's folder of workspaces
    {"$tuple": [1, 2]}                              a tuple
    {"$enum": "Class.NAME", "value": 1}             a member of an enumeration; its value if that is a number or text, else null
    {"$type": "Class", "field": 1}                  a frozen dataclass

A type is one of those that the recipe's annotation names. In older records the module precedes it, as in ``module:Class``.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from kvmdocs.core.errors import StoreError

PATH = "$path"
TUPLE = "$tuple"
TYPE = "$type"
ENUM = "$enum"
VALUE = "value"
"""Key beside `ENUM`. A change of a member's value makes the recipes stale that build on it."""

DEEPEST = 100
"""Maximum nesting of containers in a value."""

At = tuple[str | int, ...]
"""Path to a place in JSON data: keys and indexes, from the outside in."""


class ValueRefused(StoreError):
    """A value in JSON form does not match the return type of its recipe.

    Args:
        message: One sentence that says what is wrong.
        at: Path to the place in the value.
    """

    def __init__(self, message: str, at: At) -> None:
        super().__init__(message)
        self.at = at


def check(data: Any) -> None:
    """Check that data has the form that `encode` produces, whatever types it names.

    Raises:
        ValueRefused: The data has another form.
    """
    _check(data, ())


def _check(data: Any, at: At) -> None:
    if len(at) > 2 * DEEPEST:  # a tuple and a dataclass's field are two steps each
        raise ValueRefused(f"it is nested more than {DEEPEST} deep", at)
    if isinstance(data, list):
        for number, item in enumerate(data):
            _check(item, (*at, number))
    elif isinstance(data, dict):
        _check_marker(data, at)
        for key, item in data.items():
            if not is_text(key):
                raise ValueRefused(f"{brief(key)} is not text that can be written as UTF-8", at)
            _check(item, (*at, key))
    elif isinstance(data, str) and not is_text(data):
        raise ValueRefused(f"{brief(data)} is not text that can be written as UTF-8", at)
    elif isinstance(data, float) and not math.isfinite(data):
        raise ValueRefused(f"JSON has no number {data}", at)


_MARKERS = {PATH: (str, {PATH}), TUPLE: (list, {TUPLE}), ENUM: (str, {ENUM, VALUE}), TYPE: (str, None)}
"""For each marker, the type of its value and the keys of its dictionary; None for any keys that are not markers."""


def _check_marker(data: dict[str, Any], at: At) -> None:
    """Check that a dictionary has at most one marker, and that its other keys fit the marker."""
    marks = [key for key in data if key.startswith("$")]
    if not marks:
        return
    mark = marks[0]
    if mark not in _MARKERS or len(marks) > 1:
        raise ValueRefused(f"{brief(marks[-1])} is no key that a value may have here", (*at, marks[-1]))
    kind, keys = _MARKERS[mark]
    if not isinstance(data[mark], kind):
        raise ValueRefused(f"{mark} wants {'text' if kind is str else 'a list'}, not {brief(data[mark])}", (*at, mark))
    if keys is not None and data.keys() != keys:
        raise ValueRefused(f"{mark} stands with {', '.join(sorted(keys - {mark})) or 'nothing else'}", (*at, mark))
    if mark == ENUM and not is_scalar(data[VALUE]):
        raise ValueRefused(f"{VALUE} beside {mark} wants a number, text or null", (*at, VALUE))
    if mark == PATH and not _is_inside(data[mark]):
        raise ValueRefused(f"the path {brief(data[mark])} does not lie in a workspace", (*at, mark))


def _is_inside(path: str) -> bool:
    """Check whether a path is relative, normalised, and without ``..``, as `_below` in `kvmdocs.recording.values` makes it."""
    return (
        path != "."
        and "\0" not in path
        and path[:1] != "/"
        and ".." not in path.split("/")
        and str(PurePosixPath(path)) == path
    )


def names_in(data: Any) -> Iterator[str]:
    """Yield the names of all types in a value that `check` has accepted."""
    if isinstance(data, dict):
        if TYPE in data:
            yield class_name(data[TYPE])
        if ENUM in data:
            yield class_name(data[ENUM].rpartition(".")[0])
    for item in data.values() if isinstance(data, dict) else data if isinstance(data, list) else ():
        yield from names_in(item)


def class_name(marked: str) -> str:
    """Return the class name in a marker's value, without the module that precedes it in older records."""
    return marked.rpartition(":")[2]


def is_scalar(value: Any) -> bool:
    """Check whether a value is its own JSON form: None, a number or text, and not of a subclass of these."""
    kind = type(value)
    return value is None or kind in (bool, int) or (kind is float and math.isfinite(value)) or (kind is str and is_text(value))


def is_text(text: str) -> bool:
    """Check whether text can be encoded as UTF-8. File names that are not UTF-8 contain lone surrogates."""
    return not any("\ud800" <= char <= "\udfff" for char in text)


def brief(value: Any) -> str:
    """Return a shortened `repr` of a value, for a message."""
    return repr(value)[:60]
