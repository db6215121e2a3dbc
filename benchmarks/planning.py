"""Planning (finding the stale recipes of a project) for 2,500, 5,000 and 10,000 synthetic recipes, and importing kvmdocs.

A recipe builds on two earlier ones and calls a helper of a shared module. Three steps are timed, each in a new process:
reading the recipes (import and decorators), planning on an empty store (graph, order, critical path, code digests, first keys),
and planning with every record in the store (every key computed, every record read).
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from pathlib import Path

from benchmarks.measure import Ratio

SIZES = (2500, 5000, 10000)
MODULE_SIZE = 100
"""Recipes per module."""

AIM = 2.0
"""Target in seconds for planning the largest project."""

ROUNDS = 5
"""Number of measurements of each size; the median counts."""

IMPORT_AIM = 0.150
IMPORT_ROUNDS = 9

TIMED = """
import json, sys, time
from pathlib import Path
from kvmdocs.core import graph
from kvmdocs.execution.executor import Executor
from kvmdocs.execution.run_result import ProgressListener
from kvmdocs.execution.project import Project

project = Project(Path.cwd(), guides=[])
began = time.perf_counter()
names = sorted(project.catalog.entries)
read = time.perf_counter() - began
began = time.perf_counter()
executor = Executor(project, ProgressListener())
if sys.argv[1] == "empty":
    stale = executor.stale(names)
    plan = graph.closure(names, lambda name: [item.name for item in project.catalog.get(name).recipe.inputs])
    graph.critical_path(plan, lambda name: project.catalog.get(name).recipe.expects)
    assert len(stale) == len(names), len(stale)
else:
    outcome = executor.run(names)
    assert len(outcome.records) == len(names) and not executor.stale(names)
print(json.dumps({"read": read, "plan": time.perf_counter() - began}))
"""

FILL = """
from pathlib import Path
from kvmdocs.host.facts import now
from kvmdocs.execution.executor import Executor
from kvmdocs.execution.run_result import ProgressListener
from kvmdocs.core.graph import closure, topological_order
from kvmdocs.core.model import Freshness, Record, Status
from kvmdocs.execution.project import Project

project = Project(Path.cwd(), guides=[])
names = sorted(project.catalog.entries)
executor = Executor(project, ProgressListener())
plan = closure(names, lambda name: [item.name for item in project.catalog.get(name).recipe.inputs])
for name in topological_order(plan):
    key = executor._stored.key(name, executor._result.records)
    record = Record(recipe=name, key=key, status=Status.PASSED, host=executor._host, started=now(), result="0" * 64)
    project.store.put(record)
    executor._result.records[name] = record
"""


def write_project(root: Path, size: int) -> None:
    """Write a project with `size` recipes, each of which builds on two earlier ones."""
    package = root / "synthetic"
    package.mkdir(parents=True)
    (root / "docs").mkdir()
    (root / "kvmdocs.toml").write_text('[project]\ndocs = ["docs"]\nrecipes = "synthetic"\n', "utf-8")
    (package / "__init__.py").write_text("", "utf-8")
    (package / "shared.py").write_text("LIMIT = 3\n\n\ndef helper(number: int) -> int:\n    return number + LIMIT\n", "utf-8")
    for first in range(0, size, MODULE_SIZE):
        head = "from kvmdocs import Shell, recipe\nfrom synthetic.shared import helper\n"
        body = [_recipe(number) for number in range(first, min(first + MODULE_SIZE, size))]
        (package / f"part{first // MODULE_SIZE:04}.py").write_text(head + "".join(body), "utf-8")


def _recipe(number: int) -> str:
    inputs = "".join(f", r{other:05}: None" for other in sorted({number // 2, number - 1} - {number, -1}))
    return f"\n\n@recipe()\ndef r{number:05}(sh: Shell{inputs}) -> None:\n    sh.echo(helper({number}))\n"


def run(code: str, root: Path, *args: str) -> str:
    """Run Python code in a new process in the project's folder; return its output."""
    environ = {**os.environ, "KVMDOCS_STORE_PATH": str(root / "store"), "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", textwrap.dedent(code), *args]
    return subprocess.run(command, cwd=root, env=environ, check=True, stdout=subprocess.PIPE, text=True).stdout


def planning() -> None:
    """Time the three sizes in turns, so that changes of the machine's speed affect all alike."""
    with tempfile.TemporaryDirectory() as name:
        roots = {size: Path(name) / str(size) for size in SIZES}
        for size, root in roots.items():
            write_project(root, size)
            run("import synthetic", root)
        times: dict[tuple[int, str], list[dict[str, float]]] = {}
        for _ in range(ROUNDS):
            for size, root in roots.items():
                shutil.rmtree(root / "store", ignore_errors=True)
                for state in ("empty", "full"):
                    times.setdefault((size, state), []).append(json.loads(run(TIMED, root, state)))
                    if state == "empty":
                        run(FILL, root)

    def median(size: int, state: str, step: str) -> float:
        return statistics.median(seconds[step] for seconds in times[size, state])

    print(f"{'recipes':>8}  {'read':>7}  {'plan, empty store':>18}  {'plan, full store':>17}")
    for size in SIZES:
        empty, full = median(size, "empty", "plan"), median(size, "full", "plan")
        print(f"{size:>8}  {median(size, 'empty', 'read'):>5.2f} s  {empty:>16.2f} s  {full:>15.2f} s")
    small, large = SIZES[0], SIZES[-1]
    for state in ("empty", "full"):
        least, most = median(small, state, "plan"), median(large, state, "plan")
        verdict = "as aimed" if most < AIM else "MISSED"
        print(f"{state} store: {most / least / (large / small):.2f} times linear; {verdict} (aim {AIM:g} s)")


def importing() -> None:
    """Time ``import kvmdocs``: the difference to a Python that imports nothing."""

    def median(code: str) -> float:
        times = []
        for _ in range(IMPORT_ROUNDS):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            times.append(time.perf_counter() - began)
        return sorted(times)[IMPORT_ROUNDS // 2]

    ours, empty = median("import kvmdocs"), median("pass")
    print(Ratio("a Python that imports kvmdocs, against none", ours, empty, (empty + IMPORT_AIM) / empty).line())
    print(f"importing kvmdocs: {(ours - empty) * 1000:.0f} ms (aim {IMPORT_AIM * 1000:.0f} ms)")


if __name__ == "__main__":
    importing()
    planning()
