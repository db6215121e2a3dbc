"""The KVM half from nothing: every recipe that only its guides need, run afresh; the kernel's and QEMU's builds are there already.

First the builds of the kernel's modules alone (for the kernel that was built, and for a distribution's), then all the rest, perf and the selftests among it;
each is timed.

Other work on the machine makes a recipe wait, and hardly makes it work more. So besides the seconds on the clock the processor's seconds are
told: on as many processors as there are the half cannot take less than its share of them, and on a quiet machine takes little more.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

from kvmdocs.core.graph import closure
from kvmdocs.execution.project import Project

ROOT = Path(__file__).resolve().parent.parent
GUIDES = "kvm"
THERE = ("linux_build", "qemu_optimised", "qemu_debug", "accelerator", "kvm_git")
"""Recipes of the other guides that the half builds on, and the one that is only a download."""

COMPILE = ("kvm_for_distribution", "kvm_module")
"""Recipes that compile modules of a kernel, and hardly do anything else."""

AIM = 240.0
"""Seconds for the rest, on two processors of a quiet machine."""


def half(project: Project) -> list[str]:
    """The recipes that the KVM guides show, with what those build on, less what is there already."""
    catalog = project.catalog

    def inputs(name: str) -> tuple[str, ...]:
        return tuple(one.name for one in catalog.get(name).recipe.inputs)

    shown = {request.name for request in catalog.requests if request.block.guide.parent.name == GUIDES}
    return sorted(set(closure(shown, inputs)) - set(closure(THERE, inputs)))


def timed(what: str, names: list[str], aim: str = "") -> int:
    """Run recipes afresh; tell what they took.

    Returns:
        What ``kvmdocs run`` ended with.
    """
    command = [str(Path(sys.executable).parent / "kvmdocs"), "run", "--fresh", *names]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=ROOT, check=False)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    processors = os.cpu_count() or 1
    print(f"{what}, {len(names)} recipes: {took:.0f} s on the clock{aim} at a load of {os.getloadavg()[1]:.0f}")
    print(f"{worked:.0f} s of processors: at least {worked / processors:.0f} s on {processors}", flush=True)
    return done.returncode


def main() -> int:
    """Run both parts."""
    names = half(Project(ROOT))
    failed = timed("compiling modules of the kernel", sorted(set(names) & set(COMPILE)))
    return timed("the rest of the KVM half", sorted(set(names) - set(COMPILE)), f" (aim {AIM:.0f})") or failed


if __name__ == "__main__":
    sys.exit(main())
