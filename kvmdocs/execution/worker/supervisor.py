"""Supervisor: a small process around one worker that ends everything the recipe started, and limits its memory.

The fork server (`kvmdocs.execution.worker.fork_server`) forks it. It uses nothing of the project, so it runs before anything
can fail. Then it forks the worker.

It acts when the worker ends, when the time is over, or when the lifeline closes. The lifeline is a pipe whose other end only
the build holds: the kernel closes it when the build ends in whatever way, ``kill -9`` included. The supervisor is a *child
subreaper* (prctl(2)), so every process that a recipe detached by a double fork or setsid(2) becomes its child, and all
descendants can be found in /proc. It kills until there are none.

Every half second it adds up the memory of all descendants. Above the limit it writes a report into the run's folder, sends the
worker a signal, and kills the other processes. If the worker does not end soon, or grows on, the supervisor kills it too.
Limits of the kernel would not do: RLIMIT_AS counts address space, which QEMU and gdb only reserve, and counts each process
alone; an ordinary user can rarely create a control group.

Exit status: the worker's; 128 + signal if a signal killed the worker; 123 after killing it for its memory use; 124 after its
time limit; 125 after the end of the build.
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
"""Options of prctl(2), from linux/prctl.h."""

OVER_MEMORY = 123
TIMED_OUT = 124
ORPHANED = 125
"""Exit statuses of the supervisor."""

IGNORED_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Signals that are for the build, which ends its supervisors through their lifelines."""

MEMORY_SIGNAL = signal.SIGUSR2
"""Signal to a worker whose recipe uses too much memory. The details are in the file `MEMORY_REPORT`."""

MEMORY_REPORT = "memory.json"
"""File in a run's folder about memory overuse."""

POLL_INTERVAL = 0.5
"""Seconds between two checks of the memory in use."""

MEMORY_KILL_GRACE = 10.0
"""Seconds that a worker has to end after `MEMORY_SIGNAL`."""

MEMORY_KILL_FACTOR = 1.25
"""Multiple of the limit at which a worker is killed at once after `MEMORY_SIGNAL`."""

OOM_SCORE_ADJ = 500
"""Adjustment of the kernel's OOM score of a worker (proc_pid_oom_score_adj(5)): when memory runs out, the kernel kills a
recipe before the build, the editor or the shell."""


def descendants(root: int) -> list[int]:
    """Return the process ids of all descendants of a process, from /proc, except zombies."""
    children: dict[int, list[int]] = {}
    for name in os.listdir("/proc"):
        if not name.isdigit():
            continue
        try:
            with open(f"/proc/{name}/stat", "rb") as file:
                # Field 2 is the program's name in parentheses and may hold any character, spaces and ')' included.
                fields = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if fields[0] != b"Z":
            children.setdefault(int(fields[1]), []).append(int(name))
    pids: list[int] = []
    todo = [root]
    while todo:
        direct = children.get(todo.pop(), [])
        pids.extend(direct)
        todo.extend(direct)
    return pids


def reap() -> None:
    """Reap every child that has ended."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        pass


def kill_descendants(timeout: float = 20.0) -> None:
    """Kill descendants until there are none, or until the timeout in seconds: a process may be stuck in the kernel."""
    deadline = time.monotonic() + timeout
    while pids := descendants(os.getpid()):
        if time.monotonic() > deadline:
            return
        # Stop all first: otherwise a process that forks quickly could outrun the killing.
        for number in (signal.SIGSTOP, signal.SIGKILL):
            for pid in pids:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
        reap()
        time.sleep(0.005)
    reap()


def _sum_fields(pid: int, file: str, *fields: bytes) -> int:
    """Return the sum, in bytes, of some fields of a process's file in /proc; 0 if the process is gone or another user's."""
    try:
        with open(f"/proc/{pid}/{file}", "rb") as lines:
            return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith(fields))
    except OSError:
        return 0


def memory_overuse(limit: int) -> dict[str, object] | None:
    """Return the memory use of all descendants, by program name, if it exceeds a limit in bytes; otherwise None.

    Pages of files do not count: the kernel may drop them. The sum of RssAnon, RssShmem and VmSwap (proc_pid_status(5)) is quick
    and never too small, since it counts shared memory once for each process; a forked process shares all with its parent. The
    proportional figures (proc_pid_smaps(5)) are exact but take milliseconds for each GiB, so they are read only if the first
    sum exceeds the limit. They are not available for another user's processes.
    """
    pids = descendants(os.getpid())
    quick = {pid: _sum_fields(pid, "status", b"RssAnon:", b"RssShmem:", b"VmSwap:") for pid in pids}
    if sum(quick.values()) <= limit:
        return None
    by_name: dict[str, int] = {}
    for pid in pids:
        used = _sum_fields(pid, "smaps_rollup", b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:") or quick[pid]
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm", encoding="utf-8", errors="replace") as file:
            name = file.read().strip()
            by_name[name] = by_name.get(name, 0) + used
    total = sum(by_name.values())
    largest = sorted(by_name.items(), key=lambda item: -item[1])
    return {"used": total, "limit": limit, "largest": largest[:4]} if total > limit else None


def set_process_name(name: str) -> None:
    """Set the name of this process in ps(1) and in the kernel's log, of at most 15 bytes."""
    ctypes.CDLL(None).prctl(PR_SET_NAME, name.encode(), 0, 0, 0)


def fork_worker() -> int:
    """Fork the worker. The kernel kills it if the supervisor dies first.

    Returns:
        Process id of the worker in the supervisor, 0 in the worker.
    """
    libc = ctypes.CDLL(None)
    set_process_name("kvmdocs-superv")
    libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    supervisor = os.getpid()
    pid = os.fork()
    if pid:
        return pid
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    set_process_name("kvmdocs-worker")
    for number in IGNORED_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(str(OOM_SCORE_ADJ))
    if os.getppid() != supervisor:
        os._exit(ORPHANED)
    return 0


class MemoryWatchdog:
    """Memory limit of a worker and its descendants.

    Args:
        worker: Process id of the worker; it must not be reaped before the last call of `exceeded`.
        limit: Limit in bytes; 0 for none.
        folder: Folder of the run, for `MEMORY_REPORT`.
    """

    def __init__(self, worker: int, limit: int, folder: str) -> None:
        self._worker = worker
        self._limit = limit
        self._report = os.path.join(folder, MEMORY_REPORT)
        self._deadline: float | None = None

    def exceeded(self) -> bool:
        """Signal the worker at the first overuse. Return True if it did not end after that and must be killed."""
        if not self._limit:
            return False
        if self._deadline is not None:
            return time.monotonic() > self._deadline or memory_overuse(int(self._limit * MEMORY_KILL_FACTOR)) is not None
        overuse = memory_overuse(self._limit)
        if overuse is not None:
            self._deadline = time.monotonic() + MEMORY_KILL_GRACE
            with contextlib.suppress(OSError), open(self._report, "w", encoding="utf-8") as file:
                json.dump(overuse, file)
            # The worker first: otherwise it would report the killed command as a failure of that command.
            others = [pid for pid in descendants(os.getpid()) if pid != self._worker]
            for pid, number in [(self._worker, MEMORY_SIGNAL), *((pid, signal.SIGKILL) for pid in others)]:
                with contextlib.suppress(OSError):
                    os.kill(pid, number)
        return False


def _watch(pid: int, lifeline: int, seconds: float, memory: MemoryWatchdog) -> int:
    """Wait until the worker or the build ends, or a limit is reached; return the supervisor's exit status."""
    deadline = time.monotonic() + seconds
    worker = os.pidfd_open(pid)
    poller = select.poll()
    poller.register(worker, select.POLLIN)
    poller.register(lifeline, select.POLLIN | select.POLLHUP)
    while True:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return TIMED_OUT
        ready = {fd for fd, _ in poller.poll(min(remaining, POLL_INTERVAL) * 1000)}
        if worker in ready:
            _, status = os.waitpid(pid, 0)
            return os.WEXITSTATUS(status) if os.WIFEXITED(status) else 128 + os.WTERMSIG(status)
        if lifeline in ready and not os.read(lifeline, 1):
            return ORPHANED
        if memory.exceeded():
            return OVER_MEMORY


def supervise(pid: int, lifeline: int, seconds: float, memory: MemoryWatchdog) -> int:
    """Watch a worker until it must end, then kill its process tree.

    Args:
        pid: Process id of the worker.
        lifeline: File descriptor of the pipe whose other end the build holds.
        seconds: Time after which the worker is killed.
        memory: Memory limit of the worker.

    Returns:
        Exit status of the supervisor.
    """
    try:
        return _watch(pid, lifeline, seconds, memory)
    finally:
        kill_descendants()
