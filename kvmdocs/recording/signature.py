"""Declarations of a recipe: signature, sizes, durations."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import CatalogError, Evidence, Place
from kvmdocs.core.settings import Setting


@dataclass(frozen=True)
class Input:
    """Parameter that takes another recipe's result.

    Attributes:
        name: Name of the parameter and of the recipe.
        optional: True if the parameter is None when that recipe was skipped.
    """

    name: str
    optional: bool


def _takes_one(function: Callable[..., Any]) -> bool:
    """Check whether a function takes exactly one parameter."""
    code = function.__code__
    more = code.co_kwonlyargcount or code.co_flags & (inspect.CO_VARARGS | inspect.CO_VARKEYWORDS)
    return code.co_argcount == 1 and not more and not hasattr(function, "__wrapped__")


def read_signature(function: Callable[..., Any]) -> tuple[tuple[Input, ...], dict[str, str]]:
    """Return the inputs and settings that a recipe's parameters declare.

    Returns:
        The inputs, and the name of the setting for each parameter that takes one.

    Raises:
        CatalogError: A parameter is neither an input nor a setting.
    """
    if function.__code__.co_varnames[:1] == ("sh",) and _takes_one(function):
        return (), {}  # inspect.signature() is by far the slowest part of declaring a recipe
    parameters = list(inspect.signature(function).parameters.values())
    if not parameters or parameters[0].name != "sh":
        raise CatalogError(f"the first parameter of recipe {function.__name__} must be `sh: Shell`", _where(function))
    inputs: list[Input] = []
    settings: dict[str, str] = {}
    for parameter in parameters[1:]:
        if isinstance(parameter.default, Setting):
            settings[parameter.name] = parameter.default.name
        elif parameter.default is inspect.Parameter.empty and parameter.kind in (
            inspect.Parameter.POSITIONAL_OR_KEYWORD,
            inspect.Parameter.KEYWORD_ONLY,
        ):
            inputs.append(Input(parameter.name, _accepts_none(parameter.annotation)))
        else:
            raise CatalogError(
                f"parameter {parameter.name!r} of recipe {function.__name__} names no recipe and takes no setting",
                _where(function),
            )
    return tuple(inputs), settings


def _where(function: Callable[..., Any]) -> Evidence:
    code = function.__code__
    return Evidence(recipe=function.__name__, place=Place(relative(code.co_filename), code.co_firstlineno))


def _accepts_none(annotation: Any) -> bool:
    """Check whether an annotation, as text or as a type, allows None."""
    if isinstance(annotation, str):
        return bool(re.search(r"\bNone\b|\bOptional\b", annotation))
    return type(None) in typing.get_args(annotation)


@lru_cache
def parse_size(text: int | str) -> int:
    """Return bytes from a number or from text such as ``512M`` or ``3G`` (powers of 1024).

    Raises:
        CatalogError: The text is not a size.
    """
    if isinstance(text, int):
        return text
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([KMGT]?)i?B?", text.strip())
    if not match:
        raise CatalogError(f"{text!r} is not a size; write for instance '512M' or '3G'")
    return int(float(match[1]) * 1024 ** " KMGT".index(match[2] or " "))


@lru_cache
def parse_time(text: float | str) -> float:
    """Return seconds from a number or from text such as ``90s``, ``30m`` or ``2h``.

    Raises:
        CatalogError: The text is not a duration.
    """
    if isinstance(text, int | float):
        return float(text)
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not match:
        raise CatalogError(f"{text!r} is not a duration; write for instance '90s' or '30m'")
    return float(match[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[match[2]]


def relative(path: str) -> str:
    """Return a path relative to the working directory, if it lies below it."""
    try:
        return str(Path(path).relative_to(Path.cwd()))
    except ValueError:
        return path
