"""Carrying a command's output to its step while it runs.

The `sh` package can buffer by line (a gigabyte of short lines takes half an hour) or by size (a build then looks dead for a minute). Here a
command writes into two pipes, and one thread takes from both whatever is there at once: in the order in which it came, as a
terminal would show it, and no faster than it is taken.
"""

from __future__ import annotations

import _thread
import os
import select
import time
from collections import deque
from typing import BinaryIO, Protocol

from kvmdocs.core.errors import Evidence, StoreError

CHUNK = 64 * 1024
"""Bytes read at once; the size of a pipe."""
KEPT = 16 * 1024 * 1024
"""Bytes of standard output that are handed back as the command's value: the last ones."""
LINGER = 0.2
"""Seconds to wait for more when the command has ended but something it left behind still holds the pipe."""
LINGER_AT_MOST = 2.0
"""Seconds after the command's end from which on what is left behind is not listened to, however much it says."""


class Sink(Protocol):
    """What takes the output."""

    def write(self, chunk: bytes) -> None:
        """Take the next piece."""


class Pump:
    """Two pipes for a command's standard output and error.

    Args:
        sink: What takes both, in order of arrival.

    Attributes:
        out: The end that becomes the command's standard output.
        err: The end that becomes its standard error.
    """

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._out, out = os.pipe()
        self._err, err = os.pipe()
        self._wake, self._bell = os.pipe()
        self.out: BinaryIO = os.fdopen(out, "wb", buffering=0)
        self.err: BinaryIO = os.fdopen(err, "wb", buffering=0)
        self._kept: deque[bytes] = deque()
        self._size = 0
        self._failed: OSError | None = None
        # A `threading.Thread` waits until it runs before its start() returns; every command would pay for that.
        self._over = _thread.allocate_lock()
        self._over.acquire()
        _thread.start_new_thread(self._run, ())

    def started(self) -> None:
        """The command has its ends; ours would keep the pipes open for ever."""
        self.out.close()
        self.err.close()

    def finish(self) -> str:
        """The command has ended: take what is left.

        Returns:
            Its standard output, the last 16 MiB of it.

        Raises:
            StoreError: What takes the output could not write it: the disk is full.
        """
        self.started()
        os.close(self._bell)
        self._over.acquire()
        if self._failed is not None:
            raise StoreError(
                f"the output of a command cannot be kept: {self._failed.strerror}",
                Evidence(advice="free space where the store lies or set KVMDOCS_STORE_PATH to a larger disk"),
            ) from self._failed
        return b"".join(self._kept).decode("utf-8", "replace")

    def _run(self) -> None:
        try:
            self._carry()
        finally:
            for fd in (self._out, self._err, self._wake):
                os.close(fd)
            self._over.release()

    def _carry(self) -> None:
        poller = select.poll()
        open_ends = {self._out, self._err}
        for fd in (*open_ends, self._wake):
            poller.register(fd, select.POLLIN)
        ended: float | None = None
        while open_ends:
            ready = [fd for fd, _ in poller.poll(None if ended is None else LINGER * 1000)]
            if ended is not None and (not ready or time.monotonic() - ended > LINGER_AT_MOST):
                return
            for fd in sorted(ready):
                if fd == self._wake:
                    ended = time.monotonic()
                    poller.unregister(fd)
                    continue
                chunk = os.read(fd, CHUNK)
                if chunk:
                    self._take(fd, chunk)
                else:
                    open_ends.discard(fd)
                    poller.unregister(fd)

    def _take(self, fd: int, chunk: bytes) -> None:
        try:
            # After a failure the rest is still taken: the command must not be stopped by it half-way.
            if self._failed is None:
                self._sink.write(chunk)
        except OSError as error:
            self._failed = error
        if fd != self._out:
            return
        self._kept.append(chunk)
        self._size += len(chunk)
        while self._size - len(self._kept[0]) >= KEPT:
            self._size -= len(self._kept.popleft())
