"""`kvmdocs new`: its files pass the tests, in another project and in this one; wrong names are refused."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from kvmdocs.cli import main
from kvmdocs.cli.navigation import with_page
from kvmdocs.core.errors import GuideError
from tests.support import ROOT

CONFIG = """\
# What both have in common.
site_name: Two
docs_dir: docs/{language}
site_dir: site/{language}
theme: {{name: mkdocs, locale: {language}}}
plugins: [kvmdocs, markdown-exec]
markdown_extensions: [pymdownx.superfences]
validation: {{nav: {{omitted_files: warn}}}}

nav:
  - Home: index.md
  # Running comes first.
  - Run:
      - Start: run/start.md

extra: {{}}
"""


class Project:
    """A project in a folder of its own, and the commands that are run in it."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, name: str, text: str) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")

    def read(self, name: str) -> str:
        return (self.root / name).read_text("utf-8")

    def __call__(self, *arguments: str) -> str:
        status, told = self.ended(*arguments)
        assert status == 0, told
        return told

    def ended(self, *arguments: str) -> tuple[int, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("KVMDOCS_", "PYTEST_", "MKDOCS_"))}
        done = subprocess.run(
            [sys.executable, "-m", *arguments],
            cwd=self.root,
            env={
                **kept,
                "PYTHONPATH": str(ROOT),
                "KVMDOCS_STORE_PATH": str(self.root.parent / "store"),
                "NO_MKDOCS_2_WARNING": "1",
            },
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=300,
            check=False,
        )
        return done.returncode, done.stdout

    def refused(self, *arguments: str, status: int = 2) -> str:
        """Output of a command that must end with this status, and leave everything as it was."""
        before = self.state()
        # In this process, since there are many; the package of recipes is read anew each time.
        for name in [name for name in sys.modules if name.partition(".")[0] == "howto"]:
            del sys.modules[name]
        done = CliRunner().invoke(main.main, ["-C", str(self.root), "new", *arguments])
        told = done.output
        assert done.exit_code == status, told
        assert "Traceback" not in told
        assert self.state() == before
        return told

    def state(self) -> dict[str, str]:
        files = (path for path in self.root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {str(path.relative_to(self.root)): path.read_text("utf-8", errors="replace") for path in files}


@pytest.fixture
def foreign(tmp_path):
    made = Project(tmp_path / "foreign")
    made.write("kvmdocs.toml", '[project]\nrecipes = "howto"\ndocs = ["docs/en", "docs/zh"]\nconfigs = ["en.yml", "zh.yml"]\n')
    for language in ("en", "zh"):
        made.write(f"{language}.yml", CONFIG.format(language=language))
        made.write(f"docs/{language}/index.md", "# Home\n")
        made.write(f"docs/{language}/run/start.md", "# Start\n")
    return made


@pytest.mark.process
def test_a_guide_begun_in_a_foreign_project_passes(foreign):
    told = foreign("kvmdocs.cli", "new", "guide", "run/see-the-kernel", "--title", "zh=看看: 内核", "--title", "en=See it")
    assert told.splitlines()[-1] == "next    kvmdocs run see_the_kernel"
    assert set(re.findall(r"^(?:wrote  |changed) (\S+)$", told, re.MULTILINE)) == {
        "howto/__init__.py",
        "howto/see_the_kernel.py",
        "docs/en/run/see-the-kernel.md",
        "docs/zh/run/see-the-kernel.md",
        "en.yml",
        "zh.yml",
    }
    # It stands behind the last page of its folder, and everything else is as it was.
    before = CONFIG.format(language="zh")
    after = before.replace("run/start.md\n", 'run/start.md\n      - "看看: 内核": run/see-the-kernel.md\n')
    assert foreign.read("zh.yml") == after
    assert "      - See it: run/see-the-kernel.md\n\nextra: {}\n" in foreign.read("en.yml")
    assert foreign.read("docs/zh/run/see-the-kernel.md").startswith("# 看看: 内核\n\n用一句话")
    told = foreign("pytest", "-p", "no:cacheprovider", "-v", "docs", "howto")
    assert "3 passed" in told
    foreign("kvmdocs.cli", "build")
    page = re.sub("<[^>]*>", "", foreign.read("site/zh/run/see-the-kernel/index.html"))
    assert "这一行的意思" in page
    assert "Linux" in page


INLINE = """\
# Inline

```python exec="on"
from kvmdocs import Shell, recipe
@recipe()
def clock(sh: Shell) -> str:
    return sh.date()
clock.show()
```
"""


@pytest.mark.process
def test_a_recipe_is_begun_and_a_guide_may_show_it(foreign):
    foreign("kvmdocs.cli", "new", "recipe", "kernel_name")
    foreign("kvmdocs.cli", "new", "guide", "the-name", "--recipe", "kernel_name")
    assert "  - The name: the-name.md\n\nextra" in foreign.read("en.yml")
    assert "from howto.kernel_name import kernel_name" in foreign.read("docs/en/the-name.md")
    assert "2 passed" in foreign("pytest", "-p", "no:cacheprovider", "docs")
    foreign("kvmdocs.cli", "build")


@pytest.mark.process
def test_a_recipe_lies_in_the_package_of_its_guides_folder(foreign):
    foreign.write("howto/__init__.py", "")
    foreign.write("howto/run/__init__.py", "")
    foreign("kvmdocs.cli", "new", "guide", "run/see-the-kernel")
    assert "from howto.run.see_the_kernel import see_the_kernel" in foreign.read("docs/en/run/see-the-kernel.md")
    foreign("kvmdocs.cli", "run", "see_the_kernel")


def test_a_file_of_titles_that_is_not_there_is_named(foreign):
    foreign.write("kvmdocs.toml", foreign.read("kvmdocs.toml") + 'titles = "howto/titles.toml"\n')
    told = foreign.refused("recipe", "kernel_name")
    assert "howto/titles.toml: [Errno 2] No such file or directory" in told
    assert "the setting project.titles names a TOML file" in told


@pytest.mark.process
def test_what_cannot_be_begun_is_refused_and_nothing_is_written(foreign, monkeypatch):
    monkeypatch.setattr(sys, "path", [*sys.path])
    foreign("kvmdocs.cli", "new", "recipe", "kernel_name")
    for name in ("for", "sh"):
        assert f"{name} is a Python keyword or the first parameter of every recipe" in foreign.refused("recipe", name)
    for name in ("Kernel", "kernel-name", "2nd", "for", "../up", ""):
        assert f"a recipe cannot be called {name!r}" in foreign.refused("recipe", name)
    told = foreign.refused("recipe", "kernel_name")
    assert "a recipe kernel_name already exists" in told
    assert "howto/kernel_name.py:8" in told
    told = foreign.refused("guide", "kernel-name")
    assert "choose another name, or show the existing recipe: --recipe kernel_name" in told
    foreign.write("docs/en/inline.md", INLINE)
    foreign.write("docs/zh/inline.md", INLINE)
    told = foreign.refused("guide", "x", "--recipe", "clock")
    assert "recipe clock is defined in a page, and no other page can show it" in told
    assert "docs/en/inline.md:5" in told
    assert "move it into a module below howto/" in told
    foreign.write("howto/empty.py", "")
    assert "howto/empty.py already exists" in foreign.refused("recipe", "empty")
    for name in ("../up", "/run/x", "run/", "Run/x", "run//x", "run/x y"):
        assert "a guide cannot be called" in foreign.refused("guide", name)
    told = foreign.refused("guide", "boot/x")
    assert "there is no folder docs/en/boot; there are: run" in told
    assert "mkdir -p docs/en/boot docs/zh/boot" in told
    assert "docs/en/run/start.md already exists" in foreign.refused("guide", "run/start", "--recipe", "begin")
    assert "there is no site in fr" in foreign.refused("guide", "run/x", "--title", "fr=Oui")
    assert "write LANG=TITLE" in foreign.refused("guide", "run/x", "--title", "Something")
    foreign.write("zh.yml", CONFIG.format(language="zh").replace("nav:\n", "nav: [index.md]\nrest:\n"))
    told = foreign.refused("guide", "run/x")
    assert "zh.yml:10" in told
    assert "add the page by hand: `- X: run/x.md`" in told


def test_a_file_that_cannot_be_written_leaves_nothing_behind(foreign):
    # Nobody can make a file in /proc. The recipe, the English page and its navigation are written before.
    (foreign.root / "docs/zh/proc").symlink_to("/proc/self/fdinfo")
    foreign.write("docs/en/proc/index.md", "# Proc")
    told = foreign.refused("guide", "proc/x", status=3)
    assert "docs/zh/proc/x.md cannot be written: No such file or directory" in told
    assert "check permissions and free space there; nothing was changed" in told
    assert not (foreign.root / "howto").exists()


def test_a_link_that_leads_nowhere_is_not_overwritten(foreign):
    link = foreign.root / "docs/zh/run/x.md"
    link.symlink_to(foreign.root / "absent/x.md")
    assert "docs/zh/run/x.md already exists" in foreign.refused("guide", "run/x")
    assert link.is_symlink()


@pytest.mark.parametrize(
    ("nav", "page", "after"),
    [
        ("nav:\n- a.md\n", "b.md", "nav:\n- a.md\n- T: b.md\n"),
        (
            "nav:\n  - a.md\n  - S:\n    - s/a.md # first\n    - s/t/b.md\n  - Z: z.md\n",
            "s/x.md",
            "    - s/a.md # first\n    - T: s/x.md\n    - s/t/b",
        ),
        ("nav:\n  - S:\n      - s/a.md\nplugins: []\n", "b.md", "      - s/a.md\n  - T: b.md\nplugins: []\n"),
        ("nav:\n  - A: a.md\n\n# Below\nplugins: []\n", "b.md", "  - A: a.md\n  - T: b.md\n\n# Below\n"),
        ("plugins:\n  - x\nnav:\n  - 'A': 'a.md'", "b.md", "  - 'A': 'a.md'\n  - T: b.md"),
    ],
)
def test_a_page_is_put_where_it_belongs(nav, page, after):
    assert after in with_page(nav, page, "T", "mkdocs.yml")


def test_a_navigation_of_another_form_is_left_to_its_author():
    for nav in ("nav: [a.md]\n", "nav:\n  - a.md\n  - T: b.md\n", "nav: !include x\n"):
        with pytest.raises(GuideError, match="cannot add a page to the `nav`"):
            with_page(nav, "b.md", "T", "mkdocs.yml")


@pytest.fixture
def clone(tmp_path):
    """This project's files, as git has them or would have them."""
    made = Project(tmp_path / "clone")
    listed = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        capture_output=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("no git, or not a clone")
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (made.root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, made.root / name)
    # What mypy knows of the files that are the same, if it was here: `make test` begins with it.
    if (known := ROOT / ".mypy_cache").is_dir():
        shutil.copytree(known, made.root / known.name)
    return made


@pytest.mark.process
@pytest.mark.slow
def test_a_guide_begun_in_this_project_passes(clone):
    # As the page for authors says it, beside whatever that page defines itself.
    told = re.search(r"^kvmdocs (new guide .*)$", clone.read("docs/en/authoring/guide.md"), re.MULTILINE)
    assert told
    clone("kvmdocs.cli", *shlex.split(told[1]))
    new = ["docs/en/run/memory-page.md", "docs/zh/run/memory-page.md", "recipes/run/memory_page.py"]
    assert f"pytest {' '.join(new)}" in clone.read("docs/en/authoring/guide.md")
    assert "3 passed" in clone("pytest", "-p", "no:cacheprovider", *new)
    clone("ruff", "check", new[-1])
    clone("ruff", "format", "--check", new[-1])
    clone("mypy", new[-1])
    clone("pytest", "-p", "no:cacheprovider", "tests/content/test_docs.py", "-k", "languages or step")
    # One language will do: the guides of both are read.
    clone.write("kvmdocs.toml", f'mode = "recorded"\n{clone.read("kvmdocs.toml")}')
    clone("mkdocs", "build", "--quiet", "--strict", "-f", "mkdocs.zh.yml")
    assert "用一句话写明" in clone.read("site/zh/run/memory-page.html")
