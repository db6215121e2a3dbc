"""The types that a recipe returns, read from its annotation: the only ones that its record's value may be made of.

A record is data, and may come from anywhere: from git, from a store that others write into. So a type that it names is never looked for by that
name. It is compared with the names of the types that the annotation leads to: frozen dataclasses and enumerations, through containers, unions,
aliases and the fields of dataclasses.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
import types
import typing
from collections.abc import Callable, Iterable, Iterator
from enum import EnumMeta
from functools import cached_property
from typing import Any


class Returned:
    """The types that a recipe returns. They are looked up with the first value that needs one.

    Args:
        function: The recipe's function; without one there are no types.
    """

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self._function = None if function is None else inspect.unwrap(function)
        self.unresolved: list[str] = []
        """Why parts of the annotation lead nowhere; filled by `types`."""
        self._aliases: list[Any] = []
        self._followed: list[type] = []

    @classmethod
    def only(cls, kinds: Iterable[type]) -> Returned:
        """These types alone, as if an annotation had named them."""
        returned = cls()
        returned.types = {name_of(kind): kind for kind in kinds}
        return returned

    @cached_property
    def types(self) -> dict[str, type]:
        """The types by their names, `name_of`."""
        if self._function is None:
            return {}
        found: dict[str, type] = {}
        self._follow(self._of_function(self._function), found)
        return found

    @property
    def annotation(self) -> str:
        """The annotation, as it is best shown; "" where there is none."""
        try:
            written = inspect.get_annotations(self._function)["return"] if self._function else ""
        except (KeyError, NameError):
            return ""
        return written if isinstance(written, str) else inspect.formatannotation(written)

    def _of_function(self, function: Callable[..., Any]) -> Any:
        try:
            written = inspect.get_annotations(function).get("return")
        except NameError as error:  # from Python 3.14 on an annotation is evaluated when it is asked for
            self.unresolved.append(str(error))
            return None
        return self._resolve(written, function.__globals__)

    def _resolve(self, written: Any, names: dict[str, Any]) -> Any:
        """What an annotation means among the names of its module; None where it cannot be told."""
        try:
            return typing.get_type_hints(types.SimpleNamespace(__annotations__={"it": written}), names)["it"]
        except Exception as error:  # noqa: BLE001  # an annotation is code of the project's own, and may raise anything
            self.unresolved.append(f"`{written}`: {type(error).__name__}: {error}")
            return None

    def _follow(self, hint: Any, found: dict[str, type]) -> None:
        """Collect the types that a type hint leads to."""
        if isinstance(hint, typing.NewType):
            self._follow(hint.__supertype__, found)
        elif isinstance(hint, typing.TypeVar):
            for bound in (hint.__bound__, *hint.__constraints__):
                self._follow(bound, found)
        elif type(hint).__name__ == "TypeAliasType":  # `type Frames = list[Frame]`, from Python 3.12 on; it may name itself
            if hint not in self._aliases:
                self._aliases.append(hint)
                self._follow(hint.__value__, found)
        elif is_storable(hint):
            if found.setdefault(name_of(hint), hint) is not hint:
                self.unresolved.append(f"two types are called {name_of(hint)}")
            elif hint not in self._followed:
                self._followed.append(hint)
                for field in self._fields(hint):
                    self._follow(field, found)
        elif (origin := typing.get_origin(hint)) is not None and origin is not typing.Literal:
            for part in (origin, *typing.get_args(hint)):
                self._follow(part, found)

    def _fields(self, kind: type) -> Iterator[Any]:
        """What the fields of a dataclass are annotated with, those that it inherits as well."""
        own = {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
        for base in kind.__mro__ if own else ():
            try:
                written = inspect.get_annotations(base)
            except NameError as error:
                self.unresolved.append(str(error))
                continue
            # A base class that a block of a guide defines is in no module.
            names = getattr(sys.modules.get(base.__module__), "__dict__", {})
            for name in own & written.keys():
                yield self._resolve(written[name], names)


def name_of(kind: type) -> str:
    """The name by which a record knows a type: the class's own. Where its module lies may change, and makes no other value."""
    return kind.__qualname__


def is_storable(kind: Any) -> bool:
    """Whether values of a type may be in a record: a frozen dataclass or an enumeration that a later process finds in its module."""
    if not isinstance(kind, type) or getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is not kind:
        return False
    parameters = getattr(kind, "__dataclass_params__", None)
    return isinstance(kind, EnumMeta) or bool(parameters and parameters.frozen)
