"""The keeper: a small process around one worker that sees to it that nothing the recipe started outlives it or takes the host's memory.

It is forked by the nursery (`kvmdocs.execution.worker.fork_server`) and uses nothing of the project, so that it is up before anything can go wrong; then it forks the worker.

How it knows when to act: its end of the lifeline, a pipe whose other end only the build holds, is closed by the kernel when the build
ends in whatever way, ``kill -9`` included; the worker ends; or the time is over. How it finds everything: it is a *child
subreaper* (prctl(2)), so every process that a recipe detached by a double fork or setsid(2) becomes its child, and all
descendants can be found in /proc. It kills until there are none.

It also adds up, every half second, what all of them use of the memory. When that is more than BYTES it says so in a file in FOLDER, tells the worker by a
signal, and kills the rest; a worker that does not end soon, or goes on growing, is killed as well. A limit of the kernel would not do:
RLIMIT_AS counts what QEMU and gdb only reserve, and for one process at a time; a control group is rarely an ordinary user's to make.

Exit status: the worker's; 128 + signal if that was killed; 123 when it had to be killed for its memory; 124 when the time was over; 125 when the
build was gone.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import time

PR_SET_PDEATHSIG = 1
PR_SET_NAME = 15
PR_SET_CHILD_SUBREAPER = 36
OVER_MEMORY = 123
TIMED_OUT = 124
ORPHANED = 125
IGNORED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that are meant for the build; it ends its keepers by their lifelines."""
MEMORY_SIGNAL = signal.SIGUSR2
"""The signal that tells a worker that its recipe uses too much memory; why is in the file `OVERUSE`."""
OVERUSE = "memory.json"
POLL_INTERVAL = 0.5
"""Seconds between two looks at the memory in use."""
MEMORY_KILL_GRACE = 10.0
"""Seconds a worker has to end once it was told that its recipe uses too much memory."""
GROWTH = 1.25
"""How many times the limit a worker that was told may use before it is killed at once."""
FIRST_TO_GO = 500
"""What is added to the kernel's own choice of whom to kill when the host is out of memory (proc_pid_oom_score_adj(5)): rather
a recipe than the build, the editor or the shell that started it."""


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


def _kilobytes(pid: int, file: str, *fields: bytes) -> int:
    """The sum, in bytes, of some lines of a file of a process; 0 when the process is gone or another user's."""
    try:
        with open(f"/proc/{pid}/{file}", "rb") as lines:
            return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(fields))
    except OSError:
        return 0


def overuse(limit: int) -> dict[str, object] | None:
    """What all descendants use of the memory, by the programs' names, if together it is more than a limit in bytes; else None.

    What is read from files does not count: the kernel may drop it. The first figure is quick and never too small, since it counts what processes
    share for each of them (a forked one shares all with its parent); the second is exact and takes milliseconds for each GiB, so it is asked for only
    where the first passes the limit (proc_pid_status(5), proc_pid_smaps(5)). It cannot be had of another user's processes.
    """
    pids = children_of(os.getpid())
    quick = {pid: _kilobytes(pid, "status", b"RssAnon:", b"RssShmem:", b"VmSwap:") for pid in pids}
    if sum(quick.values()) <= limit:
        return None
    by_name: dict[str, int] = {}
    for pid in pids:
        used = _kilobytes(pid, "smaps_rollup", b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:") or quick[pid]
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            name = file.read().strip()
            by_name[name] = by_name.get(name, 0) + used
    total = sum(by_name.values())
    largest = sorted(by_name.items(), key=lambda item: -item[1])
    return {"used": total, "limit": limit, "largest": largest[:4]} if total > limit else None


def set_process_name(name: str) -> None:
    """Name this process, in at most 15 letters, as ps(1) and the kernel's log show it."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def start() -> int:
    """Fork the worker, which the kernel kills should the keeper die first.

    Returns:
        Its process id in the keeper, 0 in the worker.
    """
    libc = ctypes.CDLL(None)
    set_process_name("kvmdocs-keeper")
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    mine = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    set_process_name("kvmdocs-worker")
    for number in IGNORED:
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(str(FIRST_TO_GO))
    if os.getppid() != mine:
        os._exit(ORPHANED)
    return 0


class MemoryWatchdog:
    """Sees to it that a worker and all it started stay within a limit.

    Args:
        worker: Its process id; it is not reaped before the last call of `exceeded`.
        limit: Bytes; 0 for no limit.
        folder: Where `OVERUSE` is written.
    """

    def __init__(self, worker: int, limit: int, folder: str) -> None:
        self._worker = worker
        self._limit = limit
        self._file = os.path.join(folder, OVERUSE)
        self._until: float | None = None

    def exceeded(self) -> bool:
        """Look; whether the worker must be killed, because it was told and did not see to it."""
        if not self._limit:
            return False
        if self._until is not None:
            return time.monotonic() > self._until or overuse(int(self._limit * GROWTH)) is not None
        seen = overuse(self._limit)
        if seen is not None:
            self._until = time.monotonic() + MEMORY_KILL_GRACE
            with contextlib.suppress(OSError), open(self._file, "w", encoding="utf-8") as file:
                json.dump(seen, file)
            # Told first, so that it does not take what is killed for a failure of that command.
            rest = [pid for pid in children_of(os.getpid()) if pid != self._worker]
            for pid, number in [(self._worker, MEMORY_SIGNAL), *((pid, signal.SIGKILL) for pid in rest)]:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
        return False


def watch(pid: int, lifeline: int, seconds: float, memory: MemoryWatchdog) -> int:
    """Wait for the worker's end, the build's end or the end of time or memory; returns the exit status to give."""
    deadline = time.monotonic() + seconds
    worker = os.pidfd_open(pid)
    poller = select.poll()
    poller.register(worker, select.POLLIN)
    poller.register(lifeline, select.POLLIN | select.POLLHUP)
    while True:
        rest = deadline - time.monotonic()
        if rest <= 0:
            return TIMED_OUT
        ready = {fd for fd, _ in poller.poll(min(rest, POLL_INTERVAL) * 1000)}
        if worker in ready:
            _, status = os.waitpid(pid, 0)
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        if lifeline in ready and not os.read(lifeline, 1):
            return ORPHANED
        if memory.exceeded():
            return OVER_MEMORY


def supervise(pid: int, lifeline: int, seconds: float, memory: MemoryWatchdog) -> int:
    """Keep a worker.

    Args:
        pid: The worker.
        lifeline: The pipe of which the build holds the other end.
        seconds: When it is killed, should it still run.
        memory: Sees to what it uses.

    Returns:
        The exit status to give; nothing of the worker is left.
    """
    try:
        return watch(pid, lifeline, seconds, memory)
    finally:
        kill_all()
