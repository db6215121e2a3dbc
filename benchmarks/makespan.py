"""Duration of a build of 40 recipes of uneven length on two processors, against a lower bound for any order.

The recipes sleep, and at most two run at once, so that other work on the machine matters little. A third of them are
independent; the others form chains and fan-ins, as in guides. The baseline is the larger of half the sum of their durations and
the longest chain; no order is faster, and the best one may be slower. Durations are drawn from a fixed seed, from half a second
to eight.
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
from kvmdocs.execution.run_result import ProgressListener
from kvmdocs.core.model import Status
from kvmdocs.execution.project import Project

project = Project(Path.cwd(), guides=[])
names = sorted(project.catalog.entries)
outcome = Executor(project, ProgressListener()).run(names)
assert len(outcome.names(status=Status.PASSED)) == len(names)
"""


def plan() -> list[tuple[float, list[int]]]:
    """Return the seconds of each recipe and the numbers of its inputs."""
    draw = random.Random(40)
    recipes: list[tuple[float, list[int]]] = []
    for number in range(COUNT):
        seconds = round(0.5 * 16 ** draw.random(), 2)
        inputs = sorted(draw.sample(range(number), min(number, draw.choice((0, 1, 2)))))
        recipes.append((seconds, inputs))
    return recipes


def best(recipes: list[tuple[float, list[int]]]) -> float:
    """Return a lower bound for the seconds of any order."""
    ends: list[float] = []
    for seconds, inputs in recipes:
        ends.append(seconds + max((ends[item] for item in inputs), default=0.0))
    return max(*ends, sum(seconds for seconds, _ in recipes) / PROCESSORS)


def write(root: Path, recipes: list[tuple[float, list[int]]]) -> None:
    """Write a project with these recipes. Decorators have the expected durations, as an author would write them."""
    package = root / "uneven"
    package.mkdir()
    (root / "docs").mkdir()
    (root / "kvmdocs.toml").write_text('[project]\ndocs = ["docs"]\nrecipes = "uneven"\n', "utf-8")
    code = ["from kvmdocs import Shell, recipe\n"]
    for number, (seconds, inputs) in enumerate(recipes):
        parameters = "".join(f", r{item:02}: None" for item in inputs)
        code.append(
            f'\n\n@recipe(expects="{max(1, round(seconds))}s")\n'
            f'def r{number:02}(sh: Shell{parameters}) -> None:\n    sh.sleep("{seconds}")\n'
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
