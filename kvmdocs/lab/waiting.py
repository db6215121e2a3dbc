"""Waiting for a condition, with a time limit and a check that it can still become true."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from kvmdocs.core.errors import Evidence, LabFailed, TimedOut, describe_status
from kvmdocs.recording.background_process import Spawned

TICK = 0.02
"""Seconds between two checks of a condition that sends no notification, such as a growing file."""

TAIL_LINES = 15
"""Maximum number of output lines in an error."""

T = TypeVar("T")


def until(look: Callable[[], T | None], alive: Callable[[], None], timeout: float, what: str) -> T:
    """Call a function until it returns something.

    Args:
        look: Returns the wanted value, or None while there is none.
        alive: Raises an error when waiting has become pointless.
        timeout: The time limit in seconds.
        what: Name of the wanted thing, for the message.

    Returns:
        The value that `look` returned.

    Raises:
        TimedOut: `look` returned None until the time limit.
    """
    deadline = time.monotonic() + timeout
    while (seen := look()) is None:
        alive()
        if time.monotonic() >= deadline:
            raise TimedOut(f"{what} did not come within {timeout:.3g} s")
        time.sleep(TICK)
    return seen


def connect(folder: Path, name: str) -> socket.socket | None:
    """Connect to a unix socket in a folder. Return None while nothing listens there.

    The address uses a descriptor of the folder: a socket's address has at most 108 bytes (unix(7)), and a workspace's path may
    be longer.
    """
    directory = os.open(folder, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.connect(f"/proc/self/fd/{directory}/{name}")
    except (FileNotFoundError, ConnectionRefusedError):
        connection.close()
        return None
    except BaseException:
        connection.close()
        raise
    finally:
        os.close(directory)
    return connection


def death(process: Spawned, status: int, said: str) -> LabFailed:
    """Return the error for a machine's unexpected end, with the last output of QEMU and of the guest.

    Args:
        process: The QEMU process, which has ended.
        status: Its exit status.
        said: Output on the guest's console.
    """
    words = process.output().strip()
    why = "the guest shut down or was reset" if status == 0 and not words else "QEMU ended"
    return LabFailed(
        f"{why} before the recipe was done with it ({describe_status(status)})",
        Evidence(status=status, tail=tails(said, words)),
    )


def tail(text: str) -> str:
    """Return the last lines of a text, at most `TAIL_LINES`."""
    return tails(text)


def tails(*texts: str) -> str:
    """Return the last lines of several texts, at most `TAIL_LINES` in total. Each text gets a fair share."""
    every = [text.strip().splitlines() for text in texts]
    left, shares = TAIL_LINES, [0] * len(every)
    by_length = sorted(range(len(every)), key=lambda number: len(every[number]))
    for done, number in enumerate(by_length):
        shares[number] = min(len(every[number]), left // (len(every) - done))
        left -= shares[number]
    return "\n".join(line for lines, share in zip(every, shares, strict=True) for line in lines[len(lines) - share :])
