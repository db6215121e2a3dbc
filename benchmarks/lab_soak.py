"""Recipes of the lab, again and again on a busy machine: what must pass every time, and does it?

::

    .venv/bin/python -m benchmarks.lab_soak --rounds 20 --busy 2
    .venv/bin/python -m benchmarks.lab_soak --rounds 20 --busy 2 kvm_api load_kvm_modules

Each round runs the named recipes afresh, all that start machines if none is named, by the engine, with their own time and memory limits,
while loops that do nothing keep processors busy. It tells how often each one passed, and ends with 0 if every one did every time.

The records of the runs take the places of those in the store. To keep a store as it is, give the runs another one
(``XDG_CACHE_HOME``), or a file system over it that is thrown away.
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
"""What a recipe reaches that starts a machine."""

LOOP = """\
from kvmdocs.recording.background_process import die_with_parent
die_with_parent()
while True:
    pass
"""


@contextlib.contextmanager
def load(loops: int) -> Iterator[None]:
    """Keep processors busy for the length of a ``with``."""
    busy = [subprocess.Popen([sys.executable, "-c", LOOP], cwd=ROOT) for _ in range(loops)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def of_the_lab() -> list[str]:
    """The recipes that start machines."""
    catalog = Project(ROOT).catalog
    return sorted(
        name
        for name, entry in catalog.entries.items()
        if MACHINE in catalog.code.definitions(entry.module, entry.recipe.function.__name__)
    )


def run(names: list[str]) -> tuple[dict[str, str], str]:
    """Run recipes afresh.

    Returns:
        How each ended, and what was said of those that failed.
    """
    command = [str(Path(sys.executable).parent / "kvmdocs"), "run", "--fresh", "--json", *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    try:
        told = json.loads(done.stdout)
    except ValueError:
        return dict.fromkeys(names, "no answer"), done.stderr[-4000:]
    ends = {one["recipe"]: one["record"]["status"] for one in told["recipes"] if one["asked"]}
    failed = [one["record"] for one in told["recipes"] if one["record"]["status"] == "failed"]
    return ends, "\n".join(
        f"{record['recipe']}: {json.dumps(record['failure'])[:2000]}\n{json.dumps(record['steps'][-3:])[-3000:]}"
        for record in failed
    )


def main() -> int:
    """Run the rounds; tell of each how long it took, and what failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recipes", nargs="*")
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--busy", type=int, default=os.cpu_count() or 1, help="loops that keep processors busy")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="begin no round after so long")
    given = parser.parse_args()
    names = given.recipes or of_the_lab()
    passed, ran = Counter[str](), Counter[str]()
    began = time.monotonic()
    with load(given.busy):
        for number in range(1, given.rounds + 1):
            if time.monotonic() - began > 60 * given.minutes:
                break
            at = time.monotonic()
            ends, said = run(names)
            ran.update(names)
            passed.update(name for name, end in ends.items() if end == "passed")
            wrong = [f"{name} {ends.get(name, 'did not run')}" for name in names if ends.get(name) != "passed"]
            told = f"not passed: {', '.join(wrong)}\n{said}" if wrong else "passed"
            print(f"round {number:3}  {time.monotonic() - at:6.1f} s  load {os.getloadavg()[0]:5.1f}  {told}", flush=True)
    for name in names:
        print(f"{name:<32} {passed[name]:3} of {ran[name]}")
    return 0 if passed == ran else 1


if __name__ == "__main__":
    sys.exit(main())
