"""Top-level statements of a module that can change something else when the module is imported.

An import runs every statement of a module. Most only define a name of it, and count where that name is used. Others fill a
registry, replace a function of another module or set a variable of the process: they count for every recipe whose process
imports the module. Only text is read; nothing is imported or executed.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Protocol

from kvmdocs.catalog.key.free_names import Chain, children, free_names


class ModuleNames(Protocol):
    """Knowledge about the names of a module."""

    def acts(self, chain: Chain) -> bool:
        """Check whether a name with attributes may stand for code of the project that changes something when it is called."""

    def is_own(self, chain: Chain) -> bool:
        """Check whether a name may stand for a definition of the project."""

    def is_value(self, chain: Chain) -> bool:
        """Check whether a name may stand for a value of the project that some statement made."""

    def hooks(self, chain: Chain) -> bool:
        """Check whether a name may stand for a class of the project that runs code when a class is derived from it."""


_COMPOUND = (ast.If, ast.Try, ast.TryStar, ast.With, ast.AsyncWith, ast.For, ast.AsyncFor, ast.While, ast.Match)
_ASSIGNMENTS = (ast.Assign, ast.AnnAssign, ast.AugAssign)


def effects(body: list[ast.stmt], names: ModuleNames) -> Iterator[ast.stmt]:
    """Yield the statements of a module's or a class's body that can change something outside of their own names.

    Args:
        body: The statements.
        names: Knowledge about the names in them.
    """
    for statement in body:
        if _has_effect(statement, names):
            yield statement


def _has_effect(node: ast.stmt, names: ModuleNames) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass):
        return False
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        defaults = [*node.args.defaults, *(default for default in node.args.kw_defaults if default)]
        return _decorated(node, names) or _calls_project(defaults, names)
    if isinstance(node, ast.ClassDef):
        return (
            _decorated(node, names)
            or bool(node.keywords)
            or any(names.hooks(chain) for base in node.bases for chain in free_names(base))
            or any(effects(node.body, names))
        )
    if isinstance(node, _ASSIGNMENTS):
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        return not all(_is_plain(target) for target in targets) or (
            node.value is not None and _calls_project([node.value], names)
        )
    if isinstance(node, _COMPOUND):
        return not _never_runs(node) and (any(effects(_statements(node), names)) or _calls_project(_headers(node), names))
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant) and not _is_show(node.value)
    return True


def _decorated(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, names: ModuleNames) -> bool:
    """Check for a decorator that can do more than wrap: one of the project, or one that registers (`atexit.register`)."""
    chains = [chain for decorator in node.decorator_list for chain in free_names(decorator)]
    if any("register" in chain for chain in chains):
        return True
    # Python calls a decorator, so one with arguments is a call whose result is called.
    calls = [ast.Call(func=decorator, args=[], keywords=[]) for decorator in node.decorator_list]
    return any(map(names.is_own, chains)) and _calls_project(calls, names)


def _calls_project(nodes: Sequence[ast.expr], names: ModuleNames) -> bool:
    """Check for a call that may change something: of a function of the project, or with one as an argument."""
    return any(
        isinstance(part, ast.Call) and _acts(part, names)
        for node in nodes
        if any(map(names.is_own, free_names(node)))
        for part in ast.walk(node)
    )


def _acts(call: ast.Call, names: ModuleNames) -> bool:
    called = _called(call.func)
    # A value may be any function, and its methods may change it.
    if names.is_value(called) and called[-1] not in _READERS:
        return True
    # So may the result of a call.
    if isinstance(call.func, ast.Call) and names.is_own(called):
        return True
    return any(names.acts(chain) for chain in free_names(call) if chain[-1] not in _READERS or not names.is_value(chain))


_READERS = frozenset(
    {
        *(
            "values",
            "items",
            "keys",
            "get",
            "copy",
            "split",
            "splitlines",
            "partition",
            "rpartition",
            "strip",
            "join",
            "format",
        ),
        *("replace", "removeprefix", "removesuffix", "lower", "upper", "encode", "index", "count", "with_name", "joinpath"),
    }
)
"""Methods of values of Python's own types that change nothing."""


def _called(node: ast.expr) -> Chain:
    """Return the name with attributes at the beginning of what is called, without arguments: ``a.b`` for ``a.b(1)[2]``."""
    attributes: list[str] = []
    while isinstance(node, ast.Call | ast.Attribute | ast.Subscript):
        if isinstance(node, ast.Attribute):
            attributes.insert(0, node.attr)
            node = node.value
        else:
            node = node.func if isinstance(node, ast.Call) else node.value
    return (node.id, *attributes) if isinstance(node, ast.Name) else ("",)


def _is_plain(target: ast.expr) -> bool:
    """Check whether an assignment's target is a name of the module, or several."""
    if isinstance(target, ast.Tuple | ast.List):
        return all(_is_plain(item) for item in target.elts)
    return isinstance(target, ast.Name | ast.Starred)


def _never_runs(node: ast.stmt) -> bool:
    """Check for ``if TYPE_CHECKING:`` and ``if __name__ == "__main__":`` without an ``else``."""
    if not isinstance(node, ast.If) or node.orelse:
        return False
    names = {part.id for part in ast.walk(node.test) if isinstance(part, ast.Name)}
    attributes = {part.attr for part in ast.walk(node.test) if isinstance(part, ast.Attribute)}
    return bool({"TYPE_CHECKING", "__name__"} & (names | attributes))


def _statements(node: ast.stmt) -> list[ast.stmt]:
    """Return the statements directly inside a compound statement."""
    found: list[ast.stmt] = []
    for child in children(node):
        if isinstance(child, ast.stmt):
            found.append(child)
        elif isinstance(child, ast.ExceptHandler | ast.match_case):
            found += child.body
    return found


def _headers(node: ast.stmt) -> list[ast.expr]:
    """Return the expressions of a compound statement outside of its bodies."""
    found: list[ast.expr] = []
    for child in children(node):
        if isinstance(child, ast.expr):
            found.append(child)
        elif isinstance(child, ast.withitem):
            found.append(child.context_expr)
    return found


def _is_show(node: ast.expr) -> bool:
    """Check for ``recipe.show(…)``, which prints on a page and does not change what a recipe does."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "show"
