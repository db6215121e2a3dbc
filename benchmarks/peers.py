"""Cost of blocks against a static site, markdown-exec alone, and myst-nb with jupyter-cache; cost of tests against sybil.

The sites have 40 pages of trivial blocks. The peers are installed from ``benchmarks/peers.txt`` into a temporary environment
(``--peers FOLDER`` uses an existing one). There are three states: cold (nothing was run before), unchanged (built again), and
output deleted (the cache remains).
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measure import Ratio, side_by_side

GUIDES = 40
ROUNDS = 5
SLOW = 0.050
"""Duration in seconds of each block of the slow site."""

STATIC_AIM = 1.10
HERE = Path(__file__).resolve().parent

MKDOCS = """\
site_name: blocks
theme: {{name: material, font: false}}
plugins:
{plugins}
markdown_extensions:
  pymdownx.superfences: {{}}
"""
RUNNING = "  search: {}\n  kvmdocs: {}\n  markdown-exec: {ansi: 'off'}\n"
EXEC_ALONE = "  search: {}\n  markdown-exec: {ansi: 'off'}\n"
STATIC = "  search: {}\n"

SPHINX = """\
project = "blocks"
extensions = ["myst_nb"]
nb_execution_mode = "cache"
nb_execution_raise_on_error = True
html_theme = "alabaster"
"""

MYST_HEAD = """\
---
jupytext: {text_representation: {extension: .md, format_name: myst}}
kernelspec: {name: python3, display_name: Python 3}
---
"""


def page(number: int, blocks: list[str], head: str = "") -> str:
    """Return a page whose blocks each follow a heading and a sentence."""
    parts = [f"{head}# Page {number}\n"]
    parts += [f"## Block {index}\n\nA sentence before the block.\n\n{block}\n" for index, block in enumerate(blocks)]
    return "\n".join(parts)


def mkdocs_site(root: Path, plugins: str, blocks: Callable[[int, int], str], each: int) -> None:
    """Write a MkDocs project of 40 pages with `each` blocks per page."""
    docs = root / "docs"
    docs.mkdir(parents=True)
    (root / "mkdocs.yml").write_text(MKDOCS.format(plugins=plugins), "utf-8")
    (docs / "index.md").write_text("# Blocks\n", "utf-8")
    for number in range(GUIDES):
        text = page(number, [blocks(number, index) for index in range(each)])
        (docs / f"page{number:02}.md").write_text(text, "utf-8")


def ours(root: Path, each: int) -> None:
    """Write the site with a recipe in each block."""

    def block(number: int, index: int) -> str:
        name = f"r{number:02}_{index:02}"
        return f'```python exec="on"\nfrom trivial.part{number:02} import {name}\n\n{name}.show()\n```'

    mkdocs_site(root, RUNNING, block, each)
    package = root / "trivial"
    package.mkdir()
    (package / "__init__.py").write_text("", "utf-8")
    for number in range(GUIDES):
        bodies = [
            f'\n\n@recipe()\ndef r{number:02}_{index:02}(sh: Shell) -> None:\n    sh.echo("page {number} block {index}")\n'
            for index in range(each)
        ]
        (package / f"part{number:02}.py").write_text("from kvmdocs import Shell, recipe\n" + "".join(bodies), "utf-8")
    (root / "kvmdocs.toml").write_text('[project]\ndocs = ["docs"]\nconfigs = ["mkdocs.yml"]\nrecipes = "trivial"\n', "utf-8")


def build(root: Path) -> None:
    """Run `mkdocs build` in a new process."""
    environ = {**os.environ, "KVMDOCS_STORE_PATH": str(root / "store"), "NO_MKDOCS_2_WARNING": "1", "PYTHONPATH": str(root)}
    subprocess.run([sys.executable, "-m", "mkdocs", "build", "-q", "-d", "site"], cwd=root, env=environ, check=True)


def static_twin(root: Path, target: Path) -> None:
    """Write the same pages with each block replaced by its HTML."""
    from benchmarks.warm_build import without_blocks
    from kvmdocs.execution import report
    from kvmdocs.execution.executor import Executor
    from kvmdocs.execution.project import Project
    from kvmdocs.render import Language
    from kvmdocs.site.publisher import Publisher

    os.environ["KVMDOCS_STORE_PATH"] = str(root / "store")
    sys.path.insert(0, str(root))
    project = Project(root)
    result = Executor(project, report.ProgressLines()).run(project.catalog.shown_recipes())
    shutil.copytree(root / "docs", target / "docs")
    for guide in project.catalog.guides():
        publisher = Publisher(project, result, Language.of("en"), guide=guide)
        (target / guide.relative_to(root)).write_text(without_blocks(guide, publisher, root), "utf-8")
    (target / "mkdocs.yml").write_text(MKDOCS.format(plugins=STATIC), "utf-8")


def myst(root: Path, each: int) -> None:
    """Write the site as MyST notebooks with a cell for each block."""
    root.mkdir()
    (root / "conf.py").write_text(SPHINX, "utf-8")
    names = [f"page{number:02}" for number in range(GUIDES)]
    (root / "index.md").write_text("# Blocks\n\n```{toctree}\n" + "\n".join(names) + "\n```\n", "utf-8")
    for number, name in enumerate(names):
        cells = [f'```{{code-cell}} ipython3\nprint("page {number} block {index}")\n```' for index in range(each)]
        (root / f"{name}.md").write_text(page(number, cells, MYST_HEAD), "utf-8")


def make_cache(root: Path, python: Path) -> None:
    """Create the peer's empty cache. Otherwise two of its processes may create the tables at once, and one of them fails."""
    code = "from jupyter_cache import get_cache; get_cache('build/.jupyter_cache').db"
    subprocess.run([str(python), "-c", code], cwd=root, check=True)


def sphinx(root: Path, python: Path) -> None:
    """Run `sphinx-build` with one job per processor."""
    command = [str(python), "-m", "sphinx", "-q", "-j", "auto", "-d", "build/doctrees", ".", "build/html"]
    subprocess.run(command, cwd=root, env={**os.environ, "JUPYTER_PLATFORM_DIRS": "1"}, check=True)


def timed(work: Callable[[], None]) -> float:
    """Return the seconds that a function takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def against_static(folder: Path) -> None:
    """Compare 200 recipes in 40 guides, none of them stale, with a static site."""
    ours(folder / "ours", 5)
    build(folder / "ours")
    (folder / "static").mkdir()
    static_twin(folder / "ours", folder / "static")
    name = "200 recipes, none stale, against static blocks"
    print(
        side_by_side(
            name, lambda: build(folder / "ours"), lambda: build(folder / "static"), rounds=ROUNDS, aim=STATIC_AIM
        ).line()
    )


def against_myst(folder: Path, python: Path) -> None:
    """Compare 400 trivial blocks in three states with myst-nb."""
    ours(folder / "four", 10)
    myst(folder / "myst", 10)
    make_cache(folder / "myst", python)
    we, they = (lambda: build(folder / "four")), (lambda: sphinx(folder / "myst", python))
    states: dict[str, Callable[[], None]] = {
        "cold": lambda: None,
        "unchanged": lambda: None,
        "output deleted": lambda: (
            [shutil.rmtree(gone) for gone in (folder / "four/site", folder / "myst/build/html", folder / "myst/build/doctrees")]
            and None
        ),
    }
    for state, before in states.items():
        before()
        print(Ratio(f"400 blocks, {state}, against myst-nb", timed(we), timed(they), 1.0).line(), flush=True)


def against_markdown_exec(folder: Path) -> None:
    """Compare blocks of 50 ms with markdown-exec. Ours have records, so they do not run again."""
    code = "import time\n\ntime.sleep({})\nprint('page {} block {}')"
    mkdocs_site(folder / "exec", EXEC_ALONE, lambda *at: f'```python exec="on"\n{code.format(SLOW, *at)}\n```', 10)
    name = "400 blocks of 50 ms, none stale, against markdown-exec"
    print(Ratio(name, timed(lambda: build(folder / "four")), timed(lambda: build(folder / "exec")), 1.0).line(), flush=True)


def against_sybil(folder: Path, python: Path) -> None:
    """Time pytest over 1,000 cached blocks against sybil running 1,000 trivial ones.

    Both run without other plugins: those of this project's environment take a sixth of the time, and the peers' has none.
    """
    ours(folder / "tests", 25)
    build(folder / "tests")
    sybil = folder / "sybil"
    sybil.mkdir()
    (sybil / "conftest.py").write_text(
        "from sybil import Sybil\nfrom sybil.parsers.myst import PythonCodeBlockParser\n\n"
        'pytest_collect_file = Sybil(parsers=[PythonCodeBlockParser()], patterns=["*.md"]).pytest()\n',
        "utf-8",
    )
    for number in range(GUIDES):
        blocks = [f'```python\nassert "page {number}" != "block {index}"\n```' for index in range(25)]
        (sybil / f"page{number:02}.md").write_text(page(number, blocks), "utf-8")
    environ = {
        **os.environ,
        "KVMDOCS_STORE_PATH": str(folder / "tests/store"),
        "PYTHONPATH": str(folder / "tests"),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
    }
    environ.pop("PYTHONDONTWRITEBYTECODE", None)  # as in the Makefile: with it every run would compile the modules again

    def test(python: Path | str, root: Path, *plugin: str) -> None:
        command = [
            str(python),
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            *plugin,
            str(root / "docs" if (root / "docs").is_dir() else root),
        ]
        subprocess.run(command, cwd=root, env=environ, check=True, stdout=subprocess.DEVNULL)

    name = "pytest over 1,000 cached blocks, against sybil"
    we, they = (
        (lambda: test(sys.executable, folder / "tests", "-p", "kvmdocs.pytest_plugin.plugin")),
        (lambda: test(python, sybil)),
    )
    we()
    print(side_by_side(name, we, they, rounds=7, aim=1.0).line())


def peers(folder: Path) -> Path:
    """Create an environment with the peers; return its Python."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin/python"
    subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", str(HERE / "peers.txt")], check=True)
    return python


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--peers", type=Path, help="folder of an environment with the packages in benchmarks/peers.txt")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        python = options.peers / "bin/python" if options.peers else peers(folder / "peers")
        against_static(folder)
        against_myst(folder, python)
        against_markdown_exec(folder)
        against_sybil(folder, python)


if __name__ == "__main__":
    main()
