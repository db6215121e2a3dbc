"""Python source as the key sees it: what a module binds and imports, and its canonical form.

Only text is read; nothing is imported or executed. Comments, docstrings and positions are not in what comes out.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

Meaning = tuple[str, str | None]
"""What an imported name means: a module, and a name in it or None for the module itself."""


@dataclass(frozen=True)
class Module:
    """A module's source as the digest sees it.

    Attributes:
        name: Its dotted name; for a block of a guide the guide's place.
        bindings: What each top-level name is bound to: the statements that define it or change what it holds.
        imports: What each imported name may mean: a module, and a name in it or None for the module itself.
        stars: Modules whose names are all imported.
        package: The package that its relative imports begin at.
    """

    name: str
    bindings: dict[str, tuple[ast.AST, ...]]
    imports: Mapping[str, tuple[Meaning, ...]]
    stars: tuple[str, ...] = ()
    package: str = ""


def parse_module(name: str, text: str, path: Path | None = None) -> Module:
    """Read a module's top-level bindings and imports off its source."""
    bindings: dict[str, dict[int, ast.AST]] = {}
    imports: dict[str, dict[Meaning, None]] = {}
    stars: list[str] = []
    package = name if path is not None and path.name == "__init__.py" else name.rpartition(".")[0]
    for whole in ast.parse(text).body:
        for node in _statements(whole):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for bound, meaning in _imported_names(node, package):
                    imports.setdefault(bound, {})[meaning] = None
                if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                    stars.append(_absolute(node, package))
            else:
                # All of an `if` or a `try` counts for what is bound in it: its condition decides too.
                for bound in _bound(node):
                    bindings.setdefault(bound, {})[id(whole)] = whole
    return Module(
        name,
        {key: tuple(value.values()) for key, value in bindings.items()},
        {key: tuple(value) for key, value in imports.items()},
        tuple(stars),
        package,
    )


def canonical(node: ast.AST) -> str:
    """A syntax tree as JSON in lists: without positions, docstrings, and fields that are empty (they differ between Python versions).

    It is written piece by piece: all code that recipes reach passes here, and to make lists of it first takes half as long again.
    """
    text, fields = _heads(type(node).__name__, node._fields)
    for name, head in fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            text += f"{head}{canonical(value)}]"
        elif isinstance(value, list):
            if parts := ", ".join([_part(part) for part in _meant(name, value)]):
                text += f"{head}[{parts}]]"
        elif value is not None:
            text += f"{head}{_quoted(repr(value))}]"
    return f"{text}]"


def _part(part: Any) -> str:
    return canonical(part) if isinstance(part, ast.AST) else _quoted(repr(part))


@lru_cache(maxsize=2**14)
def _quoted(text: str) -> str:
    """A text as JSON; remembered, since code says the same names over and over."""
    return json.dumps(text)


@cache
def _heads(kind: str, fields: tuple[str, ...]) -> tuple[str, list[tuple[str, str]]]:
    """How a node of a kind begins in its canonical form, and for each field that counts its name and how it begins."""
    return f'["{kind}"', [(name, f', ["{name}", ') for name in fields if name not in _NOT_MEANT]


_NOT_MEANT = frozenset({"type_comment", "kind", "ctx"})
"""Fields of syntax trees that say nothing of what the code does, or again what its place says."""


def _meant(name: str, parts: list[Any]) -> list[Any]:
    """What counts of a field that is a list."""
    if name == "body":
        return _without_docstring(parts)
    if name == "decorator_list":
        return [_without_judgement(decorator) for decorator in parts]
    return parts


def _without_judgement(decorator: ast.expr) -> ast.expr:
    """`@recipe(…)` without ``stable``: how a record is judged afterwards cannot change it."""
    if not isinstance(decorator, ast.Call) or getattr(decorator.func, "id", getattr(decorator.func, "attr", "")) != "recipe":
        return decorator
    keywords = [keyword for keyword in decorator.keywords if keyword.arg != "stable"]
    return ast.Call(func=decorator.func, args=decorator.args, keywords=keywords)


def _without_docstring(body: list[ast.stmt]) -> list[ast.stmt]:
    first = body[0] if body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str):
        return body[1:]
    return body


def _statements(node: ast.AST) -> Iterator[ast.stmt]:
    """A statement of a module, or for one that holds others (``if``, ``try``, ``with``, loops) those in it."""
    if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While | ast.Match):
        if isinstance(node, ast.With | ast.For):
            yield node
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.stmt):
                yield from _statements(child)
            elif isinstance(child, ast.ExceptHandler | ast.match_case):
                for inner in child.body:
                    yield from _statements(inner)
    elif isinstance(node, ast.stmt):
        yield node


def _bound(node: ast.stmt) -> Iterator[str]:
    """The names that a top-level statement binds, and those whose value it changes: ``TABLE["a"] = 1``, ``TABLE.update(…)``."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        elif isinstance(child, ast.Attribute | ast.Subscript) and not isinstance(child.ctx, ast.Load):
            yield from _root(child)
    called = node.value.func if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
    # How a page shows a recipe (its notes, in the page's language) is no part of what the recipe does.
    if isinstance(called, ast.Attribute) and called.attr != "show":
        yield from _root(called)


def _root(node: ast.expr) -> Iterator[str]:
    """The name at the beginning of ``name.a[b].c``."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def local_imports(node: ast.AST, package: str) -> dict[str, list[Meaning]]:
    """What the imports inside a function or class mean."""
    found: dict[str, list[Meaning]] = {}
    todo = [node]
    while todo:
        child = todo.pop()
        if isinstance(child, ast.Import | ast.ImportFrom):
            for name, meaning in _imported_names(child, package):
                found.setdefault(name, []).append(meaning)
        # Imports are statements: no expression has to be looked into.
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            inside = getattr(child, part, None)
            if isinstance(inside, list):
                todo.extend(inside)
    return found


def _imported_names(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Meaning]]:
    """Each name an import statement brings, and what it means."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            if alias.name != "*":
                yield alias.asname or alias.name, (_absolute(node, package), alias.name)
        else:
            first = alias.name.partition(".")[0]
            yield alias.asname or first, (alias.name if alias.asname else first, None)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """The module an import names, relative imports resolved."""
    if not node.level:
        return node.module or ""
    base = package.split(".")
    base = base[: len(base) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)
