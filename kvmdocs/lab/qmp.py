"""QEMU's machine monitor (QMP), asked one command at a time.

The protocol is spoken by the `qemu.qmp` package, which is asynchronous; here it gets an event loop of its own that runs while
there is something to wait for, and no thread.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Coroutine
from typing import Any, TypeVar

from qemu.qmp import QMPClient, QMPError
from qemu.qmp.qmp_client import ExecuteError

from kvmdocs.core.errors import LabFailed, TimedOut

logging.getLogger("qemu.qmp").setLevel(logging.CRITICAL)
# The package logs every failed connection; here each becomes an error that says it all.

T = TypeVar("T")


class QmpError(LabFailed):
    """QEMU answered a command with an error.

    Args:
        kind: The error's class, such as ``CommandNotFound``.
        description: QEMU's words.
    """

    def __init__(self, kind: str, description: str) -> None:
        super().__init__(f"QEMU refused: {description}")
        self.kind = kind
        self.description = description


class Qmp:
    """A connection to a QEMU's machine monitor.

    Args:
        connection: A socket connected to it.
        timeout: The time limit of the greeting, in seconds.

    Raises:
        TimedOut: QEMU did not greet in time.
        LabFailed: What is at the other end is no QMP.
    """

    def __init__(self, connection: socket.socket, timeout: float) -> None:
        self._loop = asyncio.new_event_loop()
        self._client = QMPClient("kvmdocs")
        try:
            self._wait(self._client.connect(connection), timeout, "QEMU's greeting on its machine monitor")
        except BaseException:
            self._loop.close()
            connection.close()
            raise

    def execute(self, command: str, arguments: dict[str, Any], timeout: float) -> Any:
        """Run a command.

        Returns:
            The value of ``return`` in QEMU's answer.

        Raises:
            QmpError: QEMU refused it.
            TimedOut: No answer came in time, as when a debugger holds QEMU.
            LabFailed: The connection broke.
        """
        try:
            return self._wait(self._client.execute(command, arguments or None), timeout, f"QEMU's answer to {command!r}")
        except ExecuteError as error:
            raise QmpError(error.error_class, str(error)) from error

    def close(self) -> None:
        """Take leave; a broken connection is no error here."""
        with contextlib.suppress(LabFailed, TimedOut, OSError, EOFError):
            self._wait(self._client.disconnect(), 5.0, "the end of the machine monitor's connection")
        for task in asyncio.all_tasks(self._loop):
            task.cancel()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def _wait(self, work: Coroutine[Any, Any, T], timeout: float, what: str) -> T:
        try:
            return self._loop.run_until_complete(asyncio.wait_for(work, timeout))
        except TimeoutError as error:
            raise TimedOut(f"{what} did not come within {timeout:g} s") from error
        except ExecuteError:
            raise
        except QMPError as error:
            raise LabFailed(f"the machine monitor failed: {error}") from error
