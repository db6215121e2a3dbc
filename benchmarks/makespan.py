"""How long a build takes that runs 40 recipes of uneven length on two processors, against the best that any order could reach.

The recipes sleep, and no more of them run at once than there are processors, so that what else the machine does counts little. A third of them are independent; the others stand in chains and fan-ins, as guides'
recipes do. No order can be quicker than half of all their seconds, nor than the longest chain: the larger of the two is the baseline, and real
schedules may not even reach that. The lengths are drawn once, from a fixed seed, between half a second and eight seconds.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Ratio

COUNT = 40
PROCESSORS = 2
AIM = 1.1

RUN = """
from pathlib import Path
from kvmdocs.execution.executor import Executor
from kvmdocs.execution.result import ProgressListener
from kvmdocs.core.model import Status
from kvmdocs.execution.project import Project

project = Project(Path.cwd(), guides=[])
names = sorted(project.catalog.entries)
outcome = Executor(project, ProgressListener()).run(names)
assert len(outcome.names(status=Status.PASSED)) == len(names)
"""


def plan() -> list[tuple[float, list[int]]]:
    """Seconds of each recipe and which earlier ones it builds on."""
    draw = random.Random(40)
    recipes: list[tuple[float, list[int]]] = []
    for number in range(COUNT):
        seconds = round(0.5 * 16 ** draw.random(), 2)
        inputs = sorted(draw.sample(range(number), min(number, draw.choice((0, 1, 2)))))
        recipes.append((seconds, inputs))
    return recipes


def best(recipes: list[tuple[float, list[int]]]) -> float:
    """Seconds below which no order can be."""
    ends: list[float] = []
    for seconds, inputs in recipes:
        ends.append(seconds + max((ends[item] for item in inputs), default=0.0))
    return max(*ends, sum(seconds for seconds, _ in recipes) / PROCESSORS)


def write(root: Path, recipes: list[tuple[float, list[int]]]) -> None:
    """A project of these recipes. What a recipe is expected to take stands in its decorator, as an author would write it."""
    package = root / "uneven"
    package.mkdir()
    (root / "docs").mkdir()
    (root / "kvmdocs.toml").write_text('[project]\ndocs = ["docs"]\nrecipes = "uneven"\n', "utf-8")
    code = ["from kvmdocs import Shell, recipe\n"]
    for number, (seconds, inputs) in enumerate(recipes):
        takes = "".join(f", r{item:02}: None" for item in inputs)
        code.append(
            f'\n\n@recipe(expects="{max(1, round(seconds))}s")\ndef r{number:02}(sh: Shell{takes}) -> None:\n    sh.sleep("{seconds}")\n'
        )
    (package / "__init__.py").write_text("".join(code), "utf-8")


def main() -> None:
    """Measure and print."""
    recipes = plan()
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        write(root, recipes)
        environ = {
            **os.environ,
            "KVMDOCS_STORE_PATH": str(root / "store"),
            "KVMDOCS_LIMITS_JOBS": str(PROCESSORS),
            "PYTHONPATH": str(root),
        }
        began = time.monotonic()
        subprocess.run([sys.executable, "-c", RUN], cwd=root, env=environ, check=True)
        took = time.monotonic() - began
    print(Ratio(f"{COUNT} uneven recipes on {PROCESSORS} processors, to the best order", took, best(recipes), AIM).line())


if __name__ == "__main__":
    main()
