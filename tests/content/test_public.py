"""The public API: recipes and guides use no other modules of the engine, and only names in their `__all__`."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from kvmdocs.catalog.guides import find_blocks
from tests.support import ROOT

PUBLIC = ("kvmdocs", "kvmdocs.figures", "kvmdocs.lab", "kvmdocs.site.blocks")


def sources() -> Iterator[tuple[Path, int, str]]:
    """Yield each module of recipes and each block of a guide, with its first line number."""
    for path in sorted((ROOT / "recipes").rglob("*.py")):
        yield path, 1, path.read_text("utf-8")
    for path in sorted((ROOT / "docs").rglob("*.md")):
        for block in find_blocks(path):
            yield path, block.line, block.code


def imported(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield the imports from the engine in Python source: the line, the module, and the name."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "kvmdocs":
            yield from ((node.lineno, node.module or "", alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names if alias.name.partition(".")[0] == "kvmdocs")


def test_recipes_and_guides_use_what_is_public() -> None:
    wrong = [
        f"{path.relative_to(ROOT)}:{first + line - 1}: from {module} import {name}"
        for path, first, text in sources()
        for line, module, name in imported(text)
        if module not in PUBLIC or name not in importlib.import_module(module).__all__
    ]
    assert wrong == []


@pytest.mark.parametrize("module", PUBLIC)
def test_what_is_public_is_there(module: str) -> None:
    public = importlib.import_module(module)
    assert all(getattr(public, name) is not None for name in public.__all__)
