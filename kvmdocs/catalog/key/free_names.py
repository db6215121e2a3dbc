"""Which global names a piece of source uses, each with the attributes that follow it: what the code a recipe reaches is found by.

Only text is read; nothing is imported or executed. A tree is gone through once: what a function binds is known at its end, and what its body uses by such
a name is then taken out again.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Chain = tuple[str, ...]
"""A name and the attributes that follow it: ``a.b.c`` is ``("a", "b", "c")``."""


@dataclass
class _Scope:
    """What one function's body, or what else has names of its own, uses and binds.

    Attributes:
        used: Every name used, with its attributes, in the order of the source.
        bound: Names assigned, of functions and classes defined too.
        outer: Names that a ``global`` in it, or in a function inside it, says are the module's.
    """

    used: list[Chain] = field(default_factory=list)
    bound: set[str] = field(default_factory=set)
    outer: set[str] = field(default_factory=set)

    def take(self, inner: _Scope, own: set[str]) -> None:
        """Add what a scope inside this one uses, but for the names in `own`."""
        self.used += [chain for chain in inner.used if chain[0] not in own]
        self.outer |= inner.outer


def free_names(node: ast.AST) -> list[Chain]:
    """Every global name used in a tree, in the order of the source. A recipe's parameter is named like the recipe it takes, and does not mean it."""
    scope = _Scope()
    _visit(node, scope)
    return scope.used


def children(node: ast.AST) -> Iterator[ast.AST]:
    """What ``ast.iter_child_nodes`` gives, in less time: every tree of a project is gone through here, node by node."""
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            for part in value:
                if isinstance(part, ast.AST):
                    yield part
        elif isinstance(value, ast.AST):
            yield value


def _visit(node: ast.AST, scope: _Scope) -> None:
    """Add what a tree uses and binds to a scope."""
    visit = _SPECIAL.get(type(node))
    if visit:
        visit(node, scope)
    else:
        for child in children(node):
            _visit(child, scope)


def _name(node: ast.Name, scope: _Scope) -> None:
    scope.used.append((node.id,))
    if isinstance(node.ctx, ast.Store):
        scope.bound.add(node.id)


def _attribute(node: ast.Attribute, scope: _Scope) -> None:
    names = [node.attr]
    value = node.value
    while isinstance(value, ast.Attribute):
        names.append(value.attr)
        value = value.value
    if isinstance(value, ast.Name):
        scope.used.append((value.id, *reversed(names)))
    else:
        _visit(value, scope)


def _call(node: ast.Call, scope: _Scope) -> None:
    """A call; ``getattr(a.b, "c")`` as the ``a.b.c`` that it is, with what else it is given, unless the name is in a variable."""
    parts: Iterator[ast.AST] = children(node)
    if isinstance(node.func, ast.Name) and node.func.id == "getattr" and len(node.args) > 1:
        name = node.args[1]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            parts = iter([ast.Attribute(value=node.args[0], attr=name.value, ctx=ast.Load()), *node.args[2:]])
    for part in parts:
        _visit(part, scope)


def _global(node: ast.Global, scope: _Scope) -> None:
    scope.outer.update(node.names)


def _class(node: ast.ClassDef, scope: _Scope) -> None:
    """A class: what its body binds are its attributes, which no function inside it sees by their bare name."""
    scope.bound.add(node.name)
    inner = _Scope()
    for part in children(node):
        _visit(part, inner)
    scope.take(inner, set())


def _function(node: ast.FunctionDef | ast.AsyncFunctionDef, scope: _Scope) -> None:
    scope.bound.add(node.name)
    _body(node.body, node.args, scope)
    _around([*_outside(node.args), *node.decorator_list, *([node.returns] if node.returns else [])], scope)


def _lambda(node: ast.Lambda, scope: _Scope) -> None:
    _body([node.body], node.args, scope)
    _around(_outside(node.args), scope)


def _body(body: list[ast.stmt] | list[ast.expr], arguments: ast.arguments, scope: _Scope) -> None:
    """The body of a function, which has its parameters and what it assigns for itself."""
    inner = _Scope()
    for part in body:
        _visit(part, inner)
    scope.take(inner, {parameter.arg for parameter in _parameters(arguments)} | (inner.bound - inner.outer))


def _around(parts: list[ast.expr], scope: _Scope) -> None:
    """What is looked up where a function is defined. What it binds there is rare, and left out."""
    outside = _Scope()
    for part in parts:
        _visit(part, outside)
    scope.take(outside, set())


def _outside(arguments: ast.arguments) -> list[ast.expr]:
    """The defaults and annotations of parameters, which see the names around the function."""
    annotations = [parameter.annotation for parameter in _parameters(arguments)]
    return [part for part in (*arguments.defaults, *arguments.kw_defaults, *annotations) if part]


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    rest = [parameter for parameter in (arguments.vararg, arguments.kwarg) if parameter]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *rest]


def _comprehension(node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: _Scope) -> None:
    """A comprehension: its variables are its own; only the first iterable is looked up around it."""
    first: ast.AST = node.generators[0].iter
    around, inner, targets = _Scope(), _Scope(), _Scope()
    _visit(first, around)
    for generator in node.generators:
        _visit(generator.target, targets)
    for child in children(node):
        for part in children(child) if isinstance(child, ast.comprehension) else [child]:
            if part is not first:
                _visit(part, inner)
    scope.take(around, set())
    scope.take(inner, targets.bound)


_SPECIAL: dict[type[ast.AST], Callable[..., None]] = {
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Call: _call,
    ast.Global: _global,
    ast.ClassDef: _class,
    ast.FunctionDef: _function,
    ast.AsyncFunctionDef: _function,
    ast.Lambda: _lambda,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.DictComp: _comprehension,
    ast.GeneratorExp: _comprehension,
}
"""Nodes that mean more than what is in them."""
