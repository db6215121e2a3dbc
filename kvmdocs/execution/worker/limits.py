"""Limits of a running recipe: its time, its memory, and termination from outside.

Each reaches the worker as a signal and is raised in the recipe as an exception. So the steps up to then are recorded and the
recipe's clean-up runs. The supervisor (`kvmdocs.execution.worker.supervisor`) kills a recipe that does not react.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import NoReturn, Self

from kvmdocs.core.errors import Evidence, KvmdocsError, OutOfMemory, RecipeFailed, TimedOut
from kvmdocs.execution.worker.supervisor import MEMORY_REPORT, MEMORY_SIGNAL
from kvmdocs.recording.recipe import CPUS_ALL, Recipe

MIN_MEMORY = 1 << 30
"""Memory in bytes that every recipe may use: Python and a debugger with its symbols alone take some hundred MiB."""

REFERENCE_CPUS = 2
"""Number of processors of the machine for which a recipe's `memory` and `expects` are declared."""


def memory_limit(recipe: Recipe, times: float, cpus: int) -> int:
    """Return the memory limit of a recipe.

    Args:
        recipe: The recipe. If it uses every processor, its declared memory is scaled by their number.
        times: Factor from the setting ``limits.memory_times``; 0 for no limit.
        cpus: Number of processors it gets.

    Returns:
        The limit in bytes, 0 for none.
    """
    scale = max(1.0, cpus / REFERENCE_CPUS) if recipe.cpus == CPUS_ALL else 1.0
    return max(MIN_MEMORY, int(recipe.memory * times * scale)) if times else 0


class LimitSignals:
    """Context manager that turns the signals of limits into exceptions in the recipe, in the worker's main thread.

    Args:
        seconds: Time limit of the recipe.
        folder: Folder of the run, where the supervisor writes the details of memory overuse.

    Attributes:
        error: The first exception raised. It counts even if the recipe catches it, or fails in its clean-up.
    """

    def __init__(self, seconds: float, folder: Path) -> None:
        self._seconds = seconds
        self._folder = folder
        self._numbers: list[signal.Signals] = []
        self.error: KvmdocsError | None = None

    def __enter__(self) -> Self:
        self._on(signal.SIGALRM, self._timed_out)
        self._on(
            MEMORY_SIGNAL, lambda: out_of_memory(self._folder) or OutOfMemory("the recipe used more memory than its limit")
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            self._on(number, partial(RecipeFailed, f"the recipe was terminated from outside by {number.name}"))
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in self._numbers:
            # Only the record is still to be written.
            signal.signal(number, signal.SIG_IGN)

    def _on(self, number: signal.Signals, make: Callable[[], KvmdocsError]) -> None:
        def handler(_number: int, _frame: FrameType | None) -> NoReturn:
            error = make()
            self.error = self.error or error
            raise error

        signal.signal(number, handler)
        self._numbers.append(number)

    def _timed_out(self) -> TimedOut:
        return TimedOut(
            f"the recipe did not end within its time limit of {self._seconds:.0f} s",
            Evidence(advice="see what its last step waits for, or give it a longer `timeout`"),
        )


def out_of_memory(folder: Path) -> OutOfMemory | None:
    """Return the error for memory overuse from the supervisor's file in a run's folder; None if there is no such file."""
    try:
        overuse = json.loads((folder / MEMORY_REPORT).read_bytes())
        total, limit = overuse["used"], overuse["limit"]
        largest = ", ".join(f"{name} {used / 2**30:.1f} GiB" for name, used in overuse["largest"] if used > total / 20)
        return OutOfMemory(
            f"the recipe used {total / 2**30:.1f} GiB of memory, more than its limit of {limit / 2**30:.1f} GiB: {largest}",
            Evidence(
                advice="see what takes it, or say in the recipe's `memory` that it needs more (setting limits.memory_times)"
            ),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def kernel_kills() -> int:
    """Return the number of processes that the kernel has killed for lack of memory since boot (proc_vmstat(5))."""
    try:
        lines = Path("/proc/vmstat").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
