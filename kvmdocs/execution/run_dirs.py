"""Run directories: folders of the store for active runs, with their owner; clean-up after builds that were killed."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import Evidence, StoreError
from kvmdocs.core.model import Record, Status
from kvmdocs.recording import digests
from kvmdocs.store.files import atomic_write
from kvmdocs.store.store import Store

MARK = "KVMDOCS_RUN"
"""Environment variable of every process of a run; its value is the run's folder."""
OWNER = "owner.json"
"""File in a run's folder that identifies the process of the build."""


def new_run(store: Store) -> Path:
    """Return a new folder for a run of this process.

    Raises:
        StoreError: The store cannot be written.
    """
    try:
        store.runs.mkdir(parents=True, exist_ok=True)
        # The name holds the process id, too: the build may be killed before it has written the owner file.
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=store.runs))
    except OSError as error:
        advice = "free space or rights there, or set KVMDOCS_STORE_PATH"
        raise StoreError(f"the store {store.path} cannot be written: {error.strerror}", Evidence(advice=advice)) from error
    import psutil  # imported late: most builds run nothing

    pid = os.getpid()
    # An older engine that shares the store does not know `started` and uses `born`.
    owner = {"pid": pid, "started": _started(pid), "born": psutil.Process(pid).create_time()}
    atomic_write(folder / OWNER, json.dumps(owner).encode(), durable=False)
    return folder


class StoreLease:
    """Protection of the artefacts that a running build uses from garbage collection (`kvmdocs.store.gc`).

    The garbage collector keeps the latest record of each recipe. A build may use another one, if another checkout has run
    since, and recipes that build on it may start much later.

    Raises:
        StoreError: The store cannot be written.
    """

    def __init__(self, store: Store) -> None:
        self._folder = new_run(store)
        self._held: dict[str, Any] = {}

    def hold(self, records: Iterable[Record]) -> None:
        """Protect the artefacts of these records, too."""
        values_held = {
            record.recipe: record.value
            for record in records
            if record.status is Status.PASSED and any(digests.paths(record.value))
        }
        if values_held:
            from kvmdocs.execution.worker.protocol import TASK  # imported late: most builds hold nothing

            self._held |= values_held
            atomic_write(self._folder / TASK, json.dumps({"workspace": "", "inputs": self._held}).encode(), durable=False)

    def release(self) -> None:
        """End the protection."""
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def defer_sigint() -> Iterator[None]:
    """Defer SIGINT, SIGTERM and SIGHUP to the end of the block, so that it leaves nothing that nobody cleans up."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python runs signal handlers in the main thread only
        return
    received: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: received.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        if received:
            signal.raise_signal(received[0])


def kill_orphans(store: Store) -> int:
    """Kill the processes that dead builds left, and remove their run folders and partly written files.

    Returns:
        Number of processes killed.
    """
    if not store.runs.is_dir():
        return 0
    killed = 0
    dead = [folder for folder in store.runs.iterdir() if not _owned(folder)]
    if dead:
        # Only after a build died: this lists as many files as the store has records.
        for path in store.half_written():
            if maker_is_gone(path.name[1:]):
                with contextlib.suppress(OSError):
                    path.unlink()
    for folder in dead:
        import psutil  # imported late: most builds find no orphans

        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == str(folder):
                    process.send_signal(signal.SIGKILL)
                    killed += 1
            except (psutil.Error, OSError):
                continue
        # Another build may remove it at the same time. A read-only store has no runs.
        shutil.rmtree(folder, ignore_errors=True)
    return killed


def _owned(folder: Path) -> bool:
    """Check whether the build that owns a run's folder is alive.

    A folder without an owner file is being created or removed at this moment, unless the process in its name is gone.
    """
    try:
        owner = json.loads((folder / OWNER).read_text("utf-8"))
        if "started" in owner:
            return bool(_started(owner["pid"]) == owner["started"])
        return _born(owner["pid"], owner["born"])
    except (OSError, ValueError, KeyError, TypeError):
        if maker_is_gone(folder.name):
            return False
        try:
            return time.time() - folder.stat().st_mtime < 60
        except FileNotFoundError:
            return True


def maker_is_gone(name: str) -> bool:
    """Check whether the process is gone whose id a file's name begins with."""
    pid = name.partition("-")[0]
    return pid.isdecimal() and not _started(int(pid))


def _born(pid: int, seconds: float) -> bool:
    """Check whether a process with this id and this start time, in seconds since 1970, runs. Older engines wrote no other."""
    import psutil

    try:
        return bool(abs(psutil.Process(pid).create_time() - seconds) < 1)
    except psutil.Error:
        return False


def _started(pid: int) -> str:
    """Return the boot id and the start time of a process in clock ticks since boot; "" if no such process runs.

    They distinguish it from a later process with the same id. A time since 1970 would not do: if the clock of the host is set,
    even by a second, every active run would look dead and its processes would be killed.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        boot = "unknown"  # /proc/sys may be hidden; then the ticks alone must do
    # proc_pid_stat(5): field 2 is the program's name in parentheses and may hold any character, field 3 is the state,
    # field 22 the start time.
    fields = status.rpartition(b")")[2].split()
    return f"{boot} {fields[19].decode()}" if fields[0] != b"Z" else ""
