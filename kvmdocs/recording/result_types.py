"""Types that a recipe may return, read from its annotation. A record's value consists of no others.

A record is data from anywhere: from git, or from a store that others write to. So a type named in a record is never imported by
that name. The name is looked up among the types that the annotation leads to: frozen dataclasses and enumerations, through
containers, unions, aliases and the fields of dataclasses.
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


class ReturnTypes:
    """Types that a recipe returns. They are resolved when the first value needs one.

    Args:
        function: The recipe's function; None for no types.
    """

    def __init__(self, function: Callable[..., Any] | None = None) -> None:
        self._function = None if function is None else inspect.unwrap(function)
        self.unresolved: list[str] = []
        """Reasons why parts of the annotation could not be resolved; filled by `types`."""
        self._aliases: list[Any] = []
        self._followed: list[type] = []

    @classmethod
    def only(cls, kinds: Iterable[type]) -> ReturnTypes:
        """Return an instance with exactly these types, as if an annotation had named them."""
        returned = cls()
        returned.types = {name_of(kind): kind for kind in kinds}
        return returned

    @cached_property
    def types(self) -> dict[str, type]:
        """The types by `name_of`."""
        if self._function is None:
            return {}
        found: dict[str, type] = {}
        self._follow(self._of_function(self._function), found)
        return found

    @property
    def annotation(self) -> str:
        """The annotation as text; "" if there is none."""
        try:
            written = inspect.get_annotations(self._function)["return"] if self._function else ""
        except (KeyError, NameError):
            return ""
        return written if isinstance(written, str) else inspect.formatannotation(written)

    def _of_function(self, function: Callable[..., Any]) -> Any:
        try:
            written = inspect.get_annotations(function).get("return")
        except NameError as error:  # from Python 3.14 on, annotations are evaluated on access
            self.unresolved.append(str(error))
            return None
        return self._resolve(written, function.__globals__)

    def _resolve(self, written: Any, names: dict[str, Any]) -> Any:
        """Return the meaning of an annotation among the names of its module, or None if it cannot be resolved."""
        try:
            return typing.get_type_hints(types.SimpleNamespace(__annotations__={"it": written}), names)["it"]
        except Exception as error:  # noqa: BLE001  # an annotation is code of the project and may raise anything
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
        """Yield the annotations of a dataclass's fields, inherited ones included."""
        own = {field.name for field in dataclasses.fields(kind)} if dataclasses.is_dataclass(kind) else set()
        for base in kind.__mro__ if own else ():
            try:
                written = inspect.get_annotations(base)
            except NameError as error:
                self.unresolved.append(str(error))
                continue
            # A base class that is defined in a block of a guide has no module.
            names = getattr(sys.modules.get(base.__module__), "__dict__", {})
            for name in own & written.keys():
                yield self._resolve(written[name], names)


def name_of(kind: type) -> str:
    """Return the name of a type in a record: the class's qualified name.

    The module is left out, so that a class can move without changing any value.
    """
    return kind.__qualname__


def is_storable(kind: Any) -> bool:
    """Check whether values of a type may be in a record.

    The type must be a frozen dataclass or an enumeration, and a later process must find it in its module.
    """
    if not isinstance(kind, type) or getattr(sys.modules.get(kind.__module__), kind.__qualname__, None) is not kind:
        return False
    parameters = getattr(kind, "__dataclass_params__", None)
    return isinstance(kind, EnumMeta) or bool(parameters and parameters.frozen)
