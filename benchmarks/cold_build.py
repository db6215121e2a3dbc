"""Cold build against the same commands in plain shells.

The recipes that only run host commands (getting and building QEMU and Linux) run on an empty store. Their records are turned
into a Makefile with one target per recipe, with the commands as the pages show them. ``make -j`` runs it in an empty HOME, with
as much parallelism as the graph allows. So this also tests that a page's commands can be pasted into a shell.
"""

from __future__ import annotations

import argparse
import os
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.measure import Ratio
from kvmdocs.core import graph
from kvmdocs.core.model import Record, Status, Step, Where
from kvmdocs.execution.project import FIXED, Project

ROOT = Path(__file__).resolve().parent.parent
RECIPES = ("qemu_built", "linux_build")


def cold(store: Path) -> float:
    """Return the seconds that the recipes take on an empty store."""
    began = time.monotonic()
    command = [sys.executable, "-m", "kvmdocs.cli", "-C", str(ROOT), "run", *RECIPES]
    subprocess.run(command, env={**os.environ, "KVMDOCS_STORE_PATH": str(store)}, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - began


def plain(store: Path, home: Path) -> float:
    """Return the seconds that the same commands take in plain shells."""
    project = Project(ROOT)
    plan = graph.closure(RECIPES, lambda name: [item.name for item in project.catalog.get(name).recipe.inputs])
    records = {name: record for name in plan if (record := latest(store, name)) is not None}
    makefile = [".ONESHELL:", "SHELL = /bin/bash", f"all: {' '.join(records)}", ""]
    for name, record in records.items():
        script = home / f"{name}.sh"
        script.write_text("\n".join(["set -eo pipefail", *script_of(store, record)]) + "\n", "utf-8")
        inputs = [other for other in plan[name] if other in records]
        makefile += [f"{name}: {' '.join(inputs)}", f"\tbash {script} > {home}/{name}.log 2>&1", ""]
    (home / "Makefile").write_text("\n".join(makefile), "utf-8")
    environ = {"PATH": os.environ["PATH"], **FIXED, "HOME": str(home)}
    began = time.monotonic()
    subprocess.run(["make", "-s", "-j", str(len(records))], cwd=home, env=environ, check=True)
    return time.monotonic() - began


def latest(store: Path, name: str) -> Record | None:
    """Return the record that the cold run made of a recipe; None if it was skipped."""
    from kvmdocs.store.store import Store

    record = Store(store).latest(name)
    return record if record and record.status is Status.PASSED else None


def script_of(store: Path, record: Record) -> list[str]:
    """Return a record's steps as lines of a shell script."""
    workspace = f"$HOME/kvm-lab/{record.recipe}"
    lines = [f"mkdir -p {workspace}"]
    for step in record.steps:
        folder = (step.cwd or workspace).replace("~/", "$HOME/", 1)
        lines.append(f"cd {folder}")
        if step.where is Where.FILE:
            lines.append(file_of(store, record, step))
        else:
            accepted = "" if step.status == 0 else f" || test $? -eq {step.status}"
            lines.append(f"( {step.command}\n){accepted}")
    return lines


def file_of(store: Path, record: Record, step: Step) -> str:
    """Return the commands that write a step's file: from the page's text, or as a copy if the page masks a mirror's address."""
    name = shlex.quote(step.command)
    if "<mirror>" in (step.stdin or ""):
        (real,) = (store / "v1" / "work").glob(f"{record.recipe}-*/{step.command}")
        return f"mkdir -p $(dirname {name}) && cp {shlex.quote(str(real))} {name}"
    return f"mkdir -p $(dirname {name}) && cat > {name} <<'END_OF_FILE'\n{step.stdin}END_OF_FILE"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--keep", action="store_true", help="keep the folders for inspection")
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="cold-build-"))
    store, home = folder / "store", folder / "home"
    home.mkdir()
    try:
        ours = cold(store)
        baseline = plain(store, home)
        print(Ratio("a cold build", ours, baseline, 1.05).line())
    finally:
        if options.keep:
            print(folder)
        else:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
