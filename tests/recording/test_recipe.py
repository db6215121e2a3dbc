"""The decorator: its reading of a signature and of its arguments."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Optional

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs import recipe, setting
from kvmdocs.core.errors import CatalogError
from kvmdocs.recording.recipe import CPUS_ALL, ShowOptions, presenter, presenting
from kvmdocs.recording.signature import Input, parse_size, parse_time


def test_a_signature_is_a_place_in_the_graph():
    @recipe()
    def made(
        sh,
        source: Path,
        maybe: str | None,
        older: Optional[str],  # noqa: UP045  # authors write it too
        nonesuch: NoneSuch,  # noqa: F821  # its name holds "None" and does not mean it
        *,
        keyword: int,
        word: str = setting("trial.word"),
    ) -> None:
        """Make it.

        And more.
        """

    assert made.name == "made"
    assert made.title == "Make it."
    assert made.inputs == (
        Input("source", False),
        Input("maybe", True),
        Input("older", True),
        Input("nonesuch", False),
        Input("keyword", False),
    )
    assert made.settings == {"word": "trial.word"}
    assert (made.place.path.endswith("test_recipe.py"), made.place.line) == (True, inspect.getsourcelines(made.function)[1])


def test_what_is_declared_is_parsed():
    @recipe(tools=["gcc"], cpus="all", memory="2G", disk="1.5M", timeout="2h", expects="90s", resources=("serial",))
    def made(sh):
        pass

    assert (made.tools, made.cpus, made.memory, made.disk) == (("gcc",), CPUS_ALL, 2 << 30, 3 << 19)
    assert (made.timeout, made.expects, made.resources) == (7200.0, 90.0, ("serial",))
    assert made.title == "made"


def no_shell():
    def made():
        pass

    return made


def other_first():
    def made(shell, sh):
        pass

    return made


def plain_default():
    def made(sh, word="x"):
        pass

    return made


def variable():
    def made(sh, *others):
        pass

    return made


def keywords():
    def made(sh, **others):
        pass

    return made


@pytest.mark.parametrize("function", [no_shell, other_first, plain_default, variable, keywords])
def test_a_signature_that_says_nothing_of_use_is_refused_with_its_place(function):
    with pytest.raises(CatalogError, match="recipe made") as raised:
        recipe()(function())
    place = raised.value.evidence.place
    assert place.path.endswith("test_recipe.py")
    assert place.line > 1


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("7", 7), ("1K", 1024), ("1.5 M", 3 << 19), ("2GiB", 2 << 31 >> 1), (5, 5)]
)
def test_sizes(text, size):
    assert parse_size(text) == size


@pytest.mark.parametrize(("text", "seconds"), [("90", 90), ("90s", 90), ("1.5m", 90), ("2 h", 7200), (3, 3), (0.5, 0.5)])
def test_times(text, seconds):
    assert parse_time(text) == seconds


@given(st.text(max_size=8))
def test_anything_else_is_refused_in_the_projects_words(text):
    for parse in (parse_size, parse_time):
        try:
            assert parse(text) >= 0
        except CatalogError as error:
            assert "write for instance" in error.message  # noqa: PT017  # most texts are refused, a few are not


@pytest.mark.parametrize(
    "arguments",
    [{"memory": "much"}, {"timeout": "soon"}, {"disk": "1X"}, {"cpus": "many"}, {"tools": "gcc"}, {"needs": "ptrace"}],
    ids=str,
)
def test_arguments_that_cannot_be_are_refused(arguments):
    with pytest.raises(CatalogError):

        @recipe(**arguments)
        def made(sh):
            pass


@pytest.mark.process
def test_the_decorator_wants_its_brackets(trial):
    made = trial().recipes("@recipe\ndef one(sh: Shell) -> None:\n    sh.true()\n")
    done = made.command("kvmdocs.cli", "list")
    assert done.returncode == 2
    assert "next     write @recipe(), with its brackets" in done.stderr


TWICE = """
@recipe()
def one(sh: Shell) -> None:
    sh.true()

@recipe()
def one(sh: Shell) -> None:
    sh.false()
"""


@pytest.mark.process
def test_a_recipe_that_is_defined_twice_in_a_file_is_named_with_both_lines(trial):
    made = trial().recipes(TWICE)
    done = made.command("kvmdocs.cli", "list")
    first = (made.root / made.package / "all.py").read_text().splitlines().index("@recipe()") + 1
    assert done.returncode == 2
    assert "recipe one is defined twice" in done.stderr
    assert f"recipe   one ({made.package}/all.py:{first + 4})" in done.stderr
    assert f"give one of them another name; the first is in line {first}" in done.stderr
    made.recipes("")
    block = made.block("page.md", f"from kvmdocs import Shell, recipe\n{TWICE}")
    done = made.command("kvmdocs.cli", "list")
    assert done.returncode == 2
    assert "docs/page.md:" in done.stderr, (block, done.stderr)


class Noting:
    def __init__(self):
        self.shown = []

    def show(self, shown, options, emit):
        self.shown.append((shown.name, options))
        emit(f"shown {shown.name}")


def test_show_prints_through_the_print_of_its_caller():
    @recipe()
    def made(sh):
        pass

    noting = Noting()
    page = []
    names = {"made": made, "print": page.append}
    with presenting(noting):
        exec("made.show('build', notes={'a': 'b'}, title='T', fold=3, highlight='x')", names)
    assert page == ["shown made"]
    assert noting.shown == [("made", ShowOptions("build", {"a": "b"}, "T", 3, "x"))]


def test_the_innermost_presenter_is_in_force():
    outer, inner = Noting(), Noting()
    with presenting(outer):
        with presenting(inner):
            assert presenter() is inner
        assert presenter() is outer


def test_a_recipe_is_still_its_function():
    @recipe()
    def made(sh, word):
        return f"{sh} {word}"

    assert made("shell", word="x") == "shell x"
