"""Synchronous client for QEMU's machine monitor (QMP).

The `qemu.qmp` package implements the protocol and is asynchronous. Its event loop runs here only while a call waits; there is
no thread.
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
# The package logs every failed connection. Here each one raises an error, so the log would repeat it.

T = TypeVar("T")


class QmpError(LabFailed):
    """An error that QEMU returned for a command.

    Args:
        kind: The error's class, such as ``CommandNotFound``.
        description: QEMU's description.
    """

    def __init__(self, kind: str, description: str) -> None:
        super().__init__(f"QEMU refused: {description}")
        self.kind = kind
        self.description = description


class Qmp:
    """A connection to QEMU's machine monitor.

    Args:
        connection: A socket connected to it.
        timeout: The time limit of the greeting, in seconds.

    Raises:
        TimedOut: QEMU did not send its greeting in time.
        LabFailed: The peer does not speak QMP.
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
            QmpError: QEMU rejected the command.
            TimedOut: QEMU did not answer in time, for example because a debugger has stopped it.
            LabFailed: The connection broke.
        """
        try:
            return self._wait(self._client.execute(command, arguments or None), timeout, f"QEMU's answer to {command!r}")
        except ExecuteError as error:
            raise QmpError(error.error_class, str(error)) from error

    def close(self) -> None:
        """Disconnect. A broken connection is not an error."""
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
