"""A build's side of its nursery (`kvmdocs.execution.worker.fork_server`): starting it when the first recipe begins, having it start keepers, and learning how they ended."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, BinaryIO

from kvmdocs.core.errors import Evidence, WorkerLost
from kvmdocs.execution.worker.protocol import LARGEST, InheritedFds, StartRequest

LOST = 128 + signal.SIGKILL
"""The exit status of a keeper of which nobody could tell how it ended."""
LAST_WORDS = 4000
"""Bytes of a lost process's output that go into the message about it."""
REPLY_TIMEOUT = 10.0
"""Seconds to wait for a nursery that has nothing to do but to answer."""


class ForkServerClient:
    """The nursery of one build.

    Args:
        root: The project's folder, in which it and its workers begin.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._said: BinaryIO | None = None
        self._next = 0
        self._ends: dict[int, int] = {}

    def start(self, task: Path, seconds: float, memory: int, files: InheritedFds) -> SupervisorHandle:
        """Start a keeper and its worker.

        Args:
            task: The worker's task, in the run's folder.
            seconds: When the worker is killed, should it still run.
            memory: With how much memory it is ended, in bytes; 0 for no limit.
            files: What comes with it; the caller closes them.

        Raises:
            WorkerLost: The nursery does not start.
        """
        job = StartRequest(self._next, str(task), seconds, memory)
        self._next += 1
        handles = [files.lifeline, files.events, files.log, files.private]
        # A nursery that somebody killed takes no build with it: another one is started.
        for patient in (True, False):
            connection = self._open()
            try:
                socket.send_fds(connection, [job.message()], handles)
                return SupervisorHandle(self, job.number, self._answer(connection, job.number))
            except OSError as error:
                words = self._last_words()
                self.close()
                if not patient:
                    raise WorkerLost(f"the process that starts workers ended: {error}", Evidence(tail=words)) from error
        raise AssertionError("the second try returns or raises")

    def _open(self) -> socket.socket:
        """The socket of the nursery, which is started if it is not there."""
        if self._socket is not None:
            return self._socket
        mine, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        mine.settimeout(REPLY_TIMEOUT * 6)
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  # it is closed with the nursery
        with its:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kvmdocs.execution.worker.fork_server", str(its.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=self._said,
                stderr=subprocess.STDOUT,
                cwd=self._root,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                pass_fds=(its.fileno(),),
                start_new_session=True,
            )
        self._socket = mine
        return mine

    def _answer(self, connection: socket.socket, number: int) -> int:
        """The pidfd of the keeper of a job."""
        while True:
            told, files = self._receive(connection)
            if files and told["number"] == number:
                return files[0]

    def _receive(self, connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
        """The next message; of an end it is noted.

        Raises:
            ConnectionError: The nursery is gone.
        """
        data, files, _, _ = socket.recv_fds(connection, LARGEST, 1, socket.MSG_CMSG_CLOEXEC)
        if not data:
            raise ConnectionResetError("nobody is there")
        told = json.loads(data)
        if "status" in told:
            self._ends[told["number"]] = told["status"]
        return told, files

    def status(self, number: int) -> int:
        """The exit status of a keeper that has ended; `LOST` when nobody can tell."""
        while number not in self._ends:
            if self._socket is None:
                return LOST
            try:
                self._receive(self._socket)
            except OSError:
                self.close()
        return self._ends.pop(number)

    def _last_words(self) -> str:
        if self._said is None:
            return ""
        self._said.seek(0)
        return last_words(self._said.read())

    def close(self) -> None:
        """End it, if it is there; the next start brings another one. The keepers go on; they end by their lifelines."""
        if self._socket is not None:
            self._socket.close()  # which ends it
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(REPLY_TIMEOUT)
            if self._process.returncode is None:
                self._process.kill()
                self._process.wait()
        if self._said is not None:
            self._said.close()
        self._socket = self._process = self._said = None


def last_words(said: bytes) -> str:
    """The end of what a process printed that is gone, for a message."""
    return said[-LAST_WORDS:].decode("utf-8", "replace").strip()


class SupervisorHandle:
    """A keeper that was started.

    Attributes:
        pidfd: Can be read from once it has ended.
    """

    def __init__(self, nursery: ForkServerClient, number: int, pidfd: int) -> None:
        self._nursery = nursery
        self._number = number
        self._status: int | None = None
        self.pidfd = pidfd

    def ended(self, within: float | None = 0) -> bool:
        """Whether it is gone, and the worker and all that started with it.

        Args:
            within: Seconds to wait for that; None for as long as it takes.
        """
        return bool(select.select([self.pidfd], [], [], within)[0])

    def status(self) -> int:
        """Its exit status, negative for a signal, once it has ended."""
        if self._status is None:
            self.ended(None)
            self._status = self._nursery.status(self._number)
        return self._status

    def kill(self) -> None:
        """Kill it, which kills the worker."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Forget it."""
        os.close(self.pidfd)
