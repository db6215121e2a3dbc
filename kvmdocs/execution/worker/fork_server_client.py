"""Client of the fork server (`kvmdocs.execution.worker.fork_server`) in the build.

It starts the fork server with the first recipe, requests supervisors, and collects their exit statuses.
"""

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
from kvmdocs.execution.worker.protocol import MAX_MESSAGE, InheritedFds, StartRequest

UNKNOWN_STATUS = 128 + signal.SIGKILL
"""Exit status of a supervisor whose fork server ended first, so that nobody knows the real one."""

LAST_WORDS = 4000
"""Size in bytes of the end of a lost process's output that its error message shows."""

REPLY_TIMEOUT = 10.0
"""Seconds within which an idle fork server must reply or end."""

START_TIMEOUT = 6 * REPLY_TIMEOUT
"""Seconds within which a new fork server must reply: it imports modules first."""


class ForkServerClient:
    """Fork server of one build.

    Args:
        root: Folder of the project, which is the working directory of the fork server and its workers.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._process: subprocess.Popen[bytes] | None = None
        self._socket: socket.socket | None = None
        self._output: BinaryIO | None = None
        self._next = 0
        self._statuses: dict[int, int] = {}

    def start(self, task: Path, seconds: float, memory: int, files: InheritedFds) -> SupervisorHandle:
        """Start a supervisor and its worker.

        Args:
            task: File with the worker's task, in the run's folder.
            seconds: Time after which the supervisor kills the worker.
            memory: Memory at which the worker is ended, in bytes; 0 for no limit.
            files: File descriptors for the worker; the caller closes them.

        Raises:
            WorkerLost: The fork server does not start.
        """
        request = StartRequest(self._next, str(task), seconds, memory)
        self._next += 1
        fds = [files.lifeline, files.events, files.log, files.private]
        # If somebody killed the fork server, start another one.
        for retry in (True, False):
            connection = self._connect()
            try:
                socket.send_fds(connection, [request.message()], fds)
                return SupervisorHandle(self, request.number, self._receive_pidfd(connection, request.number))
            except OSError as error:
                output = self._last_words()
                self.close()
                if not retry:
                    raise WorkerLost(f"the process that starts workers ended: {error}", Evidence(tail=output)) from error
        raise AssertionError("the second try returns or raises")

    def _connect(self) -> socket.socket:
        """Return the socket of the fork server. Start it if it does not run."""
        if self._socket is not None:
            return self._socket
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(START_TIMEOUT)
        self._output = tempfile.TemporaryFile()  # noqa: SIM115  # it is closed with the fork server
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "kvmdocs.execution.worker.fork_server", str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
                cwd=self._root,
                # UTF-8 whatever the locale: the bytes of a command must not depend on who builds.
                env={
                    **os.environ,
                    "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
                    "PYTHONUTF8": "1",
                    "LC_ALL": "C.UTF-8",
                },
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._socket = ours
        return ours

    def _receive_pidfd(self, connection: socket.socket, number: int) -> int:
        """Return the pidfd of the supervisor that a request started."""
        while True:
            message, fds = self._receive(connection)
            if fds and message["number"] == number:
                return fds[0]

    def _receive(self, connection: socket.socket) -> tuple[dict[str, Any], list[int]]:
        """Return the next message and its file descriptors. Remember an exit status in it.

        Raises:
            ConnectionError: The fork server is gone.
        """
        data, fds, _, _ = socket.recv_fds(connection, MAX_MESSAGE, 1, socket.MSG_CMSG_CLOEXEC)
        if not data:
            raise ConnectionResetError("it closed the connection")
        message = json.loads(data)
        if "status" in message:
            self._statuses[message["number"]] = message["status"]
        return message, fds

    def status(self, number: int) -> int:
        """Return the exit status of a supervisor that has ended, or `UNKNOWN_STATUS`."""
        while number not in self._statuses:
            if self._socket is None:
                return UNKNOWN_STATUS
            try:
                self._receive(self._socket)
            except OSError:
                self.close()
        return self._statuses.pop(number)

    def _last_words(self) -> str:
        if self._output is None:
            return ""
        self._output.seek(0)
        return last_words(self._output.read())

    def close(self) -> None:
        """End the fork server, if it runs. Supervisors go on until their lifelines close.

        The next `start` begins another fork server.
        """
        if self._socket is not None:
            self._socket.close()  # the fork server sees EOF and ends
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(REPLY_TIMEOUT)
            if self._process.returncode is None:
                self._process.kill()
                self._process.wait()
        if self._output is not None:
            self._output.close()
        self._socket = self._process = self._output = None


def last_words(output: bytes) -> str:
    """Return the end of a lost process's output, for its error message."""
    return output[-LAST_WORDS:].decode("utf-8", "replace").strip()


class SupervisorHandle:
    """A supervisor that was started.

    Attributes:
        pidfd: Its pidfd, readable once it has ended.
    """

    def __init__(self, fork_server: ForkServerClient, number: int, pidfd: int) -> None:
        self._fork_server = fork_server
        self._number = number
        self._status: int | None = None
        self.pidfd = pidfd

    def ended(self, within: float | None = 0) -> bool:
        """Check whether it is gone, and with it the worker's process tree.

        Args:
            within: Seconds to wait for that; None for no limit.
        """
        return bool(select.select([self.pidfd], [], [], within)[0])

    def status(self) -> int:
        """Wait for its end and return its exit status, negative for a signal."""
        if self._status is None:
            self.ended(None)
            self._status = self._fork_server.status(self._number)
        return self._status

    def kill(self) -> None:
        """Kill it; the kernel then kills the worker."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)

    def close(self) -> None:
        """Close its pidfd."""
        os.close(self.pidfd)
