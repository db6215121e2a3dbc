"""The types that a recipe returns, read from its annotation."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, ClassVar, Generic, Literal, NewType, Optional, TypeVar

import pytest

from kvmdocs.recording.result_types import ReturnTypes, is_storable, name_of

if TYPE_CHECKING:
    from pathlib import Path

    from elsewhere import Unseen


class Colour(Enum):
    RED = 1


@dataclass(frozen=True)
class Frame:
    function: str
    file: Path
    colour: Colour = Colour.RED


@dataclass(frozen=True)
class Trace:
    frames: tuple[Frame, ...]
    outer: Trace | None = None
    count: ClassVar[int] = 0


@dataclass(frozen=True)
class Named(Trace):
    name: str = ""


@dataclass(frozen=True)
class Lost:
    unseen: Unseen
    colour: Colour


@dataclass
class Loose:
    frame: Frame


class Plain:
    pass


Item = TypeVar("Item")
Bound = TypeVar("Bound", bound=Frame)


@dataclass(frozen=True)
class Box(Generic[Item]):
    item: Item


Frames = list[Frame]
Number = NewType("Number", Frame)

FRAME = {"Frame", "Colour"}
TRACE = {"Trace", *FRAME}


def one(sh) -> Frame: ...
def none_at_all(sh): ...
def nothing(sh) -> None: ...
def plain(sh) -> dict[str, list[int]]: ...
def maybe(sh) -> Frame | None: ...
def older_maybe(sh) -> Optional[Frame]: ...  # noqa: UP045  # that form is tried as well
def text(sh) -> "Frame | None": ...  # noqa: UP037  # text in text
def nested_text(sh) -> list["Frame"]: ...  # noqa: UP037
def in_containers(sh) -> dict[str, tuple[list[Frame], ...]]: ...
def in_abstract_ones(sh) -> Mapping[str, Sequence[Trace]]: ...
def two(sh) -> Colour | list[Trace]: ...
def alias(sh) -> Frames: ...
def new_type(sh) -> Number: ...
def annotated(sh) -> Annotated[Frame, "told"]: ...
def variable(sh) -> Bound: ...
def generic(sh) -> Box[Frame]: ...
def inherited(sh) -> Named: ...
def partly_lost(sh) -> Lost: ...
def loose(sh) -> Loose: ...
def not_one(sh) -> Plain: ...
def literal(sh) -> Literal["Frame"]: ...
def anything(sh) -> object: ...
def a_library(sh) -> ModuleType: ...


@functools.wraps(one)
def wrapped(*args):
    return one(*args)


RETURN = {
    one: FRAME,
    none_at_all: set(),
    nothing: set(),
    plain: set(),
    maybe: FRAME,
    older_maybe: FRAME,
    text: FRAME,
    nested_text: FRAME,
    in_containers: FRAME,
    in_abstract_ones: TRACE,
    two: TRACE,
    alias: FRAME,
    new_type: FRAME,
    annotated: FRAME,
    variable: FRAME,
    generic: {"Box", *FRAME},
    inherited: {"Named", *TRACE},
    partly_lost: {"Lost", "Colour"},
    loose: set(),
    not_one: set(),
    literal: set(),
    anything: set(),
    a_library: set(),
    wrapped: FRAME,
}


@pytest.mark.parametrize("function", RETURN, ids=[str(number) for number in range(len(RETURN))])
def test_an_annotation_leads_to_these_types(function):
    known = ReturnTypes(function).types
    assert known == {name: globals()[name] for name in RETURN[function]}
    assert all(is_storable(kind) for kind in known.values())


def test_a_name_that_means_nothing_is_told_and_the_rest_is_read():
    def gone(sh) -> list[Unseen]: ...

    for function, name in ((partly_lost, "Unseen"), (gone, "list[Unseen]")):
        returned = ReturnTypes(function)
        assert "Trace" not in returned.types
        assert [why for why in returned.unresolved if why.startswith(f"`{name}`: NameError")]


def test_an_annotation_that_raises_is_told():
    def odd(sh) -> 1 / 0: ...  # no type, as is meant

    returned = ReturnTypes(odd)
    assert returned.types == {}
    assert "ZeroDivisionError" in returned.unresolved[0]


def test_nothing_is_looked_up_before_a_type_is_wanted():
    def odd(sh) -> seen.append(1): ...  # evaluated in the names given below

    seen: list[int] = []
    odd.__globals__["seen"] = seen
    try:
        returned = ReturnTypes(odd)
        assert returned.annotation == "seen.append(1)"
        assert seen == []
        assert returned.types is returned.types
        assert seen == [1]
    finally:
        del odd.__globals__["seen"]


def test_an_alias_may_name_itself():
    class TypeAliasType:  # as Python 3.12 and later have it for `type Tree = Frame | list[Tree]`
        __value__: object

    tree = TypeAliasType()
    tree.__value__ = Frame | list[tree]

    def planted(sh): ...

    planted.__annotations__["return"] = tree
    assert set(ReturnTypes(planted).types) == set(FRAME)


@dataclass(frozen=True)
class Field:
    data: dict[str, int] = field(default_factory=dict)


def test_only_what_a_later_process_finds_can_be_stored():
    @dataclass(frozen=True)
    class Local:
        word: str

    assert is_storable(Field)
    assert is_storable(Colour)
    assert name_of(Field) == "Field"
    for kind in (Local, Loose, Plain, int, list[int], None, "Field", Box[int]):
        assert not is_storable(kind)


def test_two_types_of_one_name_in_an_annotation_are_told(monkeypatch):
    def twins(sh) -> tuple[Colour, other.Colour]: ...

    other = ModuleType("other")
    exec("from enum import Enum\nclass Colour(Enum):\n    BLUE = 1", vars(other))
    monkeypatch.setitem(sys.modules, "other", other)
    monkeypatch.setitem(twins.__globals__, "other", other)
    returned = ReturnTypes(twins)
    assert returned.types == {"Colour": Colour}
    assert returned.unresolved == ["two types are called Colour"]
