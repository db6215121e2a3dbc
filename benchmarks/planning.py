"""Planning: from a project's files to what is stale, for 2,500, 5,000 and 10,000 synthetic recipes; the time to import kvmdocs.

A recipe builds on two earlier ones and calls a helper of a shared module. Three things are timed in a process of its own each, as a build would meet
them: reading the recipes (import and decorators), planning on an empty store (graph, order, urgency, code digests, first keys), and planning when the
store has every record, so that every key is made and every record read.
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
A_MODULE = 100
"""Recipes in one module."""

AIM = 2.0
"""Seconds for planning the largest project."""

ROUNDS = 5
"""How often each size is planned; the median counts."""

IMPORT_AIM = 0.150
IMPORT_ROUNDS = 9

TIMED = """
import json, sys, time
from pathlib import Path
from kvmdocs.core import graph
from kvmdocs.execution.executor import Executor
from kvmdocs.execution.result import ProgressListener
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
from kvmdocs.host import probes
from kvmdocs.execution.executor import Executor
from kvmdocs.execution.result import ProgressListener
from kvmdocs.core.graph import closure, topological_order
from kvmdocs.core.model import Freshness, Record, Status
from kvmdocs.execution.project import Project

project = Project(Path.cwd(), guides=[])
names = sorted(project.catalog.entries)
executor = Executor(project, ProgressListener())
plan = closure(names, lambda name: [item.name for item in project.catalog.get(name).recipe.inputs])
for name in topological_order(plan):
    record = Record(recipe=name, key=executor._key(name), status=Status.PASSED, host=executor._host, started=probes.now(), result="0" * 64)
    project.store.put(record)
    executor._outcome.records[name] = record
"""


def write_project(root: Path, size: int) -> None:
    """A project of so many recipes, each on two earlier ones."""
    package = root / "synthetic"
    package.mkdir(parents=True)
    (root / "docs").mkdir()
    (root / "kvmdocs.toml").write_text('[project]\ndocs = ["docs"]\nrecipes = "synthetic"\n', "utf-8")
    (package / "__init__.py").write_text("", "utf-8")
    (package / "shared.py").write_text("LIMIT = 3\n\n\ndef helper(number: int) -> int:\n    return number + LIMIT\n", "utf-8")
    for first in range(0, size, A_MODULE):
        head = "from kvmdocs import Shell, recipe\nfrom synthetic.shared import helper\n"
        body = [_recipe(number) for number in range(first, min(first + A_MODULE, size))]
        (package / f"part{first // A_MODULE:04}.py").write_text(head + "".join(body), "utf-8")


def _recipe(number: int) -> str:
    inputs = "".join(f", r{other:05}: None" for other in sorted({number // 2, number - 1} - {number, -1}))
    return f"\n\n@recipe()\ndef r{number:05}(sh: Shell{inputs}) -> None:\n    sh.echo(helper({number}))\n"


def run(code: str, root: Path, *args: str) -> str:
    """Run some Python in the project's folder, in a process of its own; returns what it printed."""
    environ = {**os.environ, "KVMDOCS_STORE_PATH": str(root / "store"), "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": ""}
    command = [sys.executable, "-c", textwrap.dedent(code), *args]
    return subprocess.run(command, cwd=root, env=environ, check=True, stdout=subprocess.PIPE, text=True).stdout


def planning() -> None:
    """Time the three sizes, round after round, so that a machine whose speed changes treats them alike."""
    with tempfile.TemporaryDirectory() as name:
        roots = {size: Path(name) / str(size) for size in SIZES}
        for size, root in roots.items():
            write_project(root, size)
            run("import synthetic", root)
        seen: dict[tuple[int, str], list[dict[str, float]]] = {}
        for _ in range(ROUNDS):
            for size, root in roots.items():
                shutil.rmtree(root / "store", ignore_errors=True)
                for state in ("empty", "full"):
                    seen.setdefault((size, state), []).append(json.loads(run(TIMED, root, state)))
                    if state == "empty":
                        run(FILL, root)

    def median(size: int, state: str, what: str) -> float:
        return statistics.median(times[what] for times in seen[size, state])

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
    """The time ``import kvmdocs`` adds to a Python that starts and ends."""

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
