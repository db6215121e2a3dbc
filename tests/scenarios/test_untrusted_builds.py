"""Records that name what no recipe returns: builds and commands run nothing of it, and name the line."""

from __future__ import annotations

import json
import re
import shutil
import sys
from dataclasses import replace
from typing import Any

import pytest

from kvmdocs.core.model import Freshness, Status
from kvmdocs.execution.modes import recorded
from kvmdocs.store.store import sealed

RECIPES = """
from dataclasses import dataclass
from enum import Enum

class Colour(Enum):
    RED = "red"

@dataclass(frozen=True)
class Image:
    kernel: Path
    colour: Colour = Colour.RED
    inner: Image | None = None

@dataclass(frozen=True)
class Trap:
    file: str
    def __post_init__(self):
        Path(self.file).touch()

@recipe()
def image(sh: Shell) -> Image | None:
    kernel = sh.write("kernel", "good")
    return Image(kernel, inner=Image(kernel))

@recipe()
def use(sh: Shell, image: Image) -> tuple[str, Colour]:
    "Use it."
    return sh.cat(image.inner.kernel), image.colour

@recipe(needs=("setting:trial.able=yes",))
def picky(sh: Shell) -> list[Image]:
    return [Image(sh.write("kernel", "picky"))]
"""


@pytest.fixture
def project(trial, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    made = trial().recipes(RECIPES)
    path = made.root / "kvmdocs.toml"
    path.write_text(path.read_text() + '[trial]\nable = "yes"\n')
    made.guide(
        "page.md",
        f"""\
        # Page

        ```python exec="on"
        from {made.module} import use, picky

        use.show(render=lambda value: f"use gave {{value[0]}} and {{value[1].name}}")
        picky.show(render=lambda value: f"picky gave {{value[0].kernel.name}}")
        ```
        """,
    )
    return made


def approve(project) -> None:
    for command in (("run", "use", "picky"), ("approve", "use", "picky")):
        assert project.kvmdocs(*command).exit_code == 0


def plant(project, name: str, value: Any) -> int:
    """Put a value into an approved record; returns the line of what its recipe does not return."""
    path = project.root / project.package / "approved" / f"{name}.json"
    data = json.loads(path.read_text())
    path.write_text(json.dumps({**data, "value": value}, indent=1))
    own = '"$type": "Image"' if name == "picky" else "nothing of it"
    return next(number for number, line in enumerate(path.read_text().splitlines(), 1) if '"$type"' in line and own not in line)


def traps(project) -> dict[str, Any]:
    """Values that would leave a file behind if they were made."""
    file = str(project.root / "trapped")
    return {
        "a program": {"$type": "subprocess:Popen", "args": ["touch", file]},
        "a function": {"$type": "os:mkdir", "path": file},
        "in a field": {"$type": "Image", "kernel": {"$type": "os:mkdir", "path": file}},
        "a class of the project's that no recipe returns": [{"$type": "Trap", "file": file}],
        "a module": {"$type": "trapping:anything"},
    }


@pytest.fixture(params=["a program", "a function", "in a field", "a class of the project's that no recipe returns", "a module"])
def trap(project, request):
    """One of these, in a project with approved records; nothing of it may have been made when the test ends."""
    (project.root / "trapping.py").write_text(f"from pathlib import Path\nPath({str(project.root / 'trapped')!r}).touch()\n")
    approve(project)
    yield traps(project)[request.param]
    assert not (project.root / "trapped").exists()
    assert "trapping" not in sys.modules


def refuses(project, done: Any, name: str, line: int) -> None:
    """See that what a command said names the line of an approved record, and what to do."""
    told = getattr(done, "output", None) or done.stdout + done.stderr
    place = f"{project.package}/approved/{name}.json:{line}"
    assert re.search(
        rf"the approved record {place} cannot be read: it names the type '[^']+', and its recipe returns `", told
    ), told
    assert f"restore it with git, or `kvmdocs approve {name}`" in told
    assert "Traceback" not in told


def test_a_build_that_runs_nothing_runs_nothing(project, trap):
    line = plant(project, "use", trap)
    done = project.command("kvmdocs.cli", "build", "--mode", "recorded")
    assert done.returncode == 2
    refuses(project, done, "use", line)


def test_a_build_that_shows_the_approved_record_of_what_cannot_run_here(project, trap):
    line = plant(project, "picky", trap)
    done = project.command("kvmdocs.cli", "build", KVMDOCS_TRIAL_ABLE="no")
    assert done.returncode == 2
    refuses(project, done, "picky", line)
    done = project.command("mkdocs", "build", KVMDOCS_TRIAL_ABLE="no")
    assert done.returncode != 0
    refuses(project, done, "picky", line)


def test_commands_that_read_it_say_so_and_a_new_record_takes_its_place(project, trap):
    line = plant(project, "use", trap)
    for command in (("status",), ("diff",), ("status", "use", "--json")):
        done = project.kvmdocs(*command)
        assert done.exit_code == 2
        refuses(project, done, "use", line)
    assert project.kvmdocs("run", "use").exit_code == 0
    assert project.kvmdocs("approve", "use").exit_code == 0
    assert project.kvmdocs("diff").exit_code == 0


def test_a_script_and_a_test_say_so(project):
    approve(project)
    line = plant(project, "use", traps(project)["a program"])
    for path in (project.root / "store" / "v1" / "latest").iterdir():
        path.unlink()
    project.recipes(RECIPES.replace('"good"', '"better"'))
    refuses(project, project.kvmdocs("export", "use"), "use", line)
    done = project.command(
        "pytest", "-p", "no:cacheprovider", "--rootdir=.", "--kvmdocs-mode=recorded", project.package, "docs"
    )
    assert done.returncode != 0
    refuses(project, done, "use", line)
    assert not (project.root / "trapped").exists()


def test_a_record_of_the_store_that_names_another_type_is_made_again(project, trap):
    stored = project.run("image", "use").records
    store = project.project().store
    for path in (project.root / project.package / "approved").iterdir():
        path.unlink()
    for name in ("image", "use"):
        planted = replace(stored[name], value=trap if name == "image" else [trap])
        (store.root / "records" / f"{planted.key}.json").write_bytes(sealed(planted))
    # It is none for a build that runs nothing, and a build that runs makes it again.
    outcome = recorded(project.project(), ["use"])
    assert outcome.freshness == {"use": Freshness.MISSING}
    assert project.kvmdocs("status", "use").stdout.splitlines()[0].split()[:2] == ["image", "stale"]
    again = project.run("use")
    assert {name: again.freshness[name] for name in ("image", "use")} == dict.fromkeys(("image", "use"), Freshness.RAN)
    assert again.records["use"].value == stored["use"].value
    assert project.run("use").freshness["image"] is Freshness.CACHED


def test_values_of_all_kinds_go_from_recipe_to_recipe_to_page(project):
    approve(project)
    for mode in ("live", "recorded"):
        done = project.command("kvmdocs.cli", "build", "--mode", mode)
        assert done.returncode == 0, done.stderr
        page = (project.root / "site/page/index.html").read_text()
        assert "use gave good and RED" in page
        assert "picky gave kernel" in page
    text = (project.root / project.package / "approved" / "use.json").read_text()
    assert '"$enum": "Colour.RED"' in text


def test_a_value_that_cannot_be_made_here_is_missed_only_where_it_is_shown(project):
    """As of a class that looks for its files: an approved record names some that no other host has."""
    project.recipes(RECIPES + CHECKED)
    shown = f"from {project.module} import checked\nchecked.show()\n"
    project.block("page.md", shown)
    for command in (("run", "checked"), ("approve", "checked"), ("status",), ("diff",), ("export", "checked")):
        assert project.kvmdocs(*command).exit_code == 0
    shutil.rmtree(project.root / "store")
    done = project.command("kvmdocs.cli", "build", "--mode", "recorded")
    assert done.returncode == 0, done.stderr
    assert "this is shown" in (project.root / "site/page/index.html").read_text()
    project.block("page.md", shown + 'checked.show(render=lambda value: f"{value.path}")')
    done = project.command("kvmdocs.cli", "build", "--mode", "recorded")
    assert done.returncode == 2
    path = project.root / project.package / "approved" / "checked.json"
    line = path.read_text().partition('"value": {')[0].count("\n") + 1
    place = f"{project.package}/approved/checked.json:{line}"
    assert f"the approved record {place} cannot be read: Checked does not take its fields: " in done.stderr
    assert "FileNotFoundError" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_input_that_cannot_be_made_any_more_fails_what_takes_it(project):
    project.recipes(RECIPES + CHECKED + TAKES)
    project.run("checked")
    (project.root / project.package / "spoiled").touch()
    outcome = project.run("takes")
    failure = outcome.records["takes"].failure
    assert failure.error == "RecipeFailed"
    assert "the result of checked cannot be made: " in failure.message
    assert "ValueError: it holds bad" in failure.message
    assert "`kvmdocs run --fresh checked`" in failure.advice


def test_a_recipe_of_a_block_returns_a_class_of_a_module(project):
    project.guide(
        "page.md",
        f"""\
        # Page

        ```python exec="on"
        from kvmdocs import Shell, recipe
        from {project.module} import Image

        @recipe()
        def here(sh: Shell, image: Image) -> dict[str, Image]:
            return {{"one": Image(sh.write("kernel", image.colour.value), image.colour)}}

        @recipe()
        def after(sh: Shell, here: object) -> str:
            return sh.cat(here["one"].kernel)

        after.show(render=lambda value: f"after gave {{value}}")
        here.show(render=lambda value: f"here gave {{value['one'].colour.name}}")
        ```
        """,
    )
    done = project.command("kvmdocs.cli", "build")
    assert done.returncode == 0, done.stderr
    page = (project.root / "site/page/index.html").read_text()
    assert "after gave red" in page
    assert "here gave RED" in page


CHECKED = """
@dataclass(frozen=True)
class Checked:
    path: Path
    def __post_init__(self):
        self.path.stat()
        text = "bad" if Path(__file__).with_name("spoiled").exists() else self.path.read_text()
        if text != "good":
            raise ValueError(f"it holds {text}")

@recipe()
def checked(sh: Shell) -> Checked:
    sh.echo("this is shown")
    return Checked(sh.write("file", "good"))
"""

TAKES = """
@recipe()
def takes(sh: Shell, checked: Checked) -> str:
    return sh.cat(checked.path)
"""

WRONG = """
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from {package}.other import Far

@dataclass(frozen=True)
class Image:
    word: str

@recipe()
def silent(sh: Shell):
    return Image("x")

@recipe()
def lying(sh: Shell) -> dict[str, str]:
    return {{"x": Image("x")}}

@recipe()
def unseen(sh: Shell) -> Far:
    from {package}.other import Far
    return Far("x")

@recipe()
def plain(sh: Shell):
    return {{"a": [1, None, (2.5, True)]}}

@recipe()
def unneeded(sh: Shell) -> list[Far]:
    return []
"""


def test_a_type_that_the_annotation_does_not_name_is_told_when_the_recipe_runs(project):
    project.recipes(WRONG.format(package=project.package))
    (project.root / "docs/page.md").write_text("# Page\n")
    (project.root / project.package / "other.py").write_text(
        "from dataclasses import dataclass\n@dataclass(frozen=True)\nclass Far:\n    word: str\n"
    )
    outcome = project.run("silent", "lying", "unseen", "plain", "unneeded")
    failures = {name: record.failure for name, record in outcome.records.items() if record.status is Status.FAILED}
    assert {name: failure.error for name, failure in failures.items()} == dict.fromkeys(
        ("silent", "lying", "unseen"), "ValueNotStorable"
    )
    assert failures["silent"].message == "the recipe returns a Image, and it has no annotation"
    assert (
        failures["lying"].message == "the recipe returns a Image, and its annotation `dict[str, str]` does not name that type"
    )
    assert "its annotation `Far` does not name that type" in failures["unseen"].message
    assert "`Far`: NameError: name 'Far' is not defined" in failures["unseen"].message
    assert "outside of `if TYPE_CHECKING:`" in failures["unseen"].advice
    assert all("annotate it `-> " in failure.advice for failure in failures.values())
    done = project.kvmdocs("run", "lying")
    assert done.exit_code == 1
    assert re.search(rf"recipe +lying \({project.package}/all\.py:\d+\)", done.stderr)
