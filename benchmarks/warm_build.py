"""Warm build against the same site with every block replaced by its output.

Both are built with `mkdocs build` in new processes, from the same configuration, the static one without the two plugins that
run blocks.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.measure import side_by_side
from kvmdocs.catalog.guides import find_blocks
from kvmdocs.execution import report
from kvmdocs.execution.executor import Executor
from kvmdocs.execution.project import Project
from kvmdocs.recording.recipe import presenting
from kvmdocs.render import Language
from kvmdocs.site.publisher import Publisher

ROOT = Path(__file__).resolve().parent.parent
ROUNDS = 5


def static_copy(target: Path) -> None:
    """Copy the project with each block replaced by its output, and without the plugins that run blocks."""
    for name in ("docs", "overrides"):
        shutil.copytree(ROOT / name, target / name)
    project = Project(ROOT)
    result = Executor(project, report.ProgressLines()).run(project.catalog.shown_recipes())
    for guide in project.catalog.guides():
        language = Language.of(guide.relative_to(ROOT / "docs").parts[0])
        publisher = Publisher(project, result, language, guide=guide)
        copy = target / guide.relative_to(ROOT)
        copy.write_text(without_blocks(guide, publisher, project.root), "utf-8")
    for path in ROOT.glob("mkdocs*.yml"):
        text = path.read_text("utf-8")
        text = re.sub(r"^  kvmdocs: .*\n|^  markdown-exec:\n(    .*\n)*", "", text, flags=re.MULTILINE)
        (target / path.name).write_text(text, "utf-8")


def without_blocks(guide: Path, publisher: Publisher, root: Path) -> str:
    """Return a guide's text with each block replaced by its output."""
    lines = guide.read_text("utf-8").split("\n")
    sessions: dict[str, dict[str, Any]] = {}
    out: list[str] = []
    position = 0
    sys.path.insert(0, str(root))
    for block in find_blocks(guide):
        printed: list[str] = []
        names = sessions.setdefault(block.session, {}) if block.session else {}
        names.update(__name__="page", print=lambda *texts, to=printed, **_: to.append(" ".join(map(str, texts))))
        with presenting(publisher):
            exec(compile(block.source(), str(guide), "exec"), names)
        opening = lines[block.line - 1]
        fence = re.match(r"[ \t]*(`{3,}|~{3,})", opening)
        assert fence
        end = next(number for number in range(block.line, len(lines)) if lines[number].strip().startswith(fence[1]))
        out += [*lines[position : block.line - 1], *"\n".join(printed).split("\n")]
        position = end + 1
    return "\n".join([*out, *lines[position:]])


def builder(folder: Path, output: Path) -> Callable[[], None]:
    """Return a function that builds every language of the project in `folder`."""

    def build() -> None:
        for config in sorted(folder.glob("mkdocs*.yml")):
            subprocess.run(
                [
                    sys.executable,
                    "-m",
                    "mkdocs",
                    "build",
                    "--quiet",
                    "--strict",
                    "-f",
                    str(config),
                    "-d",
                    str(output / config.stem),
                ],
                cwd=folder,
                env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
                check=True,
            )

    return build


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        static = Path(name) / "static"
        static.mkdir()
        static_copy(static)
        ours, baseline = builder(ROOT, Path(name) / "ours"), builder(static, Path(name) / "baseline")
        ours()
        print(side_by_side("a warm build of both languages", ours, baseline, rounds=ROUNDS, aim=1.15).line())


if __name__ == "__main__":
    main()
