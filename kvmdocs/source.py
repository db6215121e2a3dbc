"""Python source as the key sees it: what a module binds and imports, which names a definition uses, and its canonical form.

Only text is read; nothing is imported or executed. Comments, docstrings and positions are not in what comes out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
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
    bindings: Mapping[str, tuple[ast.AST, ...]]
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


def canonical(node: Any) -> Any:
    """A syntax tree as plain lists: without positions, docstrings, and fields that are empty (they differ between Python versions)."""
    if isinstance(node, list):
        return [canonical(item) for item in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = []
    for name, value in ast.iter_fields(node):
        kept = value
        if name == "body" and isinstance(value, list):
            kept = _without_docstring(value)
        elif name == "decorator_list":
            kept = [_without_judgement(decorator) for decorator in value]
        if kept is None or kept == [] or name in {"type_comment", "kind", "ctx"}:
            continue
        fields.append([name, canonical(kept)])
    return [type(node).__name__, *fields]


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


def chains(node: ast.AST, local: frozenset[str] = frozenset()) -> Iterator[tuple[str, ...]]:
    """Every global name used in a tree with the attributes that follow it: ``a.b.c`` is ``("a", "b", "c")``.

    Args:
        node: The tree.
        local: Names that a function around it binds. A recipe's parameter is named like the recipe it takes, and does not mean it.
    """
    if isinstance(node, _FUNCTIONS):
        yield from _function_chains(node, local)
        return
    if isinstance(node, _COMPREHENSIONS):
        yield from _comprehension_chains(node, local)
        return
    if isinstance(node, ast.Attribute):
        names = [node.attr]
        value = node.value
        while isinstance(value, ast.Attribute):
            names.append(value.attr)
            value = value.value
        if isinstance(value, ast.Name):
            if value.id not in local:
                yield (value.id, *reversed(names))
            return
    elif isinstance(node, ast.Name) and node.id not in local:
        yield (node.id,)
    for child in _named_attribute(node) or _children(node):
        yield from chains(child, local)


def _children(node: ast.AST) -> list[ast.AST]:
    """What ``ast.iter_child_nodes`` gives, in a third of the time: every tree of a project is gone through here, node by node."""
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            found += [part for part in value if isinstance(part, ast.AST)]
        elif isinstance(value, ast.AST):
            found.append(value)
    return found


def _named_attribute(node: ast.AST) -> list[ast.AST]:
    """``getattr(a.b, "c")`` as the ``a.b.c`` that it is, with what else it is given; nothing for all else, a name in a variable among it."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.func.id != "getattr" or len(node.args) < 2:
        return []
    name = node.args[1]
    if not isinstance(name, ast.Constant) or not isinstance(name.value, str):
        return []
    return [ast.Attribute(value=node.args[0], attr=name.value, ctx=ast.Load()), *node.args[2:]]


def _comprehension_chains(
    node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, local: frozenset[str]
) -> Iterator[tuple[str, ...]]:
    """The same for a comprehension: its variables are its own; only the first iterable is looked up around it."""
    first = node.generators[0].iter
    inner = local | {name for part in node.generators for name in _stored(part.target)}
    yield from chains(first, local)
    for child in ast.iter_child_nodes(node):
        for part in ast.iter_child_nodes(child) if isinstance(child, ast.comprehension) else [child]:
            if part is not first:
                yield from chains(part, inner)


def _function_chains(
    node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda, local: frozenset[str]
) -> Iterator[tuple[str, ...]]:
    """The same for a function: its defaults, decorators and annotations see the names around it, its body its own."""
    parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs, node.args.vararg, node.args.kwarg]
    body = node.body if isinstance(node.body, list) else [node.body]
    stored = {name for part in body for name in _stored(part)}
    inner = local | {parameter.arg for parameter in parameters if parameter} | stored
    for part in body:
        yield from chains(part, inner)
    around: list[ast.AST | None] = [*node.args.defaults, *node.args.kw_defaults]
    around += [parameter.annotation for parameter in parameters if parameter]
    around += [] if isinstance(node, ast.Lambda) else [*node.decorator_list, node.returns]
    for outer in around:
        if outer is not None:
            yield from chains(outer, local)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_NAMED = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
_SCOPES = (*_FUNCTIONS, ast.ClassDef, *_COMPREHENSIONS)
"""What has names of its own."""


def _stored(node: ast.AST) -> Iterator[str]:
    """Names assigned in a function's body, without those of functions and comprehensions inside it and those declared global."""
    declared = {name for child in ast.walk(node) if isinstance(child, ast.Global) for name in child.names}
    todo = [node]
    while todo:
        child = todo.pop()
        if isinstance(child, _NAMED):
            yield child.name
        elif isinstance(child, ast.Name) and isinstance(child.ctx, ast.Store) and child.id not in declared:
            yield child.id
        if not isinstance(child, _SCOPES):
            todo += _children(child)


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
