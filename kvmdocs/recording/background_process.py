"""Steps in progress, and processes that continue while later steps run."""

from __future__ import annotations

import ctypes
import signal
import time
from dataclasses import dataclass
from typing import Any

from kvmdocs.core.model import Where
from kvmdocs.recording.capture import Capture
from kvmdocs.recording.pipe_reader import PipeReader

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_PDEATHSIG = 1

STOP_TIMEOUT = 5.0
"""Seconds between SIGTERM and SIGKILL."""


def die_with_parent() -> None:
    """Ask the kernel to kill the calling process when its parent ends (prctl(2), PR_SET_PDEATHSIG).

    The worker's supervisor kills everything that a recipe started. This covers the case that the supervisor itself is killed.
    """
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


@dataclass
class LiveStep:
    """Step in progress. `Shell` converts it to a `Step` for the record."""

    where: Where
    command: str
    capture: Capture
    cwd: str | None
    section: str | None
    machine: str
    stdin: str | None
    background: bool
    started: float
    status: int | None = None
    mode: str = ""
    ended: float | None = None

    def write(self, chunk: bytes | str) -> None:
        """Append to the step's output."""
        self.capture.write(chunk)


class Spawned:
    """Process that runs in the background until it is stopped or the recipe ends."""

    def __init__(self, running: Any, step: LiveStep, pump: PipeReader) -> None:
        self._running = running
        self._step = step
        self._pump = pump
        self._ended = False

    @property
    def pid(self) -> int:
        """Process id."""
        return int(self._running.pid)

    def poll(self) -> int | None:
        """Return the exit status (negative for a signal), or None if the process is running."""
        alive, status = self._running.process.is_alive()
        if alive:
            return None
        if not self._ended:
            self._ended = True
            self._pump.finish()
            self._step.status = status
            self._step.ended = time.monotonic()
        return int(status)

    def wait(self, timeout: float) -> int | None:
        """Wait at most `timeout` seconds for the end. Return the exit status, or None if the process is still running."""
        deadline = time.monotonic() + timeout
        while (status := self.poll()) is None and time.monotonic() < deadline:
            time.sleep(0.01)
        return status

    def stop(self, timeout: float = STOP_TIMEOUT) -> int | None:
        """End the process with SIGTERM, and after `timeout` seconds with SIGKILL. Return its exit status."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if self.poll() is not None:
                break
            self._running.process.signal(number)
            self.wait(timeout)
        return self.poll()

    def output(self) -> str:
        """Return the output so far, shortened as in a record."""
        return self._step.capture.text()
