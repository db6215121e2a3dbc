"""The executor's side of a worker: starting it under a keeper, listening to it, ending it, taking its record in.

A build that is killed leaves nothing running (`kvmdocs.keeper`). Should even the keepers be killed, the next build finds what they left by the
variable ``KVMDOCS_RUN`` in the environment of every process a recipe starts (`sweep`).
"""

from __future__ import annotations

import dataclasses
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import psutil

from kvmdocs import keeper
from kvmdocs.bounds import kernel_kills, memory_limit, out_of_memory
from kvmdocs.errors import Evidence, StoreError, TimedOut, WorkerLost, describe_status
from kvmdocs.model import Host, Record, Status
from kvmdocs.project import Project
from kvmdocs.recipe import Recipe
from kvmdocs.store import Store, load, write_whole
from kvmdocs.worker import RECORD, TASK, UNWRITTEN, Task

MARK = "KVMDOCS_RUN"
"""Environment variable that marks every process of a run with the run's folder."""
OWNER = "owner.json"
PATIENCE = 20.0
"""Seconds the keeper gives a worker beyond its own time limit, to clean up and to write its record."""
LAST_WORDS = 4000
"""Bytes of a lost worker's output that go into the message about it."""


class Worker:
    """A worker under way."""

    def __init__(self, folder: Path, task: Task, process: subprocess.Popen[bytes], lifeline: int, events: int) -> None:
        self._folder = folder
        self._task = task
        self._process = process
        self._lifeline = lifeline
        self._events = events
        self._unread = b""
        self._unwritten = ""
        self._talks = True
        self._closed = False
        self._kernel_kills = kernel_kills()
        self.pidfd = os.pidfd_open(process.pid)

    @classmethod
    def start(cls, project: Project, recipe: Recipe, key: str, records: Mapping[str, Record], host: Host, cpus: int) -> Worker:
        """Prepare the workspace and start the worker of a recipe. The caller holds the key's lock."""
        store = project.store
        workspace = store.prepare(recipe.name, key)
        folder = new_run(store)
        task = make_task(project, recipe, key, records, host, cpus, workspace, folder)
        path = task.save(folder)
        lifeline, held = os.pipe()
        events, told = os.pipe()
        command = [sys.executable, "-m", "kvmdocs.worker", str(path), str(told)]
        with (folder / "worker.log").open("wb") as log:
            limits = [str(lifeline), str(task.timeout + PATIENCE), str(task.memory_limit), str(folder)]
            process = subprocess.Popen(
                [sys.executable, "-I", keeper.__file__, *limits, *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=project.root,
                env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                pass_fds=(lifeline, told),
                start_new_session=True,
            )
        os.close(lifeline)
        os.close(told)
        os.set_blocking(events, False)
        return cls(folder, task, process, held, events)

    def fileno(self) -> int:
        """The pipe on which the worker says what it does."""
        return self._events

    def events(self) -> list[dict[str, Any]]:
        """What the worker has said since the last call."""
        try:
            while chunk := os.read(self._events, 65536):
                self._unread += chunk
            self._talks = False
        except BlockingIOError:
            pass
        *lines, self._unread = self._unread.split(b"\n")
        said = [json.loads(line) for line in lines]
        self._unwritten = next((event["why"] for event in said if event["kind"] == UNWRITTEN), self._unwritten)
        return [event for event in said if event["kind"] != UNWRITTEN]

    def talks(self) -> bool:
        """Whether somebody may still say something on the pipe."""
        return self._talks

    def ended(self) -> bool:
        """Whether the worker and all it started are gone."""
        return self._process.poll() is not None

    def record(self) -> Record:
        """The record it left.

        Raises:
            TimedOut: It had to be killed when its time was over.
            OutOfMemory: It had to be killed for the memory it used.
            StoreError: It could not write one.
            WorkerLost: It ended without leaving one.
        """
        status = self._process.wait()
        path = self._folder / RECORD
        try:
            return load(path.read_bytes())
        except (FileNotFoundError, ValueError):
            pass
        if too_much := out_of_memory(self._folder):
            raise too_much.seen(recipe=self._task.recipe)
        self.events()
        if self._unwritten:
            raise StoreError(
                f"the record of {self._task.recipe} cannot be kept: {self._unwritten}",
                Evidence(recipe=self._task.recipe, advice="free space on that disk or set KVMDOCS_STORE_PATH to another"),
            )
        words = self._last_words()
        advice = ""
        if kernel_kills() > self._kernel_kills:
            advice = "the kernel killed a process for want of memory meanwhile (dmesg says which): free memory, or fewer --jobs"
        evidence = Evidence(recipe=self._task.recipe, tail=words, advice=advice)
        if status == keeper.TIMED_OUT:
            raise TimedOut(f"recipe {self._task.recipe} was killed: it ignored its time limit", evidence)
        code = 128 - status if status > 128 else status
        raise WorkerLost(f"the worker of {self._task.recipe} ended without a record ({describe_status(code)})", evidence)

    def _last_words(self) -> str:
        try:
            return (self._folder / "worker.log").read_bytes()[-LAST_WORDS:].decode("utf-8", "replace").strip()
        except OSError:
            return ""

    def abandon(self) -> None:
        """Ask the keeper to end everything: what it holds of the lifeline says that the build is gone."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def close(self) -> None:
        """Wait until everything is gone and remove the run's folder."""
        if self._closed:
            return
        self._closed = True
        self.abandon()
        try:
            self._process.wait(keeper_patience())
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._events)
        os.close(self.pidfd)
        shutil.rmtree(self._folder, ignore_errors=True)


def keeper_patience() -> float:
    """Seconds to wait for a keeper that was told to end everything."""
    return PATIENCE + 10.0


def make_task(
    project: Project,
    recipe: Recipe,
    key: str,
    records: Mapping[str, Record],
    host: Host,
    cpus: int,
    workspace: Path,
    folder: Path,
) -> Task:
    """What a worker is told."""
    entry = project.catalog.get(recipe.name)
    store = project.store
    return Task(
        recipe=recipe.name,
        key=key,
        root=str(project.root),
        guide=project.catalog.shown(entry.block.guide) if entry.block else "",
        line=entry.block.line if entry.block else 0,
        workspace=str(workspace),
        logs=str(store.logs(key)),
        work=str(store.work),
        home=str(store.home),
        inputs={wanted.name: records[wanted.name].value for wanted in recipe.inputs},
        digests={wanted.name: records[wanted.name].result for wanted in recipe.inputs},
        contents={path: digest for wanted in recipe.inputs for path, digest in records[wanted.name].contents.items()},
        settings={parameter: project.settings[name] for parameter, name in recipe.settings.items()},
        shown_settings=project.taken_settings(recipe),
        tools=project.tool_versions(recipe.tools),
        host=dataclasses.asdict(host),
        environ={**project.environ(recipe), MARK: str(folder)},
        lab=project.settings["lab.folder"],
        masks=project.concealed(),
        cpus=cpus,
        memory=recipe.memory,
        memory_limit=memory_limit(recipe, project.settings["limits.memory_times"], cpus),
        log_limit=project.settings["limits.log"],
        timeout=recipe.timeout,
    )


def wait_any(workers: list[Worker], seconds: float) -> list[Worker]:
    """The workers that said something or ended, waiting at most so many seconds for the first.

    A worker's pipe may be closed a moment before its keeper has made sure that nothing is left, so a keeper's end is waited for as such.
    """
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            if worker.talks():
                selector.register(worker, selectors.EVENT_READ, worker)
            selector.register(worker.pidfd, selectors.EVENT_READ, worker)
        return list({id(key.data): key.data for key, _ in selector.select(seconds)}.values())


def new_run(store: Store) -> Path:
    """A folder for a run, which says which process it belongs to.

    Raises:
        StoreError: The store cannot be written.
    """
    try:
        store.runs.mkdir(parents=True, exist_ok=True)
        folder = Path(tempfile.mkdtemp(dir=store.runs))
    except OSError as error:
        raise StoreError(f"the store {store.path} cannot be written: {error.strerror}") from error
    mine = os.getpid()
    # An engine of before `started` goes by `born`, and may share the store.
    owner = {"pid": mine, "started": _started(mine), "born": psutil.Process(mine).create_time()}
    write_whole(folder / OWNER, json.dumps(owner).encode())
    return folder


class Claim:
    """Says in the store what a build goes by, for as long as it runs: `kvmdocs.clean` leaves that alone.

    A record that a build found may not be the newest of its recipe (another checkout has run since), and what builds on it may begin much later.

    Raises:
        StoreError: The store cannot be written.
    """

    def __init__(self, store: Store) -> None:
        self._folder = new_run(store)

    def hold(self, records: Iterable[Record]) -> None:
        """These records, and the artefacts they name, are in use."""
        held = {record.recipe: record.value for record in records if record.status is Status.PASSED}
        write_whole(self._folder / TASK, json.dumps({"workspace": "", "inputs": held}).encode())

    def release(self) -> None:
        """They are not any more."""
        shutil.rmtree(self._folder, ignore_errors=True)


def sweep(store: Store) -> int:
    """Kill what runs of dead builds left behind, and remove their folders.

    Returns:
        How many processes were killed.
    """
    if not store.runs.is_dir():
        return 0
    killed = 0
    for folder in store.runs.iterdir():
        if _owned(folder):
            continue
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
    """Whether the build that a run's folder belongs to is alive. A folder without an owner is just being made, or removed."""
    try:
        owner = json.loads((folder / OWNER).read_text("utf-8"))
        if "started" in owner:
            return bool(_started(owner["pid"]) == owner["started"])
        return bool(abs(psutil.Process(owner["pid"]).create_time() - owner["born"]) < 1)
    except psutil.Error:
        return False
    except (OSError, ValueError, KeyError, TypeError):
        try:
            return time.time() - folder.stat().st_mtime < 60
        except FileNotFoundError:
            return True


def _started(pid: int) -> str:
    """When a process started, in clock ticks since this boot of the host, "" if none of that number runs.

    That tells it from another one that got its number later, whatever is done to the host's clock meanwhile: set by a second, a clock of
    seconds since 1970 would have every run under way belong to nobody, and its processes killed.
    """
    try:
        status = Path(f"/proc/{pid}/stat").read_bytes()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
    # The second field is the program's name in parentheses and may hold anything; the state follows, and the start time is the 22nd (proc_pid_stat(5)).
    fields = status.rpartition(b")")[2].split()
    return f"{boot} {fields[19].decode()}" if fields[0] != b"Z" else ""
