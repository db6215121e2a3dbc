"""What ends a recipe from outside while it runs: its time is over, it uses too much memory, or somebody wants it ended.

Each comes to a worker as a signal and is raised in the recipe, so that the steps so far are kept and its clean-up runs. The keeper (`kvmdocs.execution.worker.supervisor`) sees to
the recipe that does not react.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn, Self

from kvmdocs.core.errors import Evidence, KvmdocsError, OutOfMemory, RecipeFailed, TimedOut
from kvmdocs.execution.worker.supervisor import MEMORY_SIGNAL, OVERUSE
from kvmdocs.recording.recipe import CPUS_ALL, Recipe

MIN_MEMORY = 1 << 30
"""Bytes that every recipe may use, whatever it says it needs: Python and a debugger with its symbols take some hundred MiB."""


SMALL = 2
"""Processors of the machine that a recipe's `memory` is meant for, as its `expects` is."""


def memory_limit(recipe: Recipe, times: float, cpus: int) -> int:
    """Bytes that a recipe may come to use.

    Args:
        recipe: It says what it needs; one that uses every processor needs as much more as there are more of them.
        times: The setting ``limits.memory_times``; 0 for no limit.
        cpus: The processors it is given.

    Returns:
        The limit, 0 for none.
    """
    share = max(1.0, cpus / SMALL) if recipe.cpus == CPUS_ALL else 1.0
    return max(MIN_MEMORY, int(recipe.memory * times * share)) if times else 0


class LimitSignals:
    """Raises in a recipe what comes over it, for the length of a ``with`` in the worker's main thread.

    Args:
        seconds: The recipe's time limit.
        folder: The run's folder, where the keeper says why there is too little memory.

    Attributes:
        error: What came over it first. It counts whatever the recipe made of it: a recipe may catch it, or fail in its clean-up.
    """

    def __init__(self, seconds: float, folder: Path) -> None:
        self._seconds = seconds
        self._folder = folder
        self._before: dict[int, Any] = {}
        self.error: KvmdocsError | None = None

    def __enter__(self) -> Self:
        self._on(signal.SIGALRM, self._late)
        self._on(
            MEMORY_SIGNAL, lambda: out_of_memory(self._folder) or OutOfMemory("the recipe used more memory than its limit")
        )
        for number in (signal.SIGTERM, signal.SIGINT):
            self._on(number, partial(RecipeFailed, f"the recipe was ended from outside, by {number.name}"))
        signal.setitimer(signal.ITIMER_REAL, self._seconds)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number in self._before:
            # What is left to do is to write the record.
            signal.signal(number, signal.SIG_IGN)

    def _on(self, number: signal.Signals, make: Callable[[], KvmdocsError]) -> None:
        def over(_number: int, _frame: FrameType | None) -> NoReturn:
            error = make()
            self.error = self.error or error
            raise error

        self._before[number] = signal.signal(number, over)

    def _late(self) -> TimedOut:
        return TimedOut(
            f"the recipe did not end within its time limit of {self._seconds:.0f} s",
            Evidence(advice="see what its last step waits for, or give it a longer `timeout`"),
        )


def out_of_memory(folder: Path) -> OutOfMemory | None:
    """What a keeper says, in a run's folder, of a recipe that used too much memory; None when it says nothing."""
    try:
        told = json.loads((folder / OVERUSE).read_bytes())
        worth_telling = [(name, used) for name, used in told["largest"] if used > told["used"] / 20]
        largest = ", ".join(f"{name} {used / 2**30:.1f} GiB" for name, used in worth_telling)
        return OutOfMemory(
            f"the recipe used {told['used'] / 2**30:.1f} GiB of memory, more than its limit of {told['limit'] / 2**30:.1f} GiB: {largest}",
            Evidence(
                advice="see what takes it, or say in the recipe's `memory` that it needs more (setting limits.memory_times)"
            ),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def kernel_kills() -> int:
    """How many processes the kernel has killed for want of memory since the host started (proc_vmstat(5))."""
    try:
        lines = Path("/proc/vmstat").read_text("ascii").splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)
