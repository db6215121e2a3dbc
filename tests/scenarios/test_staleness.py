"""Which recipes become stale when one thing changes: each ingredient of a key alone, and what is none."""

from __future__ import annotations

import os
import shutil
import sys

import pytest

from kvmdocs.core.model import Freshness
from kvmdocs.execution.explain import explain
from kvmdocs.host import facts

FILES = {
    "all.py": '''
        from __future__ import annotations
        from pathlib import Path
        from kvmdocs import Shell, recipe, setting
        from . import tools

        WORD = "hello"

        def near(value=WORD):
            """Say."""
            return tools.helper(value)  # a remark

        @recipe()
        def bottom(sh: Shell) -> str:
            """The first one."""
            return sh.line("echo ran >> ../../../../count; echo same").strip()

        @recipe()
        def coded(sh: Shell, bottom: str) -> str:
            """A recipe that reaches code."""
            return near() + tools.Plate().carry()

        @recipe()
        @tools.decorate
        def decorated(sh: Shell) -> None: ...

        @recipe(data=("boot.S", "trees"))
        def fed(sh: Shell) -> str:
            return Path(__file__).with_name("boot.S").read_text()

        @recipe()
        def sized(sh: Shell, size: str = setting("trial.size")) -> str:
            return size

        @recipe(tools=("thing",))
        def tooled(sh: Shell) -> None: ...

        @recipe(facts=("kernel",))
        def hosted(sh: Shell) -> None: ...

        @recipe(environ=("CFLAGS",))
        def flagged(sh: Shell) -> None: ...

        @recipe()
        def top(sh: Shell, coded: str, sized: str) -> None: ...
        ''',
    "tools.py": """
        import functools

        def helper(value):
            return below(value)

        def below(value):
            return value + "!"

        def decorate(function):
            @functools.wraps(function)
            def inner(*args):
                return function(*args)
            return inner

        class Base:
            def weight(self):
                return "7"

        class Plate(Base):
            def carry(self):
                return self.weight()
        """,
    "boot.S": "nop\n",
    "trees/one/leaf": "green\n",
}

ALL = {"bottom", "coded", "decorated", "fed", "sized", "tooled", "hosted", "flagged", "top"}


class Tree:
    """A project whose recipes have one ingredient each, and what may be done to it."""

    def __init__(self, trial, monkeypatch, tmp_path):
        trial.package = "kitchen"  # the same in every test, so that the names of helpers are
        self.trial = trial
        self.monkeypatch = monkeypatch
        self.folder = trial.root / trial.package
        self.bin = tmp_path / "bin"
        self.bin.mkdir()
        self.install("1.0")
        monkeypatch.setenv("PATH", f"{self.bin}{os.pathsep}{os.environ['PATH']}")
        (trial.root / "packages.toml").write_text('[thing]\ncommand = "thing"\nuse = "a trial"\n')
        (trial.root / "kvmdocs.toml").write_text(
            f'[project]\nrecipes = "{trial.package}"\npackages = "packages.toml"\n'
            f'[store]\npath = "{trial.root}/store"\n[trial]\nsize = "1M"\n'
        )
        trial.recipes("")
        for name, text in FILES.items():
            path = self.folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("\n".join(line[8:] if line.startswith(" " * 8) else line for line in text.split("\n")))

    def install(self, version):
        path = self.bin / "thing"
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\necho thing {version}\n")
        path.chmod(0o755)

    def edit(self, file, old, new):
        path = self.folder / file
        text = path.read_text()
        assert old in text
        path.write_text(text.replace(old, new))

    def ran(self):
        """The recipes that a run of all runs."""
        return set(self.trial.run(*sorted(ALL)).names(freshness=Freshness.RAN))

    def why(self, *names):
        project = self.trial.project()
        return explain(project, names or sorted(ALL))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    """A store in which all of them have run once; what a key is made of does not name the project's folder."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture
def tree(trial, monkeypatch, tmp_path, store):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv("CFLAGS", raising=False)
    made = Tree(trial(), monkeypatch, tmp_path)
    if not any(store.iterdir()):
        assert made.ran() == ALL
        shutil.copytree(made.trial.root / "store", store, dirs_exist_ok=True)
    else:
        shutil.copytree(store, made.trial.root / "store")
    return made


COUNTS = {
    "its own body": (
        lambda tree: tree.edit("all.py", "return near()", "return '' + near()"),
        {"coded"},
        {"coded": ["its own code changed"]},
    ),
    "a helper two calls away": (
        lambda tree: tree.edit("tools.py", 'value + "!"', 'value + "!" + ""'),
        {"coded"},
        {"coded": ["helper PACKAGE.tools.below changed"]},
    ),
    "a method of a base class": (
        lambda tree: tree.edit("tools.py", 'return "7"', 'return "8"'),
        {"coded", "top"},
        {"coded": ["helper PACKAGE.tools.Base changed"]},
    ),
    "a decorator": (
        lambda tree: tree.edit("tools.py", "return function(*args)", "return (function)(*args, **{})"),
        {"decorated"},
        {"decorated": ["helper PACKAGE.tools.decorate changed"]},
    ),
    "a default argument": (
        lambda tree: tree.edit("all.py", "value=WORD", 'value="hallo"'),
        {"coded", "top"},
        {"coded": ["helper PACKAGE.all.near changed", "helper PACKAGE.all.WORD is no longer used"]},
    ),
    "a module's constant": (
        lambda tree: tree.edit("all.py", 'WORD = "hello"', 'WORD = "hallo"'),
        {"coded", "top"},
        {"coded": ["helper PACKAGE.all.WORD changed"]},
    ),
    "a data file": (
        lambda tree: tree.edit("boot.S", "nop", "hlt"),
        {"fed"},
        {"fed": ["data file boot.S changed"]},
    ),
    "a file in a data folder": (
        lambda tree: tree.edit("trees/one/leaf", "green", "brown"),
        {"fed"},
        {"fed": ["data file trees changed"]},
    ),
    "a setting": (
        lambda tree: tree.monkeypatch.setenv("KVMDOCS_TRIAL_SIZE", "2M"),
        {"sized", "top"},
        {"sized": ["setting trial.size 1M → 2M"]},
    ),
    "a tool's version": (
        lambda tree: tree.install("2.0"),
        {"tooled"},
        {"tooled": ["thing thing 1.0 → thing 2.0"]},
    ),
    "a fact of the host": (
        lambda tree: tree.monkeypatch.setitem(facts.FACTS, "kernel", lambda: "99.1"),
        {"hosted"},
        {"hosted": [f"this host's kernel {facts.FACTS['kernel']()} → 99.1"]},
    ),
    "a declared variable": (
        lambda tree: tree.monkeypatch.setenv("CFLAGS", "-O2"),
        {"flagged"},
        {"flagged": ["environment variable CFLAGS (not set) → -O2"]},
    ),
    "an upstream result": (
        lambda tree: tree.edit("all.py", "echo same", "echo other"),
        {"bottom", "coded"},
        {
            "bottom": ["its own code changed"],
            "coded": ["bottom, which it builds on, is stale (if that gives the same again, this one stays)"],
        },
    ),
    "an upstream that gives the same again": (
        lambda tree: tree.edit("all.py", "echo same", "printf 'same\\\\n'"),
        {"bottom"},
        {"bottom": ["its own code changed"]},
    ),
}


@pytest.mark.parametrize("name", COUNTS)
def test_each_ingredient_alone_makes_exactly_the_right_recipes_stale(tree, name):
    change, stale, reasons = COUNTS[name]
    change(tree)
    told = tree.why()
    package = tree.trial.package
    for recipe, wanted in reasons.items():
        assert list(told[recipe].reasons) == [reason.replace("PACKAGE", package) for reason in wanted]
    assert {answer.recipe for answer in told.values() if answer.state == "stale"} >= stale
    assert tree.ran() == stale
    assert tree.ran() == set()


def move_helper(tree):
    (tree.folder / "deep").mkdir()
    (tree.folder / "deep" / "__init__.py").write_text("")
    (tree.folder / "tools.py").rename(tree.folder / "deep" / "kit.py")
    tree.edit("all.py", "from . import tools", "from .deep import kit as tools")


def move_project(tree):
    """The same project in another folder, with the same store."""
    root = tree.trial.root.with_name("elsewhere")
    shutil.copytree(tree.trial.root, root, ignore=shutil.ignore_patterns("store"))
    tree.trial.root = root


NO_MATTER = {
    "a comment": lambda tree: tree.edit("all.py", "  # a remark", ""),
    "a docstring": lambda tree: tree.edit("all.py", '"""Say."""', '"""Tell."""'),
    "the order of definitions": lambda tree: tree.edit("tools.py", "import functools\n", "import functools\n\nOTHER = 1\n"),
    "what of it is judged": lambda tree: tree.edit("all.py", "@recipe()", "@recipe(stable=True)"),
    "prose": lambda tree: tree.trial.guide("index.md", "# Another home\n"),
    "a helper's module": move_helper,
    "the project's folder": move_project,
    "the working directory": lambda tree: tree.monkeypatch.chdir("/"),
    "the user": lambda tree: [tree.monkeypatch.setenv(name, "somebody") for name in ("USER", "LOGNAME", "HOME")],
    "the time zone": lambda tree: tree.monkeypatch.setenv("TZ", "Asia/Shanghai"),
    "the locale": lambda tree: [tree.monkeypatch.setenv(name, "zh_CN.UTF-8") for name in ("LANG", "LC_ALL")],
    "a variable that is not declared": lambda tree: tree.monkeypatch.setenv("LDFLAGS", "-s"),
    "a setting that nobody takes": lambda tree: tree.monkeypatch.setenv("KVMDOCS_LIMITS_CPUS", "1"),
}


@pytest.mark.parametrize("name", NO_MATTER)
def test_what_cannot_change_a_record_makes_nothing_stale(tree, name):
    NO_MATTER[name](tree)
    assert {answer.state for answer in tree.why().values()} == {"current"}
    assert tree.ran() == set()


def test_data_that_is_not_there_is_told_with_its_recipe(tree):
    (tree.folder / "boot.S").unlink()
    record = tree.trial.run("fed").records["fed"]
    assert record.failure.error == "CatalogError"
    assert "boot.S" in record.failure.message
    assert record.failure.path.endswith("all.py")


def test_why_of_what_never_ran_failed_or_is_gone(trial, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = trial().recipes("""
        @recipe()
        def kept(sh: Shell) -> Path:
            sh.line("echo one > file")
            return sh.workspace / "file"

        @recipe()
        def broken(sh: Shell) -> None:
            sh.line("exit 3")

        @recipe(tools=("no-such-tool",))
        def wanting(sh: Shell) -> None: ...

        @recipe(needs=("setting:lab.folder=nowhere",))
        def unable(sh: Shell) -> None: ...
        """)

    def why(name):
        project = made.project()
        (reason,) = explain(project, [name])[name].reasons or ("",)
        return reason

    assert why("kept") == "it never ran here"
    made.run("kept", "broken")
    assert why("kept") == ""
    assert why("broken").startswith("it has never passed here; it failed at 20")
    next((made.root / "store/v1/work").glob("kept-*/file")).unlink()
    assert why("kept") == "what it left behind is gone from the store"


def test_a_record_from_before_ingredients_were_kept_still_says_what_it_can(tree):
    shutil.rmtree(tree.trial.root / "store/v1/keys")
    assert tree.ran() == set()
    tree.monkeypatch.setenv("KVMDOCS_TRIAL_SIZE", "2M")
    reasons = tree.why("sized")["sized"].reasons
    assert "setting trial.size 1M → 2M" in reasons
    assert "before the store kept" in reasons[0]
