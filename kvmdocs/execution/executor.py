"""The executor: runs the recipes that are stale, as many at once as the host has room for, and gives every record.

There is one engine. A build, a test run and ``kvmdocs run`` hand it names and get back an `RunResult`. It is a loop in one
thread over the pipes of its workers; a worker is a process (`kvmdocs.execution.worker.handle`), and what it did is believed only when its record is whole.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING

from kvmdocs.core import graph
from kvmdocs.core.errors import Evidence, HostLacks, Interrupted, KvmdocsError, StoreError, said
from kvmdocs.core.model import Failure, Freshness, Record, Status
from kvmdocs.execution.plan import KeyCache, because_of, blocked, failed_below, make_plan, with_inputs
from kvmdocs.execution.project import Project, gc_paused
from kvmdocs.execution.result import ProgressListener, RunResult
from kvmdocs.execution.results import stored
from kvmdocs.execution.run_dirs import StoreLease, defer_sigint, kill_orphans
from kvmdocs.host import probes
from kvmdocs.recording.recipe import CPUS_ALL, Recipe

if TYPE_CHECKING:
    from filelock import FileLock

    from kvmdocs.execution.worker.fork_server_client import ForkServerClient
    from kvmdocs.execution.worker.handle import WorkerHandle

GRACE = 1.0
"""Seconds between two looks at what is neither a pipe nor a process: a lock that another build holds."""


@dataclass
class _Running:
    worker: WorkerHandle
    lock: FileLock
    cpus: int
    memory: int
    parts: dict[str, str]


class Executor:
    """Runs recipes of a project.

    Args:
        project: The project.
        reporter: Who is told.
        require: True makes a skip for want of a package an error (``REQUIRE=all``).
        fresh: Names of recipes to run even though the store has their record.
        failed: Records of recipes that have just failed; these are not tried again, whatever the store has.
    """

    def __init__(
        self,
        project: Project,
        reporter: ProgressListener,
        *,
        require: bool = False,
        fresh: frozenset[str] = frozenset(),
        failed: Mapping[str, Record] = MappingProxyType({}),
    ) -> None:
        self._project = project
        self._reporter = reporter
        self._require = require
        self._fresh = fresh
        self._failed = failed
        self._host = probes.describe(project.settings)
        self._cpus = probes.cpus(project.settings)
        self._allowed = self._cpus * float(project.settings["limits.overcommit"])
        self._memory = probes.memory(project.settings)
        self._jobs = int(project.settings["limits.jobs"])
        self._outcome = RunResult()
        self._running: dict[str, _Running] = {}
        self._may_start = False
        self._looked: set[str] = set()  # whose inputs are there and whose record is not, so that each is looked for once
        self._claim: StoreLease | None = None
        self._keys = KeyCache(project)
        self._nursery: ForkServerClient | None = None

    def run(self, names: Iterable[str]) -> RunResult:
        """Make sure that the records of these recipes exist.

        A failure does not end the run: what does not build on the failed recipe goes on.

        Raises:
            CatalogError: A name is unknown, or recipes build on each other in a circle.
            HostLacks: A package is missing and `require` is set.
            StoreError: The store cannot be read or written.
            Interrupted: Ctrl-C; every worker and all it started is gone.
        """
        below = with_inputs(self._project, names)
        order = graph.topological_order(below)
        self._reporter.planned(order)
        kill_orphans(self._project.store)
        try:
            # What the store has is taken first: most runs start nothing, and need not know how urgent it would be.
            with gc_paused():
                waiting = self._start_ready(order, below)
            urgency = graph.critical_path(below, self._usual) if waiting else {}
            waiting.sort(key=lambda name: -urgency[name])
            self._may_start = True
            if waiting:
                with defer_sigint():
                    self._claim = StoreLease(self._project.store)
                self._claim.hold(self._outcome.records.values())
            while waiting or self._running:
                waiting = self._start_ready(waiting, below)
                if self._running or waiting:
                    self._listen()
        except KeyboardInterrupt:
            raise Interrupted(
                "interrupted; what was done so far is kept", Evidence(advice="the same command goes on")
            ) from None
        finally:
            self._end_all()
            self._reporter.ended()
        return self._outcome

    def stale(self, names: Iterable[str]) -> list[str]:
        """The recipes that `run` would run for these names, as far as can be told before it does, each after what it builds on.

        What cannot run on this host for want of a capability does not count; what lacks a package does, since that can be installed.
        """
        with gc_paused():
            return [name for name, standing in make_plan(self._project, names, self._fresh).items() if standing.stale]

    # -- starting -----------------------------------------------------------------------------------------------

    def _start_ready(self, waiting: list[str], below: dict[str, tuple[str, ...]]) -> list[str]:
        """Look at every recipe that waits and whose inputs are there; returns those that still wait.

        A record that the store has may make more recipes ready at once, so the round is repeated until nothing moves.
        """
        while True:
            known = len(self._outcome.records)
            waiting = [name for name in waiting if not self._settle(name, below[name])]
            if len(self._outcome.records) == known:
                return waiting

    def _settle(self, name: str, needed: tuple[str, ...]) -> bool:
        """Take a recipe from the waiting ones if it can be: found, skipped, or started."""
        if name in self._failed:
            self._done(name, self._failed[name], Freshness.RAN)
            return True
        recipe = self._recipe(name)
        looked = name in self._looked
        if not looked:
            records = self._outcome.records
            if any(other not in records for other in needed):
                return False
            if reason := because_of(failed_below(self._project, self._outcome, name)):
                self._skip(name, reason, Freshness.BLOCKED)
                return True
            with self._project.catalog.about(name):
                reason = blocked(recipe, records) or self._project.capabilities.missing(recipe.needs) or self._lacks(recipe)
            if reason:
                self._skip(name, reason, Freshness.NONE)
                return True
            self._looked.add(name)
        try:
            with self._project.catalog.about(name):
                return (not looked and self._found(name)) or self._begin(recipe)
        except StoreError:
            raise
        except KvmdocsError as error:
            self._fail(name, error)
            return True

    def _lacks(self, recipe: Recipe) -> str:
        """Which of a recipe's tools the host lacks, and how to get them, or ""."""
        missing = self._project.missing_tools(recipe.tools)
        if not missing:
            return ""
        reason = f"this host lacks {', '.join(missing)}"
        if self._require:
            raise HostLacks(
                f"recipe {recipe.name} cannot run: {reason}",
                Evidence(recipe=recipe.name, advice=self._project.install_advice(recipe.tools)),
            )
        return f"{reason}; {self._project.install_advice(recipe.tools)}"

    def _found(self, name: str) -> bool:
        """Whether the store has the record."""
        if name in self._fresh:
            return False
        record = stored(self._project, self._key(name))
        if record is None:
            return False
        self._project.store.make_latest(record)
        self._done(name, record, Freshness.CACHED)
        return True

    def _begin(self, recipe: Recipe) -> bool:
        """Start a recipe's worker if there is room for it and nobody else runs it."""
        cpus = self._cpus if recipe.cpus == CPUS_ALL else min(recipe.cpus, self._cpus)
        if not self._may_start or not self._room(recipe, cpus):
            return False
        lock = self._project.store.try_lock(self._key(recipe.name))
        if lock is None:
            self._reporter.waiting(recipe.name)
            return False
        try:
            # Another build may have made it between the look into the store and the lock.
            if self._found(recipe.name):
                lock.release()
                return True
            self._enough_disk(recipe)
            # Most runs start nothing, and need not know how.
            from kvmdocs.execution.worker.fork_server_client import ForkServerClient
            from kvmdocs.execution.worker.handle import WorkerHandle

            parts = self._project.code_parts(recipe.name)
            with defer_sigint():
                self._nursery = self._nursery or ForkServerClient(self._project.root)
                worker = WorkerHandle.start(
                    self._project, recipe, self._key(recipe.name), self._outcome.records, self._host, cpus, self._nursery
                )
                self._running[recipe.name] = _Running(worker, lock, cpus, min(recipe.memory, self._memory), parts)
        except BaseException:
            if recipe.name not in self._running:
                lock.release()
            raise
        self._reporter.started(recipe.name, self._usual(recipe.name))
        return True

    def _room(self, recipe: Recipe, cpus: int) -> bool:
        """Whether processors, memory and named things are free. What runs alone always has room."""
        if not self._running:
            return True
        if self._jobs and len(self._running) >= self._jobs:
            return False
        if sum(running.cpus for running in self._running.values()) + cpus > self._allowed:
            return False
        taken = {thing for name in self._running for thing in self._recipe(name).resources}
        used = sum(running.memory for running in self._running.values())
        return not taken & set(recipe.resources) and used + recipe.memory <= self._memory

    def _enough_disk(self, recipe: Recipe) -> None:
        free = self._project.store.free()
        if free < recipe.disk:
            raise HostLacks(
                f"recipe {recipe.name} needs {recipe.disk / 2**30:.1f} GiB of disk and {free / 2**30:.1f} GiB are free "
                f"where the store lies ({self._project.store.path})",
                Evidence(recipe=recipe.name, advice="free space there or set KVMDOCS_STORE_PATH to a larger disk"),
            )

    # -- listening ----------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        """Wait until a worker says something or ends, and take it in."""
        if not self._running:
            time.sleep(GRACE / 4)
        from kvmdocs.execution.worker.handle import wait_any

        workers = {running.worker: name for name, running in self._running.items()}
        for worker in wait_any(list(workers), GRACE):
            name = workers[worker]
            for event in worker.events():
                if event["kind"] == "step":
                    self._reporter.step(name, event["number"], event["command"])
                else:
                    self._reporter.line(name, event["line"])
            if worker.ended():
                self._finish(name)
        self._reporter.tick()

    def _finish(self, name: str) -> None:
        running = self._running.pop(name)
        try:
            record = running.worker.record()
            if record.status is Status.PASSED:
                self._project.store.put_ingredients(
                    record.key, {**vars(self._keys.ingredients(name, self._outcome.records)), "parts": running.parts}
                )
            self._project.store.put(record)
            self._done(name, record, Freshness.RAN)
        except StoreError:
            raise
        except KvmdocsError as error:
            self._fail(name, error)
        finally:
            running.worker.close()
            running.lock.release()

    def _done(self, name: str, record: Record, freshness: Freshness) -> None:
        self._outcome.records[name] = record
        self._outcome.freshness[name] = freshness
        if self._claim is not None:
            self._claim.hold([record])
        self._reporter.finished(name, record, freshness)

    def _skip(self, name: str, reason: str, freshness: Freshness) -> None:
        record = self._empty(name, Status.SKIPPED)
        self._done(name, self._project.presentable(replace(record, reason=reason)), freshness)

    def _fail(self, name: str, error: KvmdocsError) -> None:
        """Note that a recipe did not get as far as a record of its own."""
        evidence = error.evidence
        told = Failure(
            error=type(error).__name__,
            message=said(error),
            path=evidence.place.path if evidence.place else "",
            line=evidence.place.line if evidence.place else 0,
            advice=evidence.advice,
            tail=evidence.tail,
        )
        record = replace(self._empty(name, Status.FAILED), failure=told)
        self._done(name, self._project.presentable(record), Freshness.NONE)

    def _empty(self, name: str, status: Status) -> Record:
        return Record(recipe=name, key="", status=status, host=self._host, started=probes.now())

    def _end_all(self) -> None:
        """End what still runs, and wait until it and all it started is gone."""
        for running in self._running.values():
            running.worker.abandon()
        for running in self._running.values():
            running.worker.close()
            running.lock.release()
        self._running.clear()
        if self._nursery is not None:
            self._nursery.close()
        if self._claim is not None:
            self._claim.release()
            self._claim = None

    # -- looking things up --------------------------------------------------------------------------------------

    def _recipe(self, name: str) -> Recipe:
        return self._project.catalog.get(name).recipe

    def _usual(self, name: str) -> float:
        """Seconds a recipe took the last time, or what its author expects."""
        last = self._project.store.latest(name)
        return last.seconds if last else self._recipe(name).expects

    def _key(self, name: str) -> str:
        """A recipe's key; its inputs are done."""
        return self._keys.key(name, self._outcome.records)
