"""Global names that a piece of source uses, each with the attributes that follow it.

Only text is read; nothing is imported or executed. A tree is visited once. The names that a function binds are known only at
its end; uses of them in its body are then removed again.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

Chain = tuple[str, ...]
"""A name and the attributes that follow it: ``a.b.c`` is ``("a", "b", "c")``."""


@dataclass
class _Scope:
    """Names used and bound by a function's body, or by another construct with a scope of its own.

    Attributes:
        used: Every name used, with its attributes, in source order.
        bound: Names that are assigned, or defined as functions and classes.
        outer: Names declared ``global`` in it or in a function inside it.
        special: Attributes with two underscores, such as ``__doc__``, and texts that may be their names.
    """

    used: list[Chain] = field(default_factory=list)
    bound: set[str] = field(default_factory=set)
    outer: set[str] = field(default_factory=set)
    special: set[str] = field(default_factory=set)

    def take(self, inner: _Scope, own: set[str]) -> None:
        """Add the uses of an inner scope, except for the names in `own`."""
        self.used += [chain for chain in inner.used if chain[0] not in own]
        self.outer |= inner.outer
        self.special |= inner.special


def free_names(node: ast.AST) -> list[Chain]:
    """Return every global name used in a tree, in source order.

    A recipe's parameter has the name of the recipe it takes, but does not refer to the function, so it does not count.
    """
    return names_in(node)[0]


def names_in(node: ast.AST) -> tuple[list[Chain], set[str]]:
    """Return what `free_names` returns, and the attributes with two underscores in the tree, also as texts."""
    scope = _Scope()
    _visit(node, scope)
    return scope.used, scope.special


def children(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the child nodes, like ``ast.iter_child_nodes`` but faster: every tree of a project passes here."""
    for name in node._fields:
        value = getattr(node, name, None)
        if isinstance(value, list):
            for part in value:
                if isinstance(part, ast.AST):
                    yield part
        elif isinstance(value, ast.AST):
            yield value


def _visit(node: ast.AST, scope: _Scope) -> None:
    """Add the names that a tree uses and binds to a scope."""
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


def _constant(node: ast.Constant, scope: _Scope) -> None:
    if isinstance(node.value, str) and node.value[:2] == "__":
        scope.special.add(node.value)


def _attribute(node: ast.Attribute, scope: _Scope) -> None:
    if node.attr[:2] in ("__", "f_", "tb"):
        scope.special.add(node.attr)
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
    """Visit a call.

    ``getattr(a.b, "c")`` counts as ``a.b.c``, with its further arguments, unless the name is in a variable. ``vars()`` without
    an argument counts as ``globals()``.
    """
    parts: Iterator[ast.AST] = children(node)
    if isinstance(node.func, ast.Name) and node.func.id == "vars" and not node.args:
        scope.used.append(("globals",))
    if isinstance(node.func, ast.Name) and node.func.id == "getattr" and len(node.args) > 1:
        name = node.args[1]
        if isinstance(name, ast.Constant) and isinstance(name.value, str):
            parts = iter([ast.Attribute(value=node.args[0], attr=name.value, ctx=ast.Load()), *node.args[2:]])
    for part in parts:
        _visit(part, scope)


def _global(node: ast.Global, scope: _Scope) -> None:
    scope.outer.update(node.names)


def _class(node: ast.ClassDef, scope: _Scope) -> None:
    """Visit a class. The names its body binds are attributes, which functions inside it do not see as bare names."""
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
    """Visit the body of a function. Its parameters and the names it assigns are local."""
    inner = _Scope()
    for part in body:
        _visit(part, inner)
    scope.take(inner, {parameter.arg for parameter in _parameters(arguments)} | (inner.bound - inner.outer))


def _around(parts: list[ast.expr], scope: _Scope) -> None:
    """Visit the expressions that are evaluated where a function is defined. Names they bind are rare and ignored."""
    outside = _Scope()
    for part in parts:
        _visit(part, outside)
    scope.take(outside, set())


def _outside(arguments: ast.arguments) -> list[ast.expr]:
    """Return the defaults and annotations of parameters, which are evaluated in the enclosing scope."""
    annotations = [parameter.annotation for parameter in _parameters(arguments)]
    return [part for part in (*arguments.defaults, *arguments.kw_defaults, *annotations) if part]


def _parameters(arguments: ast.arguments) -> list[ast.arg]:
    rest = [parameter for parameter in (arguments.vararg, arguments.kwarg) if parameter]
    return [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, *rest]


def _comprehension(node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp, scope: _Scope) -> None:
    """Visit a comprehension. Its variables are local; only the first iterable is evaluated in the enclosing scope."""
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
    ast.Constant: _constant,
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
"""Visitors for nodes that bind names or have a scope. Other nodes only pass on to their children."""
