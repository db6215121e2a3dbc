"""Recipes that only the KVM guides need, all run again. The builds of the kernel and of QEMU must exist already.

The builds of the kernel's modules (for the built kernel and for a distribution's) and all the others, including perf and the
selftests, are timed separately.

Other work on the machine makes a recipe wait, but hardly adds to its processor time. So the processor time is printed beside
the wall-clock time: divided by the number of processors, it is a lower bound, which a quiet machine comes close to.
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
EXISTING = ("linux_build", "qemu_optimised", "qemu_debug", "accelerator", "kvm_git")
"""Recipes of other guides that the KVM recipes build on, and one that is only a download."""

COMPILE = ("kvm_for_distribution", "kvm_module")
"""Recipes that mainly compile kernel modules."""

AIM = 240.0
"""Target in seconds for the other recipes, on two processors of a quiet machine."""


def half(project: Project) -> list[str]:
    """Return the recipes that the KVM guides show and their inputs, without the existing ones."""
    catalog = project.catalog

    def inputs(name: str) -> tuple[str, ...]:
        return tuple(one.name for one in catalog.get(name).recipe.inputs)

    shown = {request.name for request in catalog.requests if request.block.guide.parent.name == GUIDES}
    return sorted(set(closure(shown, inputs)) - set(closure(EXISTING, inputs)))


def timed(what: str, names: list[str], aim: str = "") -> int:
    """Run recipes again and print their times.

    Returns:
        Exit status of ``kvmdocs run``.
    """
    command = [str(Path(sys.executable).parent / "kvmdocs"), "run", "--fresh", *names]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=ROOT, check=False)
    took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    processors = os.cpu_count() or 1
    print(f"{what}, {len(names)} recipes: {took:.0f} s of wall-clock time{aim} at a load of {os.getloadavg()[1]:.0f}")
    print(f"{worked:.0f} s of processor time: at least {worked / processors:.0f} s on {processors} processors", flush=True)
    return done.returncode


def main() -> int:
    """Run and time both parts; return the exit code."""
    names = half(Project(ROOT))
    failed = timed("compiling modules of the kernel", sorted(set(names) & set(COMPILE)))
    return timed("the rest of the KVM half", sorted(set(names) - set(COMPILE)), f" (aim {AIM:.0f})") or failed


if __name__ == "__main__":
    sys.exit(main())
