"""Structure of the project: rooms, size of modules, docstrings, class names, a test beside each module. Part of `make lint`."""

from __future__ import annotations

import ast
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import ROOT

ENGINE = ROOT / "kvmdocs"
MODULES = sorted(path for path in ENGINE.rglob("*.py") if path.name not in ("__init__.py", "__main__.py"))
SOURCES = sorted(path for folder in ("kvmdocs", "recipes", "scripts", "benchmarks") for path in (ROOT / folder).rglob("*.py"))

COLUMNS: int = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["ruff"]["line-length"]
"""Width of a line."""

MOST_LINES = 300
"""Lines of a module that can be read in one sitting."""

LONG = {
    "kvmdocs/core/model.py": "the one vocabulary of values that cross every boundary, most of it lists of attributes",
    "kvmdocs/core/words.py": "two tables of words",
    "kvmdocs/lab/machine.py": "its code is in the keys of recipes; it is split when the lab changes next",
    "kvmdocs/recording/shell.py": "one class, whose commands share the current step",
    "kvmdocs/site/status/words.py": "two tables of words",
}
"""Modules that are longer, each with the reason."""

QUESTIONS = re.compile(r"(What|How|Whether|Where|Why|Who|Which|Whence|That)\b")
"""Beginnings of a docstring that is neither an instruction nor a name."""

TESTED_WITH_OTHERS = {
    "tests/catalog/key/test_free_names.py": "catalog/key/module_ast",
    "tests/catalog/test_catalog.py": "catalog/entries",
    "tests/cli/test_documents.py": "core/json_document",
    "tests/cli/test_main.py": "cli/common cli/projects cli/running cli/status core/exit_codes core/terminal",
    "tests/cli/test_scaffold.py": "cli/authoring cli/navigation",
    "tests/content/test_public.py": "site/blocks",
    "tests/core/secrets/test_masking.py": "core/secrets/forms",
    "tests/core/test_paths.py": "core/bash_quotes",
    "tests/core/test_settings.py": "core/default_settings",
    "tests/execution/test_executor.py": "execution/plan execution/project execution/run_result execution/recipe_values",
    "tests/figures/test_figures.py": (
        "figures/bars figures/boxes figures/canvas figures/composition figures/fence figures/figure figures/flow "
        "figures/layered figures/measure figures/sequence figures/sequence_model figures/sequence_svg figures/timeline "
        "figures/tree"
    ),
    "tests/host/test_packages.py": "host/tools",
    "tests/host/test_probes.py": "host/command host/facts execution/doctor",
    "tests/lab/test_machine.py": "lab/firmware lab/options lab/probe lab/qmp lab/waiting",
    "tests/pytest_plugin/test_plugin.py": "pytest_plugin/items pytest_plugin/session pytest_plugin/xdist",
    "tests/recording/test_recipe.py": "recording/signature",
    "tests/recording/test_shell.py": "recording/arguments recording/background_process",
    "tests/recording/test_values.py": "recording/digests recording/value_form",
    "tests/render/test_page.py": (
        "render/anchors render/banner render/icons render/notes render/output render/stamp render/steps core/model"
    ),
    "tests/scenarios/test_bad_input.py": "core/errors site/plugin/warnings",
    "tests/scenarios/test_faults.py": "execution/worker/fork_server execution/worker/fork_server_client",
    "tests/scenarios/test_keep_going.py": "render/failure site/status/built",
    "tests/scenarios/test_safe_site.py": "site/build site/layout",
    "tests/scenarios/test_secrets.py": "core/secrets/environment",
    "tests/scenarios/test_staleness.py": "execution/explain",
    "tests/scenarios/test_untrusted_records.py": "store/approved_form",
    "tests/scenarios/test_worker_faults.py": (
        "execution/worker/handle execution/worker/limits execution/worker/main execution/worker/protocol "
        "execution/worker/supervisor"
    ),
    "tests/script/test_assemble.py": "script/approval script/runtime_ids script/sessions script/writer",
    "tests/site/pdf/test_printing.py": "site/pdf/chromium site/pdf/cover site/pdf/join",
    "tests/site/plugin/test_plugin.py": (
        "site/plugin/build_state site/plugin/log_links site/plugin/records site/plugin/script_links site/rendered"
    ),
    "tests/site/plugin/test_status_pages.py": "site/plugin/under_title",
    "tests/site/serve/test_view.py": "site/serve/runner",
    "tests/site/status/test_collect.py": "site/status/comparing site/status/data store/derived",
    "tests/site/status/test_page.py": "site/status/rows site/status/words",
    "tests/site/test_publishing.py": "site/versions",
    "tests/store/test_store.py": "store/files",
}
"""Modules without a test file of their own: they are parts of one thing, and the test of that thing tests them."""


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_the_package_holds_rooms_alone() -> None:
    assert [path.name for path in ENGINE.glob("*.py")] == ["__init__.py"]


def test_every_room_has_its_layer() -> None:
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["importlinter"]["contracts"][0]
    assert len(contract["layers"]) <= 9
    layers = {room for layer in contract["layers"] for room in layer.split(" | ")}
    assert layers == {path.parent.name for path in ENGINE.glob("*/__init__.py")}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_is_read_in_one_sitting(path: Path) -> None:
    lines = len(path.read_text("utf-8").splitlines())
    assert (lines > MOST_LINES) == (name(path) in LONG), f"{name(path)} has {lines} lines"


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_no_line_is_wider_than_the_project_allows(path: Path) -> None:
    """ruff leaves out a line without blanks, such as a pattern."""
    wide = [number for number, line in enumerate(path.read_text("utf-8").splitlines(), 1) if len(line) > COLUMNS]
    assert wide == []


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Each docstring, those of constants too, with its line."""
    for node in ast.walk(tree):
        for statement in getattr(node, "body", ()) if not isinstance(node, ast.Lambda | ast.IfExp) else ():
            if (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
            ):
                yield statement.lineno, statement.value.value


@pytest.mark.parametrize("path", SOURCES, ids=name)
def test_a_docstring_begins_with_a_verb_or_a_name(path: Path) -> None:
    wrong = [
        f"{name(path)}:{line}: {text[:60]}"
        for line, text in docstrings(ast.parse(path.read_text("utf-8")))
        if QUESTIONS.match(text)
    ]
    assert wrong == []


def test_no_public_class_name_stands_twice() -> None:
    found: dict[str, list[str]] = defaultdict(list)
    for path in MODULES:
        for node in ast.parse(path.read_text("utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                found[node.name].append(name(path))
    assert {one: places for one, places in found.items() if len(places) > 1} == {}


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_a_module_has_a_test_beside_it(path: Path) -> None:
    test = ROOT / "tests" / path.relative_to(ENGINE).with_name(f"test_{path.name}")
    elsewhere = str(path.relative_to(ENGINE).with_suffix("")) in " ".join(TESTED_WITH_OTHERS.values()).split()
    assert test.is_file() != elsewhere, name(test)


def test_exceptions_are_of_files_that_are_there() -> None:
    listed = [*LONG, *(f"kvmdocs/{module}.py" for modules in TESTED_WITH_OTHERS.values() for module in modules.split())]
    assert set(listed) <= {name(path) for path in MODULES}
    assert [test for test in TESTED_WITH_OTHERS if not (ROOT / test).is_file()] == []


def test_no_test_imports_another() -> None:
    wrong = [
        name(path)
        for path in (ROOT / "tests").rglob("*.py")
        if re.search(r"^\s*(from|import) (tests\.)?([\w.]+\.)?test_\w+", path.read_text("utf-8"), re.MULTILINE)
    ]
    assert wrong == []
