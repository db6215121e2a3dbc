"""Which definitions can change nothing but themselves."""

from __future__ import annotations

import ast
import textwrap

import pytest

from kvmdocs.catalog.key.plain_data import Kind, has_hooks, kind_of


def nodes(text: str) -> tuple[ast.AST, ...]:
    return tuple(ast.parse(textwrap.dedent(text)).body)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("x = (1, NAME)", Kind.VALUE),
        ("x = lambda: 1", Kind.OTHER),
        ("x = 1\nx.append(2)", Kind.OTHER),
        ("@dataclass(frozen=True)\nclass A:\n    x: int\n    @property\n    def y(self): ...", Kind.DATA),
        ("class A(StrEnum):\n    X = 'x'", Kind.DATA),
        ("class A:\n    def f(self): ...", Kind.CLASS),
        ("class A:\n    def __init__(self): ...", Kind.CONSTRUCTED),
        ("class A:\n    def __set_name__(self, *a): ...", Kind.CONSTRUCTED),
        ("class A(metaclass=M): ...", Kind.CONSTRUCTED),
        ("class A(Own): ...", Kind.CONSTRUCTED),
        ("@own\nclass A: ...", Kind.CONSTRUCTED),
        ("def f(x):\n    return sorted(x)", Kind.FUNCTION),
        ("def f(x):\n    y = [', '.join(z) for z in x]\n    return y", Kind.FUNCTION),
        ("def f(g):\n    @functools.wraps(g)\n    def h():\n        return g()\n    return h", Kind.FUNCTION),
        ("def f(x):\n    x.append(1)", Kind.OTHER),
        ("def f(x):\n    x[0] = 1", Kind.OTHER),
        ("def f(x):\n    x.y = 1", Kind.OTHER),
        ("def f():\n    global x\n    x = 1", Kind.OTHER),
        ("def f(x):\n    return x()", Kind.OTHER),
        ("def f():\n    def h(): fill()\n    return h()", Kind.OTHER),
        ("def f():\n    return setattr(a, 'b', 1)", Kind.OTHER),
        ("@own\ndef f(): ...", Kind.OTHER),
    ],
)
def test_the_kind_of_a_definition(text, kind):
    assert kind_of(nodes(text)) is kind


@pytest.mark.parametrize(
    ("text", "hooks"),
    [
        ("class A: ...", False),
        ("class A(B): ...", False),
        ("class A(metaclass=M): ...", True),
        ("class A:\n    def __init_subclass__(cls): ...", True),
        ("A = make()", True),
    ],
)
def test_a_class_that_acts_on_classes_derived_from_it(text, hooks):
    assert has_hooks(nodes(text)) is hooks
