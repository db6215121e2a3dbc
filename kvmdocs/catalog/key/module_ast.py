"""Python source as the cache key sees it: the bindings and imports of a module, and its canonical form.

Only text is read; nothing is imported or executed. The result has no comments, docstrings or positions.
"""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

Meaning = tuple[str, str | None]
"""Target of an imported name: a module, and a name in it, or None for the module itself."""


@dataclass(frozen=True)
class Module:
    """A module's source as the cache key sees it.

    Attributes:
        name: Its dotted name; for a block of a guide its pseudo-module.
        bindings: The statements that define each top-level name or change its value.
        imports: The possible targets of each imported name: a module, and a name in it, or None for the module itself.
        stars: Modules from which all names are imported.
        package: The package that its relative imports start from.
        loads: Modules that importing it may import: those it names, and each name that it takes from one, which may be one.
        body: Its statements. Emptied when they are no longer needed, because syntax trees take much memory.
    """

    name: str
    bindings: dict[str, tuple[ast.AST, ...]]
    imports: Mapping[str, tuple[Meaning, ...]]
    stars: tuple[str, ...] = ()
    package: str = ""
    loads: tuple[str, ...] = ()
    body: list[ast.stmt] = field(default_factory=list)


def parse_module(name: str, text: str, path: Path | None = None) -> Module:
    """Return a module's top-level bindings and imports, parsed from its source."""
    bindings: dict[str, dict[int, ast.AST]] = {}
    imports: dict[str, dict[Meaning, None]] = {}
    stars: list[str] = []
    package = name if path is not None and path.name == "__init__.py" else name.rpartition(".")[0]
    body = ast.parse(text).body
    if body and body != _without_docstring(body):
        bindings["__doc__"] = {id(body[0]): body[0]}
    for statement in body:
        for node in _statements(statement):
            if isinstance(node, ast.Import | ast.ImportFrom):
                for bound, meaning in _imported_names(node, package):
                    imports.setdefault(bound, {})[meaning] = None
                if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
                    stars.append(_absolute(node, package))
            else:
                # A name bound in an `if` or a `try` depends on the whole statement, including its condition.
                for bound in _bound(node):
                    bindings.setdefault(bound, {})[id(statement)] = statement
    return Module(
        name,
        {key: tuple(value.values()) for key, value in bindings.items()},
        {key: tuple(value) for key, value in imports.items()},
        tuple(stars),
        package,
        tuple(dict.fromkeys(name for node in body for name in loaded_modules(node, package))),
        body,
    )


def canonical(node: ast.AST) -> str:
    """Return a syntax tree as JSON lists, without positions, docstrings and empty fields, which differ between Python versions.

    The text is built directly. All code that recipes reach passes here, and building lists first takes 50 % longer.
    """
    text, fields = _heads(type(node).__name__, node._fields)
    for name, head in fields:
        value = getattr(node, name, None)
        if isinstance(value, ast.AST):
            text += f"{head}{canonical(value)}]"
        elif isinstance(value, list):
            if parts := ", ".join([_part(part) for part in _significant(name, value)]):
                text += f"{head}[{parts}]]"
        elif value is not None:
            text += f"{head}{_quoted(repr(value))}]"
    return f"{text}]"


def _part(part: Any) -> str:
    return canonical(part) if isinstance(part, ast.AST) else _quoted(repr(part))


@lru_cache(maxsize=2**14)
def _quoted(text: str) -> str:
    """Return a string as JSON. Cached because code repeats the same names."""
    return json.dumps(text)


@cache
def _heads(kind: str, fields: tuple[str, ...]) -> tuple[str, list[tuple[str, str]]]:
    """Return the first text of a node in canonical form, and the name and first text of each field that counts."""
    return f'["{kind}"', [(name, f', ["{name}", ') for name in fields if name not in _IGNORED_FIELDS]


_IGNORED_FIELDS = frozenset({"type_comment", "kind", "ctx"})
"""Fields of syntax trees without a meaning of their own: comments, string prefixes, load or store."""


def _significant(name: str, parts: list[Any]) -> list[Any]:
    """Return the items of a list field that count."""
    if name == "body":
        return _without_docstring(parts)
    if name == "decorator_list":
        return [_without_stable(decorator) for decorator in parts]
    return parts


def _without_stable(decorator: ast.expr) -> ast.expr:
    """Return ``@recipe(…)`` without ``stable``, which only affects the comparison of records, not their content."""
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
    """Yield a module's statement, or the statements inside it if it is compound (``if``, ``try``, ``with``, loops)."""
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
    """Yield the names that a top-level statement binds or whose value it changes: ``TABLE["a"] = 1``, ``TABLE.update(…)``."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
        return
    for child in ast.walk(node):
        if isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store):
            yield child.id
        elif isinstance(child, ast.Attribute | ast.Subscript) and not isinstance(child.ctx, ast.Load):
            yield from _root(child)
    called = node.value.func if isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) else None
    # `recipe.show(…)` on a page does not change what the recipe does.
    if isinstance(called, ast.Attribute) and called.attr != "show":
        yield from _root(called)


def _root(node: ast.expr) -> Iterator[str]:
    """Yield the name at the beginning of ``name.a[b].c``."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    if isinstance(node, ast.Name):
        yield node.id


def docstrings(node: ast.AST) -> Iterator[str]:
    """Yield the docstrings in a tree, with their indentation."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and node.body != _without_docstring(node.body):
        yield ast.get_docstring(node, clean=False) or ""
    for part in _inner_statements(node):
        yield from docstrings(part)


def loaded_modules(node: ast.AST, package: str) -> Iterator[str]:
    """Yield the modules that the imports in a statement, at any depth, may import: also ``a.b`` for ``from a import b``.

    The imports in a function's body count too: they run when the function is called.
    """
    todo = [node]
    while todo:
        child = todo.pop()
        if isinstance(child, ast.Import):
            yield from (alias.name for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(child, package)
            yield base
            yield from (f"{base}.{alias.name}" for alias in child.names if alias.name != "*")
        todo.extend(_inner_statements(child))


def _inner_statements(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the statements directly inside a statement. Imports are statements, so expressions need no visit."""
    for part in ("body", "orelse", "finalbody", "handlers", "cases"):
        inside = getattr(node, part, None)
        if isinstance(inside, list):
            yield from inside


def local_imports(node: ast.AST, package: str) -> dict[str, list[Meaning]]:
    """Return the targets of the imports inside a function or class, by name."""
    targets: dict[str, list[Meaning]] = {}
    todo = [node]
    while todo:
        child = todo.pop()
        if isinstance(child, ast.Import | ast.ImportFrom):
            for name, meaning in _imported_names(child, package):
                targets.setdefault(name, []).append(meaning)
        todo.extend(_inner_statements(child))
    return targets


def _imported_names(node: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, Meaning]]:
    """Yield each name that an import statement binds, with its target."""
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            if alias.name != "*":
                yield alias.asname or alias.name, (_absolute(node, package), alias.name)
        else:
            first = alias.name.partition(".")[0]
            yield alias.asname or first, (alias.name if alias.asname else first, None)


def _absolute(node: ast.ImportFrom, package: str) -> str:
    """Return the absolute name of the module of a ``from … import``."""
    if not node.level:
        return node.module or ""
    base = package.split(".")
    base = base[: len(base) - node.level + 1]
    return ".".join([*base, node.module] if node.module else base)
