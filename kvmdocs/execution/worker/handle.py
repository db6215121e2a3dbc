"""The executor's side of a worker: starting it under a keeper, listening to it, ending it, taking its record in.

A build that is killed leaves nothing running (`kvmdocs.execution.worker.supervisor`). Should even the keepers be killed, the next build finds what they left by the
variable ``KVMDOCS_RUN`` in the environment of every process a recipe starts (`kvmdocs.execution.run_dirs.kill_orphans`).
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
from kvmdocs.execution.results import types
from kvmdocs.execution.run_dirs import MARK, new_run
from kvmdocs.execution.worker import supervisor
from kvmdocs.execution.worker.fork_server_client import ForkServerClient, SupervisorHandle, last_words
from kvmdocs.execution.worker.limits import kernel_kills, memory_limit, out_of_memory
from kvmdocs.execution.worker.protocol import RECORD, UNWRITTEN, InheritedFds, WorkerTask
from kvmdocs.recording.recipe import Recipe
from kvmdocs.store.store import load

PATIENCE = 20.0
"""Seconds the keeper gives a worker beyond its own time limit, to clean up and to write its record."""


class WorkerHandle:
    """A worker under way."""

    def __init__(
        self, folder: Path, task: WorkerTask, kept: SupervisorHandle, lifeline: int, events: int, log: BinaryIO
    ) -> None:
        self._folder = folder
        self._task = task
        self._keeper = kept
        self._lifeline = lifeline
        self._events = events
        self._log = log
        self._unread = b""
        self._unwritten = ""
        self._talks = True
        self._closed = False
        self._kernel_kills = kernel_kills()
        self.pidfd = kept.pidfd

    @classmethod
    def start(
        cls,
        project: Project,
        recipe: Recipe,
        key: str,
        records: Mapping[str, Record],
        host: Host,
        cpus: int,
        nursery: ForkServerClient,
    ) -> WorkerHandle:
        """Prepare the workspace and start the worker of a recipe. The caller holds the key's lock."""
        store = project.store
        workspace = store.prepare(recipe.name, key)
        folder = new_run(store)
        task = make_task(project, recipe, key, records, host, cpus, workspace, folder)
        path = task.save(folder)
        lifeline, held = os.pipe()
        events, told = os.pipe()
        # It has no name: what a recipe prints past its steps may be secret, and is left by a build that is killed.
        log = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  # it is closed with the worker
        files = InheritedFds(lifeline, told, log.fileno(), task.handed_over())
        try:
            kept = nursery.start(path, task.timeout + PATIENCE, task.memory_limit, files)
        except BaseException:
            os.close(held)
            os.close(events)
            log.close()
            raise
        finally:
            os.close(lifeline)
            os.close(told)
            os.close(files.private)
        os.set_blocking(events, False)
        return cls(folder, task, kept, held, events, log)

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
        return self._keeper.ended()

    def record(self) -> Record:
        """The record it left.

        Raises:
            TimedOut: It had to be killed when its time was over.
            OutOfMemory: It had to be killed for the memory it used.
            StoreError: It could not write one.
            WorkerLost: It ended without leaving one.
        """
        status = self._keeper.status()
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
        if status == supervisor.TIMED_OUT:
            raise TimedOut(f"recipe {self._task.recipe} was killed: it ignored its time limit", evidence)
        code = 128 - status if status > 128 else status
        raise WorkerLost(f"the worker of {self._task.recipe} ended without a record ({describe_status(code)})", evidence)

    def _last_words(self) -> str:
        self._log.seek(0)
        return last_words(self._log.read())

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
        if not self._keeper.ended(keeper_patience()):
            self._keeper.kill()
        self._keeper.status()
        os.close(self._events)
        self._log.close()
        self._keeper.close()
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
) -> WorkerTask:
    """What a worker is told."""
    entry = project.catalog.get(recipe.name)
    store = project.store
    return WorkerTask(
        recipe=recipe.name,
        key=key,
        root=str(project.root),
        module="" if entry.block else entry.module,
        guide=project.catalog.shown(entry.block.guide) if entry.block else "",
        line=entry.block.line if entry.block else 0,
        workspace=str(workspace),
        logs=str(store.logs(key)),
        work=str(store.work),
        home=str(store.home),
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
        environ={**project.environ(recipe), MARK: str(folder)},
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
    """The workers that said something or ended, waiting at most so many seconds for the first.

    A worker's pipe may be closed a moment before its keeper has made sure that nothing is left, so a keeper's end is waited for as such.
    """
    with selectors.DefaultSelector() as selector:
        for worker in workers:
            if worker.talks():
                selector.register(worker, selectors.EVENT_READ, worker)
            selector.register(worker.pidfd, selectors.EVENT_READ, worker)
        return list({id(key.data): key.data for key, _ in selector.select(seconds)}.values())
