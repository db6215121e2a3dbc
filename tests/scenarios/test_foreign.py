"""A project with names of its own for everything, beside the installed package: from its first build to its last."""

from __future__ import annotations

import html
import json
import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.support import ROOT

FILES = {
    "kvmdocs.toml": """
        [project]
        recipes = "howto"
        docs = ["handbook"]
        configs = ["site.yml"]

        [store]
        path = "../kept"

        [lab]
        folder = "~/bench"

        [tea]
        sort = "oolong"
        """,
    "site.yml": """
        site_name: Tea
        docs_dir: handbook
        theme: {name: mkdocs}
        plugins: [markdown-exec, kvmdocs]
        markdown_extensions: [pymdownx.superfences]
        """,
    "howto/__init__.py": "",
    "howto/pot.py": """
        from pathlib import Path

        from kvmdocs import Shell, recipe, setting

        from howto.helpers import pour


        @recipe()
        def kettle(sh: Shell, sort: str = setting("tea.sort")) -> Path:
            \"\"\"Boil water.\"\"\"
            with sh.section("boil"):
                sh.line(f"echo water for {sort} > pot")
            return sh.workspace / "pot"


        @recipe(stable=True)
        def cup(sh: Shell, kettle: Path) -> str:
            \"\"\"Fill a cup.\"\"\"
            return pour(sh, kettle)
        """,
    "howto/helpers.py": """
        from pathlib import Path

        from kvmdocs import Shell


        def pour(sh: Shell, pot: Path) -> str:
            said = sh.line(f"cat {pot}")
            assert "oolong" in said
            return str(said)
        """,
    "handbook/index.md": """
        # Tea

        First the water:

        ```python exec="on"
        from howto.pot import kettle
        kettle.show("boil", notes={r"^echo": "it takes a while"})
        ```

        Then a cup, and one more that only this page needs:

        ```python exec="on" session="cups"
        from pathlib import Path
        from kvmdocs import Shell, recipe
        from howto.pot import cup
        cup.show()

        @recipe()
        def sugar(sh: Shell, kettle: Path) -> str:
            return sh.line(f"sed 's/$/, sweet/' {kettle}")
        ```

        ```python exec="on" session="cups"
        sugar.show()
        ```
        """,
    "handbook/plain.md": "# Plain\n\nNo block.\n",
}


class Foreign:
    """The project in its folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, text in FILES.items():
            self.write(name, text)

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), "utf-8")

    def edit(self, name: str, old: str, new: str) -> None:
        path = self.root / name
        text = path.read_text("utf-8")
        assert old in text
        path.write_text(text.replace(old, new), "utf-8")

    def __call__(self, *arguments: str) -> tuple[int, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KVMDOCS_", "PYTEST_", "MKDOCS_"))}
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.root,
            env={**kept, "PYTHONPATH": str(ROOT), "NO_MKDOCS_2_WARNING": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout

    def page(self) -> str:
        return html.unescape(re.sub(r"<[^>]*>", "", (self.root / "site/index.html").read_text("utf-8")))


@pytest.fixture
def foreign(tmp_path):
    return Foreign(tmp_path / "tea")


def test_a_foreign_project_is_built_tested_and_told(foreign):
    status, told = foreign("kvmdocs.cli", "build")
    assert status == 0, told
    assert "3 recipes to run" in told
    page = foreign.page()
    assert "water for oolong, sweet" in page
    assert "~/bench/kettle/pot" in page
    assert "it takes a while" in page
    assert str(foreign.root) not in page

    status, told = foreign("pytest", "-p", "no:cacheprovider", "-v", "--junit-xml=report.xml", "handbook", "howto")
    assert status == 0, told
    assert " ran" not in told  # the build has run everything
    items = re.findall(r"^(\S+::(?:line \d+|\w+)) PASSED", told, re.MULTILINE)
    assert items == [
        *(f"handbook/index.md::line {line}" for line in (5, 12, 23)),
        "howto/pot.py::kettle",
        "howto/pot.py::cup",
    ]
    places = set()
    for case in ET.parse(foreign.root / "report.xml").iter("testcase"):
        properties = {entry.get("name"): entry.get("value") for entry in case.iter("property")}
        places.add((properties["file"], properties["line"]))
    assert ("handbook/index.md", "23") in places

    status, told = foreign("kvmdocs.cli", "list", "--json")
    listed = {one["name"]: one for one in json.loads(told)["recipes"]}
    assert listed["sugar"]["builds_on"] == ["kettle"]
    assert listed["sugar"]["place"].startswith("handbook/index.md:")
    assert listed["cup"]["guides"] == ["handbook/index.md:12"]


def test_what_changes_in_a_foreign_project_is_run_and_nothing_else(foreign):
    assert foreign("kvmdocs.cli", "build")[0] == 0
    foreign.edit("handbook/index.md", "First the water", "To begin with, the water")
    status, told = foreign("kvmdocs.cli", "build")
    assert "0 ran, 3 unchanged" in told
    assert "To begin with" in foreign.page()
    # The inline recipe, and only that.
    foreign.edit("handbook/index.md", ", sweet", ", very sweet")
    assert "sugar: stale" in foreign("kvmdocs.cli", "why", "sugar")[1]
    status, told = foreign("kvmdocs.cli", "build")
    assert (status, "1 ran, 2 unchanged" in told) == (0, True)
    assert "water for oolong, very sweet" in foreign.page()
    # A helper in another module: what it serves fails, with the place in the foreign project.
    foreign.edit("howto/helpers.py", '"oolong" in said', '"assam" in said')
    status, told = foreign("pytest", "-p", "no:cacheprovider", "-v", "handbook", "howto")
    assert status == 1
    assert "howto/helpers.py:8" in told
    assert set(re.findall(r"^(\S+::(?:line \d+|\w+)) FAILED", told, re.MULTILINE)) == {
        "handbook/index.md::line 12",
        "howto/pot.py::cup",
    }


def test_a_foreign_project_keeps_approved_records_and_builds_from_them(foreign):
    assert foreign("kvmdocs.cli", "build")[0] == 0
    assert foreign("kvmdocs.cli", "approve", "--all")[0] == 0
    approved = sorted(path.name for path in (foreign.root / "howto/approved").iterdir())
    assert {name.partition(".")[0] for name in approved} == {"kettle", "cup", "sugar"}
    foreign.edit("kvmdocs.toml", "../kept", "../another")
    status, told = foreign("kvmdocs.cli", "build", "--mode", "recorded")
    assert status == 0, told
    assert "water for oolong, sweet" in foreign.page()
    assert not (foreign.root.parent / "another/v1/records").exists()
    status, told = foreign("pytest", "-p", "no:cacheprovider", "--kvmdocs-mode=recorded", "-n", "2", "handbook", "howto")
    assert status == 0, told
    assert "5 passed" in told
