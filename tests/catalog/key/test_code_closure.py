"""Code that a recipe reaches: what counts, and what does not."""

from __future__ import annotations

import sys
import textwrap

import pytest

from kvmdocs.catalog.key.code_closure import CodeClosure
from kvmdocs.core.errors import CatalogError

# A recipe that reaches code in every way there is; each test edits one place of it.
TREE = {
    "__init__.py": """
        from .lift import hoisted
        from . import deep
        """,
    "all.py": '''
        """Recipes."""
        import functools
        from kvmdocs import Shell, recipe, setting
        from . import tools as kit
        from .tools import Plate as Dish, decorate
        from PACKAGE import hoisted
        from .stars import *
        import PACKAGE.deep.inner

        SIZE = 3
        ROUND, FLAT = 4, 5
        TABLE = {"a": 1}
        TABLE["b"] = 2
        FAST = False
        if FAST:
            LEVEL = 1
        else:
            LEVEL = 2
        try:
            from .quick import speed
        except ImportError:
            speed = None
        unused = 1

        def near(value=SIZE):
            """Say something."""
            return kit.helper(value)  # a remark

        def shadow():
            return 1

        def unreached():
            return 2

        @recipe(timeout="1m")
        @decorate
        def target(sh: Shell, shadow: str, *, width=ROUND):
            """The recipe."""
            from .late import postponed

            names = [entry for entry in ("a",)]
            near()
            entry()
            Dish().carry()
            hoisted()
            starred()
            postponed()
            speed()
            PACKAGE.deep.inner.bottom()
            return [shadow, names, TABLE, LEVEL]

        def entry():
            return 6
        ''',
    "tools.py": """
        from functools import wraps

        DEPTH = 1

        def helper(value):
            return below(value)

        def below(value):
            return value + DEPTH

        def decorate(function):
            @wraps(function)
            def inner(*args):
                return function(*args)

            return inner

        class Base:
            def weight(self):
                return 7

        class Plate(Base):
            def carry(self):
                return self.weight() + self.other()

            def other(self):
                return 8
        """,
    "lift.py": """
        def hoisted():
            return 9
        """,
    "stars.py": """
        def starred():
            return 10
        """,
    "late.py": """
        def postponed():
            return 11
        """,
    "quick.py": """
        def speed():
            return 12
        """,
    "deep/__init__.py": "",
    "deep/inner.py": """
        def bottom():
            return 13
        """,
}


@pytest.fixture
def tree(tmp_path, monkeypatch):
    """Gives the digest of the recipe in the tree, with edits: (file, old text, new text).

    The tree is made anew each time under one name, since the name is in the code itself.
    """
    monkeypatch.syspath_prepend(str(tmp_path))
    package = f"tree_{tmp_path.name}"

    def digested(*edits: tuple[str, str, str]) -> str:
        texts = dict(TREE)
        for file, old, new in edits:
            assert old in texts[file], f"{old!r} is not in {file}"
            texts[file] = texts[file].replace(old, new)
        for file, text in texts.items():
            path = tmp_path / package / file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text).replace("PACKAGE", package), "utf-8")
        return CodeClosure((package,)).digest(f"{package}.all", "target")

    yield digested
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(("all.py", "near()\n", "near(1)\n"), id="its own body"),
        pytest.param(("all.py", 'timeout="1m"', 'timeout="2m"'), id="its decorator's arguments"),
        pytest.param(("all.py", "shadow: str", "shadow: bytes"), id="an annotation"),
        pytest.param(("all.py", "SIZE = 3", "SIZE = 4"), id="a constant in a helper's default"),
        pytest.param(("all.py", "ROUND, FLAT = 4, 5", "ROUND, FLAT = 5, 5"), id="a constant in its own default"),
        pytest.param(("all.py", '{"a": 1}', '{"a": 2}'), id="a table"),
        pytest.param(("all.py", 'TABLE["b"] = 2', 'TABLE["b"] = 3'), id="an entry put into a table"),
        pytest.param(("all.py", "LEVEL = 1", "LEVEL = 0"), id="a constant under an if"),
        pytest.param(("all.py", "FAST = False", "FAST = True"), id="the condition of that if"),
        pytest.param(("all.py", "return 6", "return 0"), id="a function named like a comprehension's variable"),
        pytest.param(("tools.py", "return below(value)", "return below(value) + 1"), id="a helper in another module"),
        pytest.param(("tools.py", "return value + DEPTH", "return value - DEPTH"), id="a helper of a helper"),
        pytest.param(("tools.py", "DEPTH = 1", "DEPTH = 2"), id="a constant of a helper of a helper"),
        pytest.param(("tools.py", "return function(*args)", "return function()"), id="a decorator"),
        pytest.param(("tools.py", "return 8", "return 0"), id="a method"),
        pytest.param(("tools.py", "return 7", "return 0"), id="a method of a base class"),
        pytest.param(("lift.py", "return 9", "return 0"), id="what a package passes on"),
        pytest.param(("stars.py", "return 10", "return 0"), id="what a star imports"),
        pytest.param(("late.py", "return 11", "return 0"), id="what a function imports"),
        pytest.param(("quick.py", "return 12", "return 0"), id="what an import under try brings"),
        pytest.param(("deep/inner.py", "return 13", "return 0"), id="a submodule by its full name"),
    ],
)
def test_code_that_a_recipe_reaches_counts(tree, edit):
    assert tree(edit) != tree()


@pytest.mark.parametrize(
    "edit",
    [
        pytest.param(("all.py", "  # a remark", ""), id="a comment"),
        pytest.param(("all.py", '"""Say something."""', '"""Say it."""'), id="a helper's docstring"),
        pytest.param(("all.py", '"""The recipe."""', ""), id="its own docstring"),
        pytest.param(("all.py", '"""Recipes."""', '"""Other."""\n\n\n'), id="lines that move"),
        pytest.param(("all.py", "near()\n", "near(\n                )\n"), id="the layout of an expression"),
        pytest.param(("all.py", '("a",)', "('a',)"), id="the kind of quotes"),
        pytest.param(("all.py", "return 1\n", "return 5\n"), id="a function named like a parameter"),
        pytest.param(("all.py", "return 2\n", "return 3\n"), id="a function it does not reach"),
        pytest.param(("all.py", "unused = 1", "unused = 2"), id="a constant it does not reach"),
        pytest.param(("all.py", 'timeout="1m"', 'timeout="1m", stable=True'), id="what of it is judged"),
    ],
)
def test_what_cannot_change_a_record_does_not_count(tree, edit):
    assert tree(edit) == tree()


def test_a_package_that_passes_on_by_a_star_still_has_its_modules(tree):
    star = ("__init__.py", "from .lift import hoisted", "from .lift import *")
    take = ("all.py", "from . import tools as kit", "from PACKAGE import tools as kit")
    edit = ("tools.py", "DEPTH = 1", "DEPTH = 2")
    assert tree(star, take) != tree(star, take, edit)


def test_an_import_inside_a_function_of_a_package_is_relative_to_the_package(tree):
    lift = (
        "__init__.py",
        "from .lift import hoisted",
        "def hoisted():\n            from .lift import hoisted as inner\n            return inner()",
    )
    assert tree(lift) != tree(lift, ("lift.py", "return 9", "return 0"))


def test_functions_that_call_each_other_end_the_search(tree):
    circle = ("tools.py", "return value + DEPTH", "return helper(value)")
    assert tree(circle) != tree()


def test_where_a_helper_lies_does_not_count(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    body = "def helper():\n    return 1\n"
    for number, (name, lines) in enumerate({"one": 0, "two": 40}.items()):
        package = tmp_path / f"moved{number}"
        package.mkdir()
        (package / "__init__.py").write_text("")
        (package / f"{name}.py").write_text("\n" * lines + body)
        (package / "all.py").write_text(f"from .{name} import helper\ndef target(sh):\n    return helper()\n")
    first = CodeClosure(("moved0",)).digest("moved0.all", "target")
    monkeypatch.chdir(tmp_path / "moved1")
    assert CodeClosure(("moved1",)).digest("moved1.all", "target") == first


def test_a_block_reaches_the_code_it_imports(tree, tmp_path):
    tree()
    name = f"tree_{tmp_path.name}"
    block = f"from {name}.tools import helper\n\ndef inline(sh):\n    return helper(1)\n"
    code = CodeClosure((name,), blocks={"docs/a.md:3": block})
    assert set(code.definitions("docs/a.md:3", "inline")) == {
        ("docs/a.md:3", "inline"),
        (f"{name}.tools", "helper"),
        (f"{name}.tools", "below"),
        (f"{name}.tools", "DEPTH"),
    }


def test_source_that_is_not_there_is_an_error():
    with pytest.raises(CatalogError, match="no_such_module_at_all"):
        CodeClosure(("x",)).digest("no_such_module_at_all", "target")


def test_the_lab_of_the_engine_counts_like_the_projects_code():
    block = "from kvmdocs.lab import Machine\nimport os\n\ndef inline(sh):\n    os.getpid()\n    return Machine(sh)\n"
    found = CodeClosure(("x",), blocks={"a.md:1": block}).definitions("a.md:1", "inline")
    assert ("kvmdocs.lab.machine", "Machine") in found
    assert not any(module == "os" for module, _ in found)


def test_the_digest_of_a_function_is_what_it_was():
    # The same for the code: a new version of Python, or a change of `canonical`, must not make stores stale unseen.
    block = textwrap.dedent('''
        BASE = {"a": [1, 2.5, None, True], "b": (..., b"x")}

        class Tool:
            """Doc."""

            kind: str = "x"

            def use(self, *names, key=lambda item: item, **rest):
                with open(names[0]) as file, self:
                    return f"{file!r:>{len(names)}} {key(rest)}" if names[1:] else None

        async def inline(sh, /, value: int = 3) -> None:
            """Doc."""
            try:
                async for item in Tool().use(*BASE, **BASE):
                    yield {name: item for name in BASE if name not in "xyz"}
            except (OSError, ValueError) as error:
                raise RuntimeError from error
            match value:
                case [1, *others] | {"a": others}:
                    del others
                case _:
                    value @= -1
        ''')
    assert CodeClosure(("x",), blocks={"a.md:1": block}).digest("a.md:1", "inline") == (
        "7b80dbfc654d580bd0663b28d0edf3629249b0b4346f41e942107e036b254a81"
    )


def test_two_modules_that_swap_what_they_call_by_one_name_are_told_apart(tmp_path, monkeypatch):
    package = tmp_path / "swapped"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "top.py").write_text("from swapped import a, b\ndef go():\n    return a.V - b.V\n")
    monkeypatch.syspath_prepend(str(tmp_path))

    def digest(one, other):
        (package / "a.py").write_text(f"V = {one}\n")
        (package / "b.py").write_text(f"V = {other}\n")
        return CodeClosure(packages=("swapped",)).digest("swapped.top", "go")

    assert digest(1, 2) != digest(2, 1)
    assert digest(1, 2) == digest(1, 2)


DYNAMIC = {
    "a name in a getattr": ('getattr(tools, "helper")()', {"helper"}),
    "a name in a getattr of a package": ('getattr(PACKAGE.tools, "helper", None)', {"helper"}),
    "a default in a getattr": ('getattr(sh, "x", tools.other)', {"other"}),
    "a name in a variable": ("getattr(tools, shown)()", {"helper", "other", "TABLE"}),
    "a module handed on": ("run(tools)", {"helper", "other", "TABLE"}),
    "all of a module's names": ("vars(tools)", {"helper", "other", "TABLE"}),
    "its own module's names": ('globals()["run"](2)', {"run", "spare"}),
    "an attribute of a parameter": ('getattr(sh, "helper")', set()),
    "one name and no other": ("tools.other()", {"other"}),
}


@pytest.mark.parametrize("name", DYNAMIC)
def test_names_that_are_used_as_values_are_followed(tmp_path, monkeypatch, name):
    expression, reached = DYNAMIC[name]
    package = f"dynamic_{tmp_path.name}"
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("")
    (tmp_path / package / "tools.py").write_text("TABLE = {}\ndef helper(): ...\ndef other(): ...\n")
    (tmp_path / package / "all.py").write_text(
        f"import {package}.tools\nfrom . import tools\ndef run(value): ...\ndef spare(): ...\n"
        f"def target(sh, shown):\n    return {expression.replace('PACKAGE', package)}\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    found = {place[1] for place in CodeClosure((package,)).definitions(f"{package}.all", "target")}
    assert found - {"target", "run"} == reached - {"run"}
    assert ("run" in found) == ("run" in expression)
