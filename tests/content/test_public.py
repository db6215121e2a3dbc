"""What is public: recipes and guides use these modules of the engine alone, and each name that they take is one of its `__all__`."""

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
    """Each module of recipes and each block of a guide, with the line it begins at."""
    for path in sorted((ROOT / "recipes").rglob("*.py")):
        yield path, 1, path.read_text("utf-8")
    for path in sorted((ROOT / "docs").rglob("*.md")):
        for block in find_blocks(path):
            yield path, block.line, block.code


def imported(text: str) -> Iterator[tuple[int, str, str]]:
    """What Python source takes from the engine: the line, the module, and the name in it."""
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
