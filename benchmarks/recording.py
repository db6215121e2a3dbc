"""Recording of 1,000 trivial commands against the plain `sh` package, and memory while a command prints 1 GiB."""

from __future__ import annotations

import resource
import tempfile
from pathlib import Path

import sh

from benchmarks.measure import side_by_side
from kvmdocs.core.paths import PathDisplay
from kvmdocs.recording.shell import Shell

COMMANDS = 1000
ROUNDS = 3
LIMIT = 200
"""Target in MiB for our process's memory while a command prints 1 GiB."""


def new_shell(folder: Path) -> Shell:
    """Return a shell like that of a worker."""
    workspace = folder / "work" / "trial-0123456789abcdef"
    workspace.mkdir(parents=True, exist_ok=True)
    return Shell(workspace, PathDisplay(folder / "work"), folder / "logs")


def main() -> None:
    """Measure and print."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)

        def recorded() -> None:
            shell = new_shell(folder)
            for number in range(COMMANDS):
                shell.true(number)
            shell.steps()

        def plain() -> None:
            for number in range(COMMANDS):
                sh.true(number)

        print(side_by_side(f"recording {COMMANDS} trivial commands", recorded, plain, rounds=ROUNDS, aim=1.1).line())
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        shell = new_shell(folder)
        shell.line("yes 'a line of output that is about as long as others' | head -c 1G || true")
        shell.steps()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        verdict = "as aimed" if peak < LIMIT else "MISSED"
        print(f"{'a command that prints 1 GiB':<44} {peak:5d} MiB    (aim under {LIMIT}, {verdict}; {before} MiB before)")


if __name__ == "__main__":
    main()
