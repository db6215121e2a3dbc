"""Waiting for a condition, with a time limit, and noticing at once when it can no longer come true."""

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
"""Seconds between two looks at a condition that nothing announces, such as a file that grows."""

TAIL_LINES = 15
"""Lines of output that an error carries."""

T = TypeVar("T")


def until(look: Callable[[], T | None], alive: Callable[[], None], timeout: float, what: str) -> T:
    """Look again and again until there is something to see.

    Args:
        look: Gives what is waited for, or None while it is not there.
        alive: Raises when waiting has become pointless.
        timeout: The time limit in seconds.
        what: What is waited for, for the message.

    Returns:
        What `look` gave.

    Raises:
        TimedOut: It did not come within the limit.
    """
    deadline = time.monotonic() + timeout
    while (seen := look()) is None:
        alive()
        if time.monotonic() >= deadline:
            raise TimedOut(f"{what} did not come within {timeout:.3g} s")
        time.sleep(TICK)
    return seen


def connect(folder: Path, name: str) -> socket.socket | None:
    """Connect to a unix socket in a folder; None while nothing listens there.

    The address goes through a descriptor of the folder: a socket's address may have 108 bytes (unix(7)), a workspace's path more.
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
    """A machine's unexpected end as an error, with its last words and the guest's.

    Args:
        process: QEMU, which has ended.
        status: Its exit status.
        said: What the guest printed on its console.
    """
    words = process.output().strip()
    why = "the guest shut down or was reset" if status == 0 and not words else "QEMU ended"
    return LabFailed(
        f"{why} before the recipe was done with it ({describe_status(status)})",
        Evidence(status=status, tail=tails(said, words)),
    )


def tail(text: str) -> str:
    """The last lines of a text, as an error carries them."""
    return tails(text)


def tails(*texts: str) -> str:
    """The last lines of several texts, one after the other: no more in all than of one, and each has its share however long another is."""
    every = [text.strip().splitlines() for text in texts]
    left, shares = TAIL_LINES, [0] * len(every)
    by_length = sorted(range(len(every)), key=lambda number: len(every[number]))
    for done, number in enumerate(by_length):
        shares[number] = min(len(every[number]), left // (len(every) - done))
        left -= shares[number]
    return "\n".join(line for lines, share in zip(every, shares, strict=True) for line in lines[len(lines) - share :])
