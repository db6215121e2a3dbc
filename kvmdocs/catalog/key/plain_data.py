"""Definitions that change nothing but themselves when they are called or passed on: values, classes of data, pure functions.

The check is by syntax and errs on the side of change: what it does not know counts as code that acts.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from enum import StrEnum

from kvmdocs.catalog.key.free_names import children


class Kind(StrEnum):
    """Kind of a definition.

    Attributes:
        OTHER: It may change something.
        VALUE: A name that is assigned once. It is plain if all it refers to is.
        DATA: A class with fields and properties only.
        CLASS: A class that may have methods, but no constructor written by hand.
        CONSTRUCTED: Any other class.
        FUNCTION: A function that changes nothing by itself. It is plain if all it refers to is.
    """

    OTHER = ""
    VALUE = "value"
    DATA = "data"
    CLASS = "class"
    CONSTRUCTED = "constructed"
    FUNCTION = "function"


_CONSTRUCTORS = frozenset({"__init__", "__new__", "__post_init__", "__init_subclass__", "__set_name__", "__class_getitem__"})
_INERT_METHODS = frozenset({"__str__", "__repr__", "__eq__", "__hash__", "__lt__", "__len__", "__iter__", "__contains__"})
_BASES = frozenset(
    {
        *(
            "object",
            "Enum",
            "StrEnum",
            "IntEnum",
            "Flag",
            "IntFlag",
            "NamedTuple",
            "TypedDict",
            "Protocol",
            "Generic",
            "str",
            "int",
        ),
        *("Exception", "ValueError", "RuntimeError", "Struct"),
    }
)
_PURE = frozenset(
    {
        *(
            "abs",
            "all",
            "any",
            "bool",
            "bytes",
            "dict",
            "enumerate",
            "float",
            "format",
            "frozenset",
            "hash",
            "hex",
            "int",
            "isinstance",
        ),
        *("len", "list", "max", "min", "range", "repr", "reversed", "round", "set", "sorted", "str", "sum", "tuple", "zip"),
        *("functools.wraps", "functools.partial", "functools.cache", "functools.lru_cache", "wraps", "partial", "re.compile"),
        *("textwrap.dedent", "dedent", "shlex.quote", "shlex.join", "Path", "cast"),
    }
)
"""Builtins and functions of Python that change nothing."""


def kind_of(nodes: tuple[ast.AST, ...]) -> Kind:
    """Return the kind of a definition, given its statements."""
    if len(nodes) != 1:
        return Kind.OTHER
    node = nodes[0]
    if isinstance(node, ast.ClassDef):
        return _class_kind(node)
    if isinstance(node, ast.FunctionDef):
        return Kind.FUNCTION if _is_pure(node) else Kind.OTHER
    if isinstance(node, ast.Assign | ast.AnnAssign) and not any(isinstance(part, ast.Lambda) for part in ast.walk(node)):
        return Kind.VALUE
    return Kind.OTHER


def has_hooks(nodes: tuple[ast.AST, ...]) -> bool:
    """Check whether a class runs code of its own when another is derived from it. A name that is no class may stand for one."""
    if len(nodes) != 1 or not isinstance(nodes[0], ast.ClassDef):
        return True
    node = nodes[0]
    return bool(node.keywords) or any(isinstance(part, _FUNCTIONS) and part.name == "__init_subclass__" for part in node.body)


_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)


def _class_kind(node: ast.ClassDef) -> Kind:
    wraps = {_last_name(one.func if isinstance(one, ast.Call) else one) for one in node.decorator_list}
    methods = [part for part in node.body if isinstance(part, _FUNCTIONS)]
    if (
        node.keywords
        or not wraps <= {"dataclass", "unique", "total_ordering", "final"}
        or not {_last_name(base) for base in node.bases} <= _BASES
        or any(method.name in _CONSTRUCTORS for method in methods)
    ):
        return Kind.CONSTRUCTED
    inert = all(method.name in _INERT_METHODS or _is_property(method) for method in methods)
    return Kind.DATA if inert else Kind.CLASS


def _is_property(method: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return bool({"property", "cached_property"} & {_last_name(one) for one in method.decorator_list})


def _last_name(node: ast.expr) -> str:
    """Return the last part of a dotted name, or "" for another expression."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_pure(node: ast.FunctionDef) -> bool:
    """Check whether calling a function changes nothing, if all project definitions that it refers to are plain."""
    if node.decorator_list:
        return False
    inner = {part.name for part in ast.walk(node) if isinstance(part, _FUNCTIONS) and part is not node}
    return all(_is_harmless(part, inner) for part in _executed(node.body))


def _executed(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Yield the nodes that a call of a function executes: not the bodies of functions inside it."""
    todo: list[ast.AST] = list(body)
    while todo:
        node = todo.pop()
        if isinstance(node, _FUNCTIONS):
            todo.extend(node.decorator_list)
        elif not isinstance(node, ast.Lambda):
            yield node
            todo.extend(children(node))


def _is_harmless(node: ast.AST, inner: set[str]) -> bool:
    """Check one node of a function's body. `inner` are the functions defined in it, which may do anything when called."""
    if isinstance(node, ast.Global | ast.Nonlocal | ast.Delete | ast.ClassDef | ast.With | ast.Await):
        return False
    if isinstance(node, ast.Attribute | ast.Subscript):
        return isinstance(node.ctx, ast.Load)
    if isinstance(node, ast.Call):
        return _is_harmless_call(node.func, inner)
    return True


def _is_harmless_call(function: ast.expr, inner: set[str]) -> bool:
    if isinstance(function, ast.Call):  # a decorator with arguments, called with a function
        return _is_harmless_call(function.func, inner)
    if isinstance(function, ast.Name):
        # Another function may do anything.
        return function.id in _PURE and function.id not in inner
    if isinstance(function, ast.Attribute):
        is_text = isinstance(function.value, ast.Constant | ast.JoinedStr)
        return is_text or ast.unparse(function) in _PURE
    return False
