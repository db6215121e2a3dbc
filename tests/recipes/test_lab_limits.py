"""Recipes that start machines: each declares time and memory limits for its machines, and waits for conditions only."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

from kvmdocs.core.model import Freshness, Step, Where
from kvmdocs.core.words import words
from kvmdocs.execution.project import Project
from kvmdocs.render import Language, stamp
from tests.support import ROOT

MACHINE = ("kvmdocs.lab.machine", "Machine")
MEBIBYTES = {"M": 1, "G": 1024}

SLEEPS = re.compile(r"\bu?sleep [\d.$]")
WAITS = re.compile(
    r"\b(?:until|while)\b(?:(?!\bdone\b).)*?\bdo\b(?:(?!\bdone\b).)*?\bu?sleep [\d.]+(?: \|\| return)?\s*[;\n]\s*done",
    re.DOTALL,
)
"""Matches a loop that sleeps between two checks of a condition."""
ALLOWED = {
    "sleep 600": "the process that a debugger is not allowed to attach to; it ends with the recipe",
    "sleep 100000": "the last thing a guest does; it ends with its machine",
}


def lab_recipes():
    """Return the project's recipes that reach a machine."""
    catalog = Project(ROOT).catalog
    entries = catalog.entries.values()
    return [
        entry.recipe for entry in entries if MACHINE in catalog.code.definitions(entry.module, entry.recipe.function.__name__)
    ]


@pytest.fixture(scope="module")
def recipes():
    return lab_recipes()


def declared(recipe) -> set[str]:
    """Return the arguments that a recipe's decorator names."""
    (function,) = ast.parse(inspect.getsource(recipe.function)).body
    assert isinstance(function, ast.FunctionDef)
    return {word.arg for one in function.decorator_list if isinstance(one, ast.Call) for word in one.keywords if word.arg}


def given(steps: list[Step]) -> list[int]:
    """Return the memory of each machine that was started on the host, in MiB."""
    typed = "\n".join(step.command for step in steps if step.where in (Where.HOST, Where.ROOT))
    return [int(number) * MEBIBYTES[unit] for number, unit in re.findall(r"\s-m (\d+)([MG])\b", typed)]


def unconditional(text: str) -> list[str]:
    """Return the lines of a command or script that sleep for a fixed time."""
    rest = WAITS.sub("", text)
    return [line for line in rest.splitlines() if SLEEPS.search(line) and line.strip() not in ALLOWED]


def test_there_are_recipes_of_the_lab(recipes):
    assert {"start_vm", "debug_kvm", "journey_run", "museum_modules", "load_in_distribution"} <= {one.name for one in recipes}


def test_each_says_how_long_it_may_take_and_how_much_memory(recipes):
    for recipe in recipes:
        assert {"timeout", "memory"} <= declared(recipe), recipe.name


def test_each_has_a_record_that_can_be_looked_at(recipes):
    approved = Project(ROOT).approved
    assert [recipe.name for recipe in recipes if approved.get(recipe.name) is None] == []


def texts(node: ast.AST) -> list[str]:
    """Return the texts in Python source, with X in place of each interpolation."""
    if isinstance(node, ast.JoinedStr):
        return ["".join(str(part.value) if isinstance(part, ast.Constant) else "X" for part in node.values)]
    own = [node.value] if isinstance(node, ast.Constant) and isinstance(node.value, str) else []
    return own + [text for child in ast.iter_child_nodes(node) for text in texts(child)]


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").rglob("*.py")), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_text_of_a_recipe_sleeps_for_a_fixed_time(path):
    """An approved record contains the commands of its time; this checks those of today."""
    assert [line for text in texts(ast.parse(path.read_text("utf-8"))) for line in unconditional(text)] == []


def test_the_machines_fit_into_what_the_recipe_may_use(recipes):
    approved = Project(ROOT).approved
    looked = 0
    for recipe in recipes:
        if record := approved.get(recipe.name):
            machines = given(list(record.steps))
            looked += len(machines)
            assert all(mebibytes << 20 < recipe.memory for mebibytes in machines), (recipe.name, machines)
    assert looked >= 20


def test_nothing_that_was_typed_sleeps_for_a_fixed_time(recipes):
    approved = Project(ROOT).approved
    waits = 0
    for recipe in recipes:
        record = approved.get(recipe.name)
        for step in record.steps if record else ():
            text = (step.stdin or "") if step.where is Where.FILE else step.command
            waits += len(WAITS.findall(text))
            assert not unconditional(text), (recipe.name, text)
    assert waits >= 10


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("sleep 5", ["sleep 5"]),
        ("inner & sleep 1; echo on", ["inner & sleep 1; echo on"]),
        ("until test -e /x; do sleep 0.1; done; sleep 2", ["; sleep 2"]),
        ("until test -e /x; do usleep 50000; done", []),
        ("while :; do\n    echo tick\n    sleep 0.2\ndone", []),
        ("sleep 100000", []),
    ],
)
def test_a_fixed_sleep_is_noticed(text, wrong):
    assert unconditional(text) == wrong


def test_python_of_the_lab_and_of_recipes_sleeps_only_between_two_looks():
    files = [*ROOT.glob("recipes/**/*.py"), *ROOT.glob("kvmdocs/lab/*.py")]
    found = 0
    for file in files:
        tree = ast.parse(file.read_text("utf-8"))
        looped = {id(inner) for loop in ast.walk(tree) if isinstance(loop, ast.While) for inner in ast.walk(loop)}
        for call in ast.walk(tree):
            if isinstance(call, ast.Call) and ast.unparse(call.func).rpartition(".")[2] == "sleep":
                found += 1
                assert id(call) in looped, f"{file}:{call.lineno}"
    assert found >= 2


EMULATED = re.compile(r"-accel tcg\b|--disable-kvm\b")


@pytest.mark.parametrize("language", Language)
def test_what_ran_under_emulation_says_so_on_every_page(language):
    approved = Project(ROOT).approved
    records = [record for name in approved.names() if (record := approved.get(name))]
    emulated = [
        record
        for record in records
        if record.emulated
        or any(EMULATED.search(step.command) for step in record.steps if step.where in (Where.HOST, Where.ROOT))
    ]
    assert {"trace_kvm", "record_exits", "journey", "with_virtme", "step_virtqueue_flush"} <= {one.recipe for one in emulated}
    for record in emulated:
        assert words(language).emulated in stamp(record, language, freshness=Freshness.RECORDED), record.recipe
    built = next(one for one in records if one.recipe == "linux_build")
    assert words(language).emulated not in stamp(built, language, freshness=Freshness.RECORDED)
