"""Handle of a worker in the executor: start it under a supervisor, read its events, end it, and read its record.

A killed build leaves no process (`kvmdocs.execution.worker.supervisor`). If the supervisors are killed as well, the next build
finds the orphans by the variable ``KVMDOCS_RUN`` in the environment of every process of a recipe
(`kvmdocs.execution.run_dirs.kill_orphans`).
"""

from __future__ import annotations

import dataclasses
import json
import os
import selectors
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

from kvmdocs.core.errors import Evidence, StoreError, TimedOut, WorkerLost, describe_status
from kvmdocs.core.model import Host, Record
from kvmdocs.core.paths import homes
from kvmdocs.execution.project import Project
from kvmdocs.execution.recipe_values import types
from kvmdocs.execution.run_dirs import MARK, new_run
from kvmdocs.execution.worker.fork_server_client import ForkServerClient, SupervisorHandle, last_words
from kvmdocs.execution.worker.limits import kernel_kills, memory_limit, out_of_memory
from kvmdocs.execution.worker.protocol import RECORD, UNWRITTEN, InheritedFds, WorkerTask
from kvmdocs.execution.worker.supervisor import TIMED_OUT
from kvmdocs.recording.recipe import Recipe
from kvmdocs.store.gc import used_by_builds
from kvmdocs.store.store import load

PATIENCE = 20.0
"""Seconds beyond its time limit that a worker has for clean-up and for its record, before the supervisor kills it."""


class WorkerHandle:
    """A running worker."""

    def __init__(
        self, folder: Path, task: WorkerTask, supervisor: SupervisorHandle, lifeline: int, events: int, log: BinaryIO
    ) -> None:
        self._folder = folder
        self._task = task
        self._supervisor = supervisor
        self._lifeline = lifeline
        self._events = events
        self._log = log
        self._unread = b""
        self._unwritten = ""
        self._open = True
        self._closed = False
        self._kernel_kills = kernel_kills()
        self.pidfd = supervisor.pidfd

    @classmethod
    def start(
        cls,
        project: Project,
        recipe: Recipe,
        key: str,
        records: Mapping[str, Record],
        host: Host,
        cpus: int,
        fork_server: ForkServerClient,
    ) -> WorkerHandle:
        """Prepare the workspace of a recipe and start its worker. The caller holds the key's lock."""
        store = project.store
        workspace = store.prepare(recipe.name, key, lambda name: name in used_by_builds(store, others_than=os.getpid()))
        folder = new_run(store)
        task = make_task(project, recipe, key, records, host, cpus, workspace, folder)
        path = task.save(folder)
        lifeline, lifeline_held = os.pipe()
        events, events_written = os.pipe()
        # Anonymous, since a killed build would leave it, and a recipe's output outside of steps may be secret.
        log = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # it is closed with the worker
        files = InheritedFds(lifeline, events_written, log.fileno(), task.private_fd())
        try:
            supervised = fork_server.start(path, task.timeout + PATIENCE, task.memory_limit, files)
        except BaseException:
            os.close(lifeline_held)
            os.close(events)
            log.close()
            raise
        finally:
            os.close(lifeline)
            os.close(events_written)
            os.close(files.private)
        os.set_blocking(events, False)
        return cls(folder, task, supervised, lifeline_held, events, log)

    def fileno(self) -> int:
        """Return the file descriptor of the pipe with the worker's events."""
        return self._events

    def events(self) -> list[dict[str, Any]]:
        """Return the worker's events since the last call."""
        try:
            while chunk := os.read(self._events, 65536):
                self._unread += chunk
            self._open = False
        except BlockingIOError:
            pass
        *lines, self._unread = self._unread.split(b"\n")
        events = [json.loads(line) for line in lines]
        self._unwritten = next((event["why"] for event in events if event["kind"] == UNWRITTEN), self._unwritten)
        return [event for event in events if event["kind"] != UNWRITTEN]

    def is_open(self) -> bool:
        """Check whether the pipe may still bring events."""
        return self._open

    def ended(self) -> bool:
        """Check whether the worker and all its descendants are gone."""
        return self._supervisor.ended()

    def record(self) -> Record:
        """Return the record that the worker wrote.

        Raises:
            TimedOut: The worker was killed after its time limit.
            OutOfMemory: The worker was killed because of its memory use.
            StoreError: The worker could not write its record.
            WorkerLost: The worker ended without a record.
        """
        status = self._supervisor.status()
        path = self._folder / RECORD
        try:
            return load(path.read_bytes())
        except (FileNotFoundError, ValueError):
            pass
        if overuse := out_of_memory(self._folder):
            raise overuse.seen(recipe=self._task.recipe)
        self.events()
        if self._unwritten:
            raise StoreError(
                f"the record of {self._task.recipe} cannot be written: {self._unwritten}",
                Evidence(recipe=self._task.recipe, advice="free space on that disk or set KVMDOCS_STORE_PATH to another"),
            )
        advice = ""
        if kernel_kills() > self._kernel_kills:
            advice = "the kernel meanwhile killed a process for lack of memory (see dmesg): free memory, or lower --jobs"
        self._log.seek(0)
        evidence = Evidence(recipe=self._task.recipe, tail=last_words(self._log.read()), advice=advice)
        if status == TIMED_OUT:
            raise TimedOut(f"recipe {self._task.recipe} was killed: it ignored its time limit", evidence)
        code = 128 - status if status > 128 else status
        raise WorkerLost(f"the worker of {self._task.recipe} ended without a record ({describe_status(code)})", evidence)

    def abandon(self) -> None:
        """Close our end of the lifeline. The supervisor sees EOF and kills the worker's process tree."""
        if self._lifeline >= 0:
            os.close(self._lifeline)
            self._lifeline = -1

    def close(self) -> None:
        """End the worker, wait until its process tree is gone, and remove the run's folder."""
        if self._closed:
            return
        self._closed = True
        self.abandon()
        if not self._supervisor.ended(supervisor_timeout()):
            self._supervisor.kill()
        self._supervisor.status()
        os.close(self._events)
        self._log.close()
        self._supervisor.close()
        shutil.rmtree(self._folder, ignore_errors=True)


def supervisor_timeout() -> float:
    """Return the time, in seconds, to wait for a supervisor to end after its lifeline was closed."""
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
) -> WorkerTask:
    """Return the task of a recipe's worker."""
    entry = project.catalog.get(recipe.name)
    store = project.store
    # Empty, and gone with the run: what a recipe leaves in its HOME must not reach another.
    home = folder / "home"
    home.mkdir()
    return WorkerTask(
        recipe=recipe.name,
        key=key,
        root=str(project.root),
        module="" if entry.block else entry.module,
        guide=project.catalog.shown(entry.block.guide) if entry.block else "",
        block=entry.block.number if entry.block else 0,
        workspace=str(workspace),
        logs=str(store.logs(key)),
        work=str(store.work),
        home=str(home),
        inputs={wanted.name: records[wanted.name].value for wanted in recipe.inputs},
        types={
            wanted.name: [(kind.__module__, kind.__qualname__) for kind in types(project, records[wanted.name])]
            for wanted in recipe.inputs
        },
        digests={wanted.name: records[wanted.name].result for wanted in recipe.inputs},
        contents={path: digest for wanted in recipe.inputs for path, digest in records[wanted.name].contents.items()},
        settings={parameter: project.settings[name] for parameter, name in recipe.settings.items()},
        shown_settings=project.shown_settings(recipe),
        tools=project.tool_versions(recipe.tools),
        host=dataclasses.asdict(host),
        environ={**project.environ(recipe), MARK: str(folder), "HOME": str(home)},
        lab=project.settings["lab.folder"],
        masks=homes(os.environ),
        hidden=project.hidden_values,
        cpus=cpus,
        memory=recipe.memory,
        memory_limit=memory_limit(recipe, project.settings["limits.memory_times"], cpus),
        log_limit=project.settings["limits.log"],
        timeout=recipe.timeout,
    )


def wait_any(workers: list[WorkerHandle], seconds: float) -> list[WorkerHandle]:
    """Return the workers with new events or that have ended. Wait at most so many seconds for the first.

    The end of a worker is the end of its supervisor: the worker's pipe may be closed while the supervisor still kills
    descendants.
    """
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            if worker.is_open():
                selector.register(worker, selectors.EVENT_READ, worker)
            selector.register(worker.pidfd, selectors.EVENT_READ, worker)
        return list({id(key.data): key.data for key, _ in selector.select(seconds)}.values())
