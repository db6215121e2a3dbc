"""Global names that code uses, and the canonical form of code."""

import ast
import json
from pathlib import Path

import pytest

import kvmdocs
from kvmdocs.catalog.key.free_names import children, free_names
from kvmdocs.catalog.key.module_ast import canonical

USES = {
    "a name with its attributes": ("a.b.c(d)", ["a.b.c", "d"]),
    "what a call gives": ("a().b.c", ["a"]),
    "a name got by its text": ("getattr(a.b, 'c', d)", ["a.b.c", "d"]),
    "a name got by a variable": ("getattr(a, b)", ["getattr", "a", "b"]),
    "a parameter": ("def f(a, /, b, *c, d, **e): return a, b, c, d, e, g", ["g"]),
    "defaults and annotations": ("def f(a: b = a, *, c: d = c) -> e: pass", ["a", "c", "b", "d", "e"]),
    "a decorator named like a local": ("@a.b\ndef f():\n    a = 1", ["a.b"]),
    "a local, also above where it is set": ("def f():\n    a.b()\n    a = c", ["c"]),
    "a function and a class inside": ("def f():\n    def a(): return b\n    class c(d): pass\n    a(), c()", ["b", "d"]),
    "a local of the function around": ("def f():\n    a = 1\n    def g(): return a, b", ["b"]),
    "a local of the function inside": ("def f():\n    def g():\n        a = 1\n    a", ["a"]),
    "a name said to be global": ("def f():\n    global a\n    a = 1", ["a"]),
    "one that is both": ("def f():\n    if b:\n        global a\n    a.c()\n    a = 1", ["b", "a.c", "a"]),
    "one said to be global inside": ("def f():\n    a = 1\n    def g():\n        global a\n        a.b()", ["a", "a.b"]),
    "an attribute of a class": ("class f:\n    a = b\n    def g(self): return a", ["a", "b", "a"]),
    "a lambda": ("f(lambda a=b: a + c)", ["f", "c", "b"]),
    "a comprehension": ("[a.b for a in a for c in a.d if e]", ["a", "e"]),
    "one of pairs": ("{a: b for a, b in c}", ["c"]),
}


@pytest.mark.parametrize("case", USES)
def test_the_global_names_that_code_uses(case):
    code, used = USES[case]
    assert [".".join(chain) for chain in free_names(ast.parse(code))] == used


def _trees() -> list[ast.Module]:
    return [ast.parse(path.read_text("utf-8")) for path in Path(kvmdocs.__file__).parent.rglob("*.py")]


def test_children_are_those_that_python_says():
    assert all(list(children(node)) == list(ast.iter_child_nodes(node)) for tree in _trees() for node in ast.walk(tree))


def _in_lists(node):
    """The canonical form, the long way: what it is written as piece by piece."""
    if isinstance(node, list):
        return [_in_lists(part) for part in node]
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = {name: value for name, value in ast.iter_fields(node) if name not in {"type_comment", "kind", "ctx"}}
    if isinstance(fields.get("body"), list) and isinstance(fields["body"][0], ast.Expr):
        said = fields["body"][0].value
        if isinstance(said, ast.Constant) and isinstance(said.value, str):
            fields["body"] = fields["body"][1:]
    return [type(node).__name__, *([name, _in_lists(value)] for name, value in fields.items() if value not in (None, []))]


def test_the_canonical_form_is_the_tree_as_json():
    for tree in _trees():
        assert json.loads(canonical(tree)) == _in_lists(tree)
        assert canonical(tree) == json.dumps(_in_lists(tree))
