"""Executor: run stale recipes, as many at a time as the host has room for, and return every record.

Builds, tests and ``kvmdocs run`` all use it: they pass names and get a `RunResult`. It is a loop in one thread over the pipes
of its workers. A worker is a process (`kvmdocs.execution.worker.handle`). Only a complete record of it counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import Enum, auto
from types import MappingProxyType
from typing import TYPE_CHECKING

from kvmdocs.core import graph
from kvmdocs.core.errors import Evidence, Interrupted, KvmdocsError, StoreError
from kvmdocs.core.model import Freshness, Record, Status
from kvmdocs.execution import observed
from kvmdocs.execution.input_check import InputCheck
from kvmdocs.execution.plan import because_of, blocked, failed_below, lacking, make_plan, with_inputs
from kvmdocs.execution.project import Project, gc_paused
from kvmdocs.execution.resources import ResourcePool
from kvmdocs.execution.run_dirs import defer_sigint, kill_orphans
from kvmdocs.execution.run_result import ProgressListener, RunResult, failed_record, skipped_record
from kvmdocs.execution.stored_records import StoredRecords
from kvmdocs.host import facts
from kvmdocs.recording.recipe import Recipe

if TYPE_CHECKING:
    from filelock import FileLock

    from kvmdocs.execution.worker.fork_server_client import ForkServerClient
    from kvmdocs.execution.worker.handle import WorkerHandle

POLL_INTERVAL = 1.0
"""Seconds between two checks for changes without an event from a worker, for example another build that releases a lock."""


class _State(Enum):
    """State of a recipe after `Executor._advance`."""

    WAITING = auto()  # for inputs, for room on the host, or for another build that runs it
    STARTED = auto()  # its worker runs
    DONE = auto()  # it has a record: taken from the store, skipped, or failed before it could start


@dataclass
class _Running:
    worker: WorkerHandle
    lock: FileLock
    code_parts: dict[str, str]


class Executor:
    """Runs recipes of a project.

    Args:
        project: The project.
        listener: Receives the progress of the run.
        require: Raise an error for a missing package instead of skipping the recipe (``REQUIRE=all``).
        fresh: Names of recipes to run even if the store has their record.
        failed: Records of recipes that have just failed. They are not run again, whatever the store has.
    """

    def __init__(
        self,
        project: Project,
        listener: ProgressListener,
        *,
        require: bool = False,
        fresh: frozenset[str] = frozenset(),
        failed: Mapping[str, Record] = MappingProxyType({}),
    ) -> None:
        self._project = project
        self._listener = listener
        self._require = require
        self._fresh = fresh
        self._stored = StoredRecords(project, fresh)
        self._failed = failed
        self._host = facts.describe(project.settings)
        self._pool = ResourcePool.of_host(project)
        self._result = RunResult()
        self._running: dict[str, _Running] = {}
        self._may_start = False
        self._runnable: set[str] = set()  # have all inputs, can run here, and have no record in the store
        self._inputs = InputCheck(project.store, listener)
        self._again: list[str] = []  # recipes to make again, because their artefacts are damaged
        self._fork_server: ForkServerClient | None = None

    def run(self, names: Iterable[str]) -> RunResult:
        """Return the records of recipes; run those that are stale.

        A failure does not end the run: recipes that do not build on the failed one still run.

        Raises:
            CatalogError: A name is unknown, or recipes build on each other in a circle.
            HostLacks: A package is missing and `require` is set.
            StoreError: The store cannot be read or written.
            Interrupted: Ctrl-C; every worker and all its descendants are gone.
        """
        inputs = with_inputs(self._project, names)
        order = graph.topological_order(inputs)
        self._listener.planned(order)
        kill_orphans(self._project.store)
        try:
            # Look in the store first: most runs start nothing and need no critical path.
            with gc_paused():
                waiting = self._start_ready(order, inputs)
            self._may_start = True
            if waiting:
                urgency = graph.critical_path(inputs, self._usual_seconds)
                waiting.sort(key=lambda name: -urgency[name])
                self._stored.protect(self._result.records.values())
                lost = self._stored.lost(self._result.records)
                self._take_back(lost)
                waiting += lost
            while waiting or self._running:
                waiting = self._start_ready(waiting, inputs)
                if self._running or waiting:
                    self._listen()
        except KeyboardInterrupt:
            raise Interrupted(
                "interrupted; what was done so far is kept", Evidence(advice="the same command goes on")
            ) from None
        finally:
            self._end_all()
            self._listener.ended()
        return self._result

    def stale(self, names: Iterable[str]) -> list[str]:
        """Return the recipes that `run` would run for these names, in topological order.

        Recipes that need a capability which the host lacks are not among them; those that lack an installable package are.
        """
        with gc_paused():
            return [name for name, entry in make_plan(self._project, names, self._fresh).items() if entry.stale]

    def _start_ready(self, waiting: list[str], inputs: dict[str, tuple[str, ...]]) -> list[str]:
        """Advance every waiting recipe as far as possible; return those that still wait."""
        while True:
            states = {name: self._advance(name, inputs[name]) for name in waiting}
            waiting = [name for name, state in states.items() if state is _State.WAITING]
            if self._again:
                waiting, self._again = [*self._again, *waiting], []
                continue
            # A new record may make further recipes ready.
            if _State.DONE not in states.values():
                return waiting

    def _advance(self, name: str, inputs: tuple[str, ...]) -> _State:
        """Take a recipe's record from the store, skip the recipe, or start it, if that is possible by now."""
        if name in self._failed:
            return self._done(name, self._failed[name], Freshness.RAN)
        recipe = self._project.catalog.get(name).recipe
        records = self._result.records
        first_time = name not in self._runnable
        if first_time:
            if any(other not in records for other in inputs):
                return _State.WAITING
            if reason := because_of(failed_below(self._project, self._result, name)):
                return self._skip(name, reason, Freshness.BLOCKED)
            with self._project.catalog.about(name):
                missing = self._project.capabilities.missing
                reason = (
                    blocked(recipe, records) or missing(recipe.needs) or lacking(self._project, recipe, require=self._require)
                )
            if reason:
                return self._skip(name, reason, Freshness.NONE)
            self._runnable.add(name)
        try:
            with self._project.catalog.about(name):
                if first_time and self._take_stored(name):
                    return _State.DONE
                return self._try_start(recipe)
        except StoreError:
            raise
        except KvmdocsError as error:
            return self._fail(name, error)

    def _take_stored(self, name: str) -> bool:
        """Use the store's record of a recipe, if it has one."""
        record = self._stored.take(name, self._result.records)
        if record is not None:
            self._done(name, record, Freshness.CACHED)
        return record is not None

    def _try_start(self, recipe: Recipe) -> _State:
        """Start a recipe's worker if there is room for it and no other build runs it."""
        if not self._may_start or not self._pool.has_room(recipe):
            return _State.WAITING
        name, key = recipe.name, self._stored.key(recipe.name, self._result.records)
        if damaged := self._inputs.damaged(recipe, self._result.records):
            self._again += damaged
            self._take_back(damaged)
            return _State.WAITING
        lock = self._project.store.try_lock(key)
        if lock is None:
            self._listener.waiting(name)
            return _State.WAITING
        try:
            # Another build may have stored the record before we took the lock.
            if self._take_stored(name):
                lock.release()
                return _State.DONE
            self._pool.check_disk(recipe)
            # Imported late: most builds run nothing.
            from kvmdocs.execution.worker.fork_server_client import ForkServerClient
            from kvmdocs.execution.worker.handle import WorkerHandle

            code_parts = self._project.code_parts(name)
            with defer_sigint():
                self._fork_server = self._fork_server or ForkServerClient(self._project.root)
                cpus, records = self._pool.cpus_for(recipe), self._result.records
                worker = WorkerHandle.start(self._project, recipe, key, records, self._host, cpus, self._fork_server)
                self._running[name] = _Running(worker, lock, code_parts)
                self._pool.allocate(recipe)
        except BaseException:
            if name not in self._running:
                lock.release()
            raise
        self._listener.started(name, self._usual_seconds(name))
        return _State.STARTED

    def _take_back(self, names: Iterable[str]) -> None:
        """Forget the records of recipes: they are to be made, or waited for. What was known of others may depend on them."""
        for name in names:
            del self._result.records[name], self._result.freshness[name]
        self._runnable.clear()
        self._stored.forget_keys()

    def _listen(self) -> None:
        """Wait until a worker reports something or ends, and handle that."""
        from kvmdocs.execution.worker.handle import wait_any

        workers = {running.worker: name for name, running in self._running.items()}
        for worker in wait_any(list(workers), POLL_INTERVAL):
            name = workers[worker]
            for event in worker.events():
                if event["kind"] == "step":
                    self._listener.step(name, event["number"], event["command"])
                else:
                    self._listener.line(name, event["line"])
            if worker.ended():
                self._finish(name)
        self._listener.tick()

    def _finish(self, name: str) -> None:
        """Store the record of a worker that has ended."""
        running = self._running.pop(name)
        try:
            record = running.worker.record()
            if record.status is Status.PASSED:
                record = replace(record, observed=observed.with_digests(self._project, record))
                key_inputs = self._stored.key_inputs(name, self._result.records)
                self._project.store.put_ingredients(record.key, {**vars(key_inputs), "parts": running.code_parts})
                self._inputs.made(record)
            self._project.store.put(record)
            self._done(name, record, Freshness.RAN)
        except StoreError:
            raise
        except KvmdocsError as error:
            self._fail(name, error)
        finally:
            running.worker.close()
            running.lock.release()
            self._pool.release(name)

    def _done(self, name: str, record: Record, freshness: Freshness) -> _State:
        self._result.records[name] = record
        self._result.freshness[name] = freshness
        self._stored.made(record)
        self._listener.finished(name, record, freshness)
        return _State.DONE

    def _skip(self, name: str, reason: str, freshness: Freshness) -> _State:
        return self._done(name, self._project.presentable(skipped_record(name, reason, self._host)), freshness)

    def _fail(self, name: str, error: KvmdocsError) -> _State:
        """Record that a recipe failed without a record of its own worker."""
        return self._done(name, self._project.presentable(failed_record(name, error, self._host)), Freshness.NONE)

    def _end_all(self) -> None:
        """Kill every running worker and its descendants, and wait until they are gone."""
        for running in self._running.values():
            running.worker.abandon()
        for name, running in self._running.items():
            running.worker.close()
            running.lock.release()
            self._pool.release(name)
        self._running.clear()
        if self._fork_server is not None:
            self._fork_server.close()
        self._stored.release()

    def _usual_seconds(self, name: str) -> float:
        """Return how many seconds a recipe took the last time, or else what its author expects."""
        last = self._project.store.latest(name)
        return last.seconds if last else self._project.catalog.get(name).recipe.expects
