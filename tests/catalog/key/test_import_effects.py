"""Which statements of a module can change something else when it is imported."""

from __future__ import annotations

import ast
import textwrap

import pytest

from kvmdocs.catalog.key.import_effects import effects

ACTING = {"fill", "put", "Registry"}
VALUES = {"TABLE", "TEXT"}


class Names:
    """Knows ACTING names, VALUES, and `Base` as a class with hooks; all others are of libraries."""

    def acts(self, chain):
        return chain[0] in ACTING or (chain[0] in VALUES and len(chain) > 1)

    def is_own(self, chain):
        return chain[0] in ACTING | VALUES | {"pure"}

    def is_value(self, chain):
        return chain[0] in VALUES

    def hooks(self, chain):
        return chain[0] == "Base"


def found(text: str) -> list[ast.stmt]:
    return list(effects(ast.parse(textwrap.dedent(text)).body, Names()))


@pytest.mark.parametrize(
    "statement",
    [
        "fill()",
        "logging.basicConfig()",
        "x = fill()",
        "x: int = fill()",
        "x = sorted(map(fill, []))",
        "x = pure()(1)",
        "x = TABLE()",
        "x = TABLE.setdefault('a', 1)",
        "TABLE['a'] = 1",
        "other.name = 1",
        "del other.name",
        "@put\ndef f(): ...",
        "@put.this('a')\ndef f(): ...",
        "@pure('a')\ndef f(): ...",
        "@atexit.register\ndef f(): ...",
        "def f(x=fill()): ...",
        "def f(*, x=fill()): ...",
        "@put\nclass A: ...",
        "class A(Base): ...",
        "class A(metaclass=Meta): ...",
        "class A:\n    x = Registry()",
        "class A:\n    @put\n    def f(self): ...",
        "if x:\n    fill()",
        "if x:\n    pass\nelse:\n    fill()",
        "if fill():\n    y = 1",
        "try:\n    import a\nexcept ImportError:\n    fill()",
        "for x in (1,):\n    fill()",
        "for x in fill():\n    y = x",
        "with fill() as x:\n    y = x",
        "while fill():\n    pass",
        "match x:\n    case 1:\n        fill()",
        "assert fill()",
    ],
)
def test_a_statement_that_can_change_something_counts(statement):
    assert len(found(statement)) == 1


@pytest.mark.parametrize(
    "statement",
    [
        '"""A docstring."""',
        "import a",
        "x = 1",
        "x = re.compile('a')",
        "x = tuple(TABLE)",
        "x = ', '.join(TEXT.split())",
        "x = pure()",
        "x = fill",
        "x += 1",
        "def f(x=TABLE): return fill()",
        "f = lambda: 1",
        "@functools.cache\ndef f(): fill()",
        "@library(TABLE)\ndef f(): ...",
        "class A:\n    x: int = 1\n    def f(self): fill()",
        "class A(Exception): ...",
        "if TYPE_CHECKING:\n    fill()",
        "if typing.TYPE_CHECKING:\n    fill()",
        'if __name__ == "__main__":\n    fill()',
        "try:\n    import a\nexcept ImportError:\n    a = None",
        "recipe.show()",
    ],
)
def test_a_statement_that_only_defines_does_not_count(statement):
    assert found(statement) == []
