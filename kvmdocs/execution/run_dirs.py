"""Runs under way, as folders of the store: whose they are, what they go by, and the end of what dead ones have left."""

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
from kvmdocs.recording import values
from kvmdocs.store.store import Store, atomic_write

MARK = "KVMDOCS_RUN"
"""Environment variable that marks every process of a run with the run's folder."""
OWNER = "owner.json"


def new_run(store: Store) -> Path:
    """A folder for a run, which says which process it belongs to.

    Raises:
        StoreError: The store cannot be written.
    """
    try:
        store.runs.mkdir(parents=True, exist_ok=True)
        # The name, too, says whose it is: a build may be killed before it has written the file that says it.
        folder = Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=store.runs))
    except OSError as error:
        advice = "free space or rights there, or set KVMDOCS_STORE_PATH"
        raise StoreError(f"the store {store.path} cannot be written: {error.strerror}", Evidence(advice=advice)) from error
    mine = os.getpid()
    import psutil  # only where something runs

    # An engine of before `started` goes by `born`, and may share the store.
    owner = {"pid": mine, "started": _started(mine), "born": psutil.Process(mine).create_time()}
    atomic_write(folder / OWNER, json.dumps(owner).encode(), durable=False)
    return folder


class StoreLease:
    """Says in the store what a build goes by, for as long as it runs: `kvmdocs.store.gc` leaves that alone.

    A record that a build found may not be the newest of its recipe (another checkout has run since), and what builds on it may begin much later.

    Raises:
        StoreError: The store cannot be written.
    """

    def __init__(self, store: Store) -> None:
        self._folder = new_run(store)
        self._held: dict[str, Any] = {}

    def hold(self, records: Iterable[Record]) -> None:
        """These records' artefacts are in use, too."""
        more = {
            record.recipe: record.value
            for record in records
            if record.status is Status.PASSED and any(values.paths(record.value))
        }
        if more:
            from kvmdocs.execution.worker.protocol import (
                TASK,  # most runs hold nothing, and need not know what a worker is told
            )

            self._held |= more
            atomic_write(self._folder / TASK, json.dumps({"workspace": "", "inputs": self._held}).encode(), durable=False)

    def release(self) -> None:
        """They are not any more."""
        shutil.rmtree(self._folder, ignore_errors=True)


@contextlib.contextmanager
def defer_sigint() -> Iterator[None]:
    """Have Ctrl-C, SIGTERM and SIGHUP wait until this is done: what they ended half-way would leave what nobody knows of."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python interrupts the main thread only
        return
    came: list[int] = []
    before = {
        number: signal.signal(number, lambda number, _frame: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        if signal.getsignal(number) is not signal.SIG_IGN
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        if came:
            signal.raise_signal(came[0])


def kill_orphans(store: Store) -> int:
    """Kill what runs of dead builds left behind, and remove their folders and what they had half written.

    Returns:
        How many processes were killed.
    """
    if not store.runs.is_dir():
        return 0
    killed = 0
    dead = [folder for folder in store.runs.iterdir() if not _owned(folder)]
    if dead:
        # Looked for only where a build died: it has as many files to look at as the store has records.
        for path in store.half_written():
            if maker_is_gone(path.name[1:]):
                with contextlib.suppress(OSError):
                    path.unlink()
    for folder in dead:
        import psutil  # most builds have nothing to sweep

        for process in psutil.process_iter():
            try:
                if process.environ().get(MARK) == str(folder):
                    process.send_signal(signal.SIGKILL)
                    killed += 1
            except (psutil.Error, OSError):
                continue
        # Another build may sweep too; and where nothing can be written nothing is run either.
        shutil.rmtree(folder, ignore_errors=True)
    return killed


def _owned(folder: Path) -> bool:
    """Whether the build that a run's folder belongs to is alive. A folder that has no owner's file is just being made, or removed, unless its maker is gone."""
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
    """Whether what is called by the number of the process that made it has outlived that process."""
    maker = name.partition("-")[0]
    return maker.isdecimal() and not _started(int(maker))


def _born(pid: int, seconds: float) -> bool:
    """Whether a process of this number runs that began then, in seconds since 1970: what an engine of before `started` wrote."""
    import psutil

    try:
        return bool(abs(psutil.Process(pid).create_time() - seconds) < 1)
    except psutil.Error:
        return False


def _started(pid: int) -> str:
    """When a process started, in clock ticks since this boot of the host, "" if none of that number runs.

    That tells it from another one that got its number later, whatever is done to the host's clock meanwhile: set by a second, a clock of
    seconds since 1970 would have every run under way belong to nobody, and its processes killed.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
    except OSError:
        return ""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        boot = "unknown"  # where /proc/sys is hidden the ticks alone must do
    # The second field is the program's name in parentheses and may hold anything; the state follows, and the start time is the 22nd (proc_pid_stat(5)).
    fields = status.rpartition(b")")[2].split()
    return f"{boot} {fields[19].decode()}" if fields[0] != b"Z" else ""
