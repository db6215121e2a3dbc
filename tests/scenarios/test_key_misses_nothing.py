"""Every way in which an edit can change what a recipe does makes that recipe stale, and no other.

The project of `tests.support.ways` has a recipe for each way. All run once; then each edit is made alone, planned and taken
back, in a process of its own, because the project's modules change builtins and the environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from kvmdocs.store.store import Store
from tests.support import ways

PACKAGE = "kitchen"
WAYS = ways.read(PACKAGE)

PLAN = """
import json, sys
from pathlib import Path
from kvmdocs.execution.explain import explain
from kvmdocs.execution.project import Project
from kvmdocs.recording.recipe import Recipe

root = Path(sys.argv[1])

def planned():
    project = Project(root)
    return {name: one.reasons for name, one in explain(project, project.catalog.entries).items() if one.state != "current"}

found = {"nothing": planned()}
for name, edit in json.loads(sys.argv[2]).items():
    old, _, new = edit.partition(" -> ")
    path = root / old
    text = path.read_text()
    if new:
        path.rename(root / new)
    else:
        assert "one" in text
        path.write_text(text.replace("one", "two"))
    found[name] = planned()
    if new:
        (root / new).rename(path)
    else:
        path.write_text(text)
found["nothing again"] = planned()
print(json.dumps(found))
"""


def in_project(root: Path, program: str, *args: str) -> str:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("KVMDOCS_")}
    done = subprocess.run(
        [sys.executable, "-c", program, *args], cwd=root, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a project in which every way's recipe has run."""
    root = tmp_path_factory.mktemp("ways")
    (root / "kvmdocs.toml").write_text(f'[project]\nrecipes = "{PACKAGE}"\n[store]\npath = "store"\n')
    files = {name: text for way in WAYS.values() for name, text in way.files.items()}
    for name, text in {f"{PACKAGE}/__init__.py": "", **files}.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    main = "import sys; from kvmdocs.cli.main import main; sys.exit(main())"
    in_project(root, main, "run", *(way.recipe for way in WAYS.values()))
    return root


@pytest.fixture(scope="module")
def stale(project: Path) -> dict[str, dict[str, list[str]]]:
    """Return for each edit the recipes that are stale after it, with the reasons."""
    edits = {title: way.edit for title, way in WAYS.items()}
    # A module of the project prints another line when the process exits.
    printed = in_project(project, PLAN, str(project), json.dumps(edits)).splitlines()[0]
    found: dict[str, dict[str, list[str]]] = json.loads(printed)
    return found


@pytest.mark.parametrize("way", WAYS)
def test_an_edit_makes_its_recipe_stale_and_no_other(stale, way):
    assert set(stale[way]) == {WAYS[way].recipe}


def test_without_an_edit_every_record_is_current(stale):
    assert stale["nothing"] == stale["nothing again"] == {}


@pytest.mark.parametrize("way", [way for way in WAYS if "atexit" not in way and "source read" not in way])
def test_each_recipe_showed_what_the_edit_changes(project, way):
    record = Store(project / "store").latest(WAYS[way].recipe)
    assert record.steps[0].output.text.strip() == "one"


REASONS = {
    "a module beside the package": "helper wayNUMBER_lib.word changed",
    "a global that an import sets": "what importing kitchen.wayNUMBER_more does changed",
    "a registry filled by a helper that an import calls": "helper kitchen.wayNUMBER_fill.fill, which runs at import, changed",
    "a file that the recipe reads": "file kitchen/wayNUMBER.txt, which the run read, changed",
    "importlib.import_module": "module kitchen.wayNUMBER_lib, which the run imported, changed",
    "the names in a folder": "folder kitchen/wayNUMBER_folder, which the run listed, changed",
}


@pytest.mark.parametrize("way", REASONS)
def test_why_says_what_changed_and_how_it_counts(stale, way):
    number = WAYS[way].recipe.removeprefix("way")
    assert stale[way][WAYS[way].recipe] == [REASONS[way].replace("NUMBER", number)]
