"""Running a command of the host with a time limit."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence


def run(command: Sequence[str], timeout: float, *, stderr: int = subprocess.DEVNULL) -> subprocess.CompletedProcess[bytes]:
    """Run a command in the C locale, without input, and return its status and output.

    Args:
        command: The command.
        timeout: The time limit in seconds.
        stderr: Destination of its standard error, as for `subprocess.Popen`.

    Raises:
        OSError: It cannot be started.
        subprocess.TimeoutExpired: It did not end in time. All processes of its session were killed.
    """
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=stderr,
        env={**os.environ, "LC_ALL": "C"},
        start_new_session=True,
    ) as process:
        try:
            output = process.communicate(timeout=timeout)[0]
        except subprocess.TimeoutExpired:
            # Not only the process: a child, for example of a wrapper script, would keep the pipe open.
            os.killpg(process.pid, signal.SIGKILL)
            raise
    return subprocess.CompletedProcess(command, process.returncode, output)
