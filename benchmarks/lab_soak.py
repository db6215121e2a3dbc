"""Recipes of the lab, again and again on a busy machine: what must pass every time, and does it?

::

    .venv/bin/python -m benchmarks.lab_soak --rounds 20 --busy 2 kvm_api load_kvm_modules

Each round runs the named recipes afresh, by the engine, with their own time and memory limits, while loops that do nothing keep processors
busy. Ends with 0 if every round passed.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SHORT = ("kvm_host", "kvm_api", "load_kvm_modules", "start_vm", "find_process")
"""Recipes of a few seconds that start machines."""


@contextlib.contextmanager
def load(loops: int) -> Iterator[None]:
    """Keep processors busy for the length of a ``with``."""
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def main() -> int:
    """Run the rounds; tell of each how long it took, and what failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("recipes", nargs="*", default=SHORT)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--busy", type=int, default=os.cpu_count() or 1, help="loops that keep processors busy")
    given = parser.parse_args()
    failed = 0
    with load(given.busy):
        for number in range(1, given.rounds + 1):
            began = time.monotonic()
            command = [str(Path(sys.executable).parent / "kvmdocs"), "run", "--fresh", *given.recipes]
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            failed += done.returncode != 0
            said = "passed" if done.returncode == 0 else f"FAILED with {done.returncode}\n{done.stderr[-4000:]}"
            average = os.getloadavg()[0]
            print(f"round {number:3}  {time.monotonic() - began:6.1f} s  load {average:5.1f}  {said}", flush=True)
    print(f"{given.rounds - failed} of {given.rounds} rounds passed: {', '.join(given.recipes)}; {given.busy} busy loops")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
