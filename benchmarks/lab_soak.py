"""Soak test of the lab: recipes that must always pass, run repeatedly on a busy machine.

::

    .venv/bin/python -m benchmarks.lab_soak --rounds 20 --busy 2
    .venv/bin/python -m benchmarks.lab_soak --rounds 20 --busy 2 kvm_api load_kvm_modules

Each round runs the named recipes again (default: all that start machines) with their usual limits of time and memory, while
busy loops load the processors. The script prints how often each recipe passed; the exit code is 0 if all passed every time.

The runs replace the records in the store. To keep a store as it is, use another one (``XDG_CACHE_HOME``), or a temporary
overlay.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from kvmdocs.execution.project import Project

ROOT = Path(__file__).resolve().parent.parent
MACHINE = ("kvmdocs.lab.machine", "Machine")
"""Definition that is reachable from every recipe that starts a machine."""

LOOP = """\
from kvmdocs.recording.background_process import die_with_parent
die_with_parent()
while True:
    pass
"""


@contextlib.contextmanager
def load(loops: int) -> Iterator[None]:
    """Load the processors with busy loops while the context is open."""
    busy = [subprocess.Popen([sys.executable, "-c", LOOP], cwd=ROOT) for _ in range(loops)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def of_the_lab() -> list[str]:
    """Return the recipes that start machines."""
    catalog = Project(ROOT).catalog
    return sorted(
        name
        for name, entry in catalog.entries.items()
        if MACHINE in catalog.code.definitions(entry.module, entry.recipe.function.__name__)
    )


def run(names: list[str]) -> tuple[dict[str, str], str]:
    """Run recipes again.

    Returns:
        Status of each recipe, and the details of failures.
    """
    command = [str(Path(sys.executable).parent / "kvmdocs"), "run", "--fresh", "--json", *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        return dict.fromkeys(names, "no output"), done.stderr[-4000:]
    statuses = {one["recipe"]: one["record"]["status"] for one in report["recipes"] if one["asked"]}
    failed = [one["record"] for one in report["recipes"] if one["record"]["status"] == "failed"]
    return statuses, "\n".join(
        f"{record['recipe']}: {json.dumps(record['failure'])[:2000]}\n{json.dumps(record['steps'][-3:])[-3000:]}"
        for record in failed
    )


def main() -> int:
    """Run the rounds and print the duration and failures of each; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--busy", type=int, default=os.cpu_count() or 1, help="number of busy loops")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="start no round after this time")
    options = parser.parse_args()
    names = options.recipes or of_the_lab()
    passed, ran = Counter[str](), Counter[str]()
    began = time.monotonic()
    with load(options.busy):
        for number in range(1, options.rounds + 1):
            if time.monotonic() - began > 60 * options.minutes:
                break
            start = time.monotonic()
            statuses, details = run(names)
            ran.update(names)
            passed.update(name for name, status in statuses.items() if status == "passed")
            failures = [f"{name} {statuses.get(name, 'did not run')}" for name in names if statuses.get(name) != "passed"]
            result = f"not passed: {', '.join(failures)}\n{details}" if failures else "passed"
            print(f"round {number:3}  {time.monotonic() - start:6.1f} s  load {os.getloadavg()[0]:5.1f}  {result}", flush=True)
    for name in names:
        print(f"{name:<32} {passed[name]:3} of {ran[name]}")
    return 0 if passed == ran else 1


if __name__ == "__main__":
    sys.exit(main())
