"""Excerpts of a recipe's Python source, for readers who want to see what ran.

For a section the excerpt is the ``with`` statement that opens it, in the recipe or in a project function that the recipe
reaches. The file is read, not the record, so the excerpt is the recipe as it is now.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from textwrap import dedent

from kvmdocs.catalog.catalog import Catalog
from kvmdocs.catalog.entries import CatalogEntry
from kvmdocs.catalog.key.module_files import LAB, read_source


@dataclass(frozen=True)
class SourceExcerpt:
    """Consecutive lines of a file.

    Attributes:
        path: The file, relative to the project.
        first: The number of the first line.
        text: The lines without their common indentation and without a final newline.
        function: The function or class that contains them.
    """

    path: str
    first: int
    text: str
    function: str

    @property
    def last(self) -> int:
        """The number of the last line."""
        return self.first + self.text.count("\n")


@dataclass(frozen=True)
class Written:
    """Source of a transcript.

    Attributes:
        whole: The recipe's function.
        parts: The statements that open the section; empty for a whole recipe, or if no statement opens a section of that name.
    """

    whole: SourceExcerpt
    parts: tuple[SourceExcerpt, ...] = ()


def recipe_source(catalog: Catalog, name: str, section: str | None = None) -> Written | None:
    """Return the Python source of a recipe.

    Args:
        catalog: The catalog of the recipe.
        name: The recipe's name.
        section: The section that is shown; None for the whole recipe.

    Returns:
        None if the source is missing or has a syntax error, for example while somebody edits it.

    Raises:
        CatalogError: There is no recipe of that name.
    """
    entry = catalog.get(name)
    try:
        functions = list(_functions(catalog, entry))
    except SyntaxError:
        return None
    whole = next(
        (_excerpt(path, text, node, node.name) for path, text, node in functions if node.name == _defined(entry)), None
    )
    if whole is None:
        return None
    return Written(whole, tuple(_parts(functions, section)) if section is not None else ())


_Definition = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
_Function = tuple[str, str, _Definition]
"""A file, its text, and a function or class in it."""


def _defined(entry: CatalogEntry) -> str:
    return entry.recipe.function.__name__


def _functions(catalog: Catalog, entry: CatalogEntry) -> Iterator[_Function]:
    """Yield the recipe's function first, then the project's functions that it reaches."""
    for module, name in catalog.code.definitions(entry.module, _defined(entry)):
        if module == LAB or module.startswith(f"{LAB}."):
            continue
        if entry.block is not None and module == entry.module:
            path, text = catalog.shown(entry.block.file), entry.block.padded()
        else:
            file = getattr(sys.modules.get(module), "__file__", None)
            if file is None or not Path(file).is_file():
                continue
            path, text = catalog.shown(Path(file)), read_source(Path(file))
        yield from ((path, text, node) for node in _tree(text).body if isinstance(node, _Definition) and node.name == name)


@lru_cache(maxsize=64)
def _tree(text: str) -> ast.Module:
    return ast.parse(text)


def _excerpt(path: str, text: str, node: ast.stmt, function: str) -> SourceExcerpt:
    decorators = getattr(node, "decorator_list", [])
    first = min([node.lineno, *(decorator.lineno for decorator in decorators)])
    lines = text.split("\n")[first - 1 : node.end_lineno]
    return SourceExcerpt(path, first, dedent("\n".join(lines)), function)


def _parts(functions: list[_Function], section: str) -> Iterator[SourceExcerpt]:
    """Yield the statements that open a section: those with its literal name, otherwise those whose computed name fits best."""
    opened = [
        (_certainty(name, section), path, text, node, function.name)
        for path, text, function in functions
        for node in ast.walk(function)
        if isinstance(node, ast.With | ast.AsyncWith)
        for name in _opens(node)
    ]
    best = max((certainty for certainty, *_ in opened), default=0)
    if best:
        yield from (
            _excerpt(path, text, node, function) for certainty, path, text, node, function in opened if certainty == best
        )


def _opens(node: ast.With | ast.AsyncWith) -> Iterator[ast.expr]:
    """Yield the name expression of each section that a ``with`` opens."""
    for item in node.items:
        call = item.context_expr
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "section" and call.args:
            yield call.args[0]


def _certainty(name: ast.expr, section: str) -> int:
    """Return how surely an expression is a section's name: 3 for the literal name, 0 if it cannot be the name."""
    if isinstance(name, ast.Constant):
        return 3 if name.value == section else 0
    if isinstance(name, ast.JoinedStr):
        form = "".join(re.escape(str(part.value)) if isinstance(part, ast.Constant) else ".*" for part in name.values)
        return 2 if re.fullmatch(form, section, re.DOTALL) else 0
    return 1
