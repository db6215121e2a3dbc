"""The keeper: a small process around one worker that sees to it that nothing the recipe started outlives it.

It is run as a file, ``python -I keeper.py LIFELINE SECONDS COMMAND…``, and imports nothing of the project, so that it is up
before anything can go wrong.

How it knows when to act: its end of the lifeline, a pipe whose other end only the build holds, is closed by the kernel when the build
ends in whatever way, ``kill -9`` included; the worker ends; or the time is over. How it finds everything: it is a *child
subreaper* (prctl(2)), so every process that a recipe detached by a double fork or setsid(2) becomes its child, and all
descendants can be found in /proc. It kills until there are none.

Exit status: the worker's; 128 + signal if that was killed; 124 when the time was over; 125 when the build was gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import signal
import sys
import time

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
TIMED_OUT = 124
ORPHANED = 125
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that are meant for the build; it ends its keepers by their lifelines."""


def children_of(root: int) -> list[int]:
    """All descendants of a process, from /proc."""
    parents: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # The second field is the program's name in parentheses and may hold anything, spaces and ')' included.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] != b"Z":
            parents.setdefault(int(fields[1]), []).append(int(name))
    found: list[int] = []
    todo = [root]
    while todo:
        young = parents.get(todo.pop(), [])
        found.extend(young)
        todo.extend(young)
    return found


def reap() -> None:
    """Collect every child that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def kill_all(patience: float = 20.0) -> int:
    """Kill every descendant, again until there is none; returns how many are left when patience ends (stuck in the kernel)."""
    deadline = time.monotonic() + patience
    while left := children_of(os.getpid()):
        if time.monotonic() > deadline:
            return len(left)
        # Stopping first keeps a process that forks quickly from staying ahead of the killing.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in left:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
        reap()
        time.sleep(0.005)
    reap()
    return 0


def start(command: list[str]) -> int:
    """Start the worker; it is killed by the kernel should this process die first."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    mine = os.getpid()
    pid = os.fork()
    if pid == 0:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        for number in IGNORED:
            signal.signal(number, signal.SIG_DFL)
        if os.getppid() != mine:
            os._exit(ORPHANED)
        try:
            os.execv(command[0], command)
        finally:
            os._exit(127)
    return pid


def watch(pid: int, lifeline: int, seconds: float) -> int:
    """Wait for the worker's end, the build's end or the end of the time; returns the exit status to give."""
    deadline = time.monotonic() + seconds
    worker = os.pidfd_open(pid)
    poller = select.poll()
    poller.register(worker, select.POLLIN)
    poller.register(lifeline, select.POLLIN | select.POLLHUP)
    while True:
        rest = deadline - time.monotonic()
        if rest <= 0:
            return TIMED_OUT
        ready = {fd for fd, _ in poller.poll(min(rest, 3600) * 1000)}
        if worker in ready:
            _, status = os.waitpid(pid, 0)
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        if lifeline in ready and not os.read(lifeline, 1):
            return ORPHANED


def main() -> int:
    """Keep one worker."""
    lifeline, seconds, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]
    os.set_inheritable(lifeline, False)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    pid = start(command)
    try:
        status = watch(pid, lifeline, seconds)
    finally:
        kill_all()
    return status


if __name__ == "__main__":
    sys.exit(main())
