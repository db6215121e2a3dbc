"""Transfer of a command's output to its step while the command runs.

The `sh` package buffers by line (a gigabyte of short lines takes half an hour) or by size (a build then looks dead for a
minute). Here a command writes into two pipes, and one thread reads whatever both have. So the output is in order of arrival, as
on a terminal, and the command never runs ahead of the reader.
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
"""Bytes to read at once; the size of a pipe."""
KEPT_STDOUT = 16 * 1024 * 1024
"""Bytes at the end of standard output that are returned as the command's value."""
LINGER = 0.2
"""Seconds without output after the command's end until reading stops, if a process that it left behind holds a pipe open."""
MAX_LINGER = 2.0
"""Seconds after the command's end at which reading stops in any case."""


class Sink(Protocol):
    """Receiver of the output."""

    def write(self, chunk: bytes) -> None:
        """Take the next piece."""


class PipeReader:
    """Pair of pipes for a command's standard output and error, with the thread that reads them.

    Args:
        sink: Receives both, in order of arrival.

    Attributes:
        out: Write end for the command's standard output.
        err: Write end for its standard error.
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
        # Thread.start() of `threading` waits until the thread runs; that would slow down every command.
        self._over = _thread.allocate_lock()
        self._over.acquire()
        _thread.start_new_thread(self._run, ())

    def started(self) -> None:
        """Close our copies of the write ends once the command has its own. Open copies would prevent EOF."""
        self.out.close()
        self.err.close()

    def finish(self) -> str:
        """Read the rest of the output after the command has ended.

        Returns:
            The last 16 MiB of its standard output.

        Raises:
            StoreError: The sink could not write the output, for example because the disk is full.
        """
        self.started()
        os.close(self._bell)
        self._over.acquire()
        if self._failed is not None:
            raise StoreError(
                f"the output of a command cannot be stored: {self._failed.strerror}",
                Evidence(advice="free disk space at the store, or set KVMDOCS_STORE_PATH to a folder on a larger disk"),
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
            if ended is not None and (not ready or time.monotonic() - ended > MAX_LINGER):
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
            # After a failure the rest is still read and dropped, so that the command does not block.
            if self._failed is None:
                self._sink.write(chunk)
        except OSError as error:
            self._failed = error
        if fd != self._out:
            return
        self._kept.append(chunk)
        self._size += len(chunk)
        while self._size - len(self._kept[0]) >= KEPT_STDOUT:
            self._size -= len(self._kept.popleft())
