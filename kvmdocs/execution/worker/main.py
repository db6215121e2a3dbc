"""Worker: a process that runs one recipe and writes its record.

Its task is a file (`WorkerTask`). It reports progress as lines of JSON on a pipe and writes the record into the run's folder.
It never writes into the store's records: the executor does, which knows whether the run counts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from kvmdocs.catalog.catalog import Catalog
from kvmdocs.catalog.loader import import_module, put_on_path
from kvmdocs.catalog.page_blocks import page_blocks
from kvmdocs.core.control_characters import in_utf8
from kvmdocs.core.errors import Evidence, KvmdocsError, RecipeFailed, Skipped, StoreError, ValueNotStorable, said, shortened
from kvmdocs.core.model import Host, Record, Status, map_texts
from kvmdocs.core.paths import KEY_LENGTH, PathDisplay
from kvmdocs.core.secrets.masking import Secrets
from kvmdocs.core.settings import Settings
from kvmdocs.execution.worker.failure import MAX_MESSAGE, failure
from kvmdocs.execution.worker.limits import LimitSignals
from kvmdocs.execution.worker.observation import Observer
from kvmdocs.execution.worker.protocol import RECORD, UNWRITTEN, WorkerTask
from kvmdocs.recording import digests, values
from kvmdocs.recording.background_process import LiveStep
from kvmdocs.recording.recipe import Recipe
from kvmdocs.recording.result_types import ReturnTypes
from kvmdocs.recording.shell import Limits, Shell
from kvmdocs.recording.source import check
from kvmdocs.recording.value_form import ValueRefused
from kvmdocs.store.files import atomic_write
from kvmdocs.store.store import dump

EVENT_INTERVAL = 1.0
"""Seconds between two events with the last line that the current step printed."""


def work(path: str, events_fd: int, private: int) -> int:
    """Run the recipe of a task.

    Args:
        path: File of the task; the record is written beside it.
        events_fd: File descriptor for events.
        private: File descriptor with the task's private fields.

    Returns:
        Exit status of the process: 0 if the record was written, whether or not the recipe passed.
    """
    # Do not leave compiled modules of recipes: see `kvmdocs.catalog.loader`.
    sys.dont_write_bytecode = True
    task = WorkerTask.load(Path(path), private)
    os.environ.clear()
    os.environ.update(task.environ)
    os.chdir(task.workspace)
    folder = Path(path).parent
    with os.fdopen(events_fd, "w", encoding="utf-8", buffering=1) as events:
        try:
            atomic_write(folder / RECORD, dump(run(task, LimitSignals(task.timeout, folder), events)), durable=False)
        except (StoreError, OSError) as error:
            # A write error of the recipe is in its record. This is one of the engine, for example on a full disk.
            why = error.message if isinstance(error, StoreError) else str(error)
            events.write(json.dumps({"kind": UNWRITTEN, "why": why}) + "\n")
            return 1
    return 0


def run(task: WorkerTask, limits: LimitSignals, events: TextIO) -> Record:
    """Run a task's recipe within its limits.

    Returns:
        Its record, whether it passed, failed or was skipped.
    """
    names = PathDisplay(Path(task.work), task.lab, dict(task.masks), Secrets(task.hidden))
    names.mask(task.home, "~")
    names.mask(task.root, "<project>")
    event_writer = _EventWriter(events)
    observer = Observer(Path(task.root), ignored=(Path(task.work).parents[1],))

    def on_step(number: int, step: LiveStep) -> None:
        event_writer.step(number, step)
        observer.step(step)

    shell = Shell(
        workspace=Path(task.workspace),
        names=names,
        logs=Path(task.logs),
        limits=Limits(task.cpus, task.memory, task.log_limit),
        on_step=on_step,
    )
    started = datetime.now(UTC)
    begun = time.monotonic()
    record = Record(
        recipe=task.recipe,
        key=task.key,
        workspace="" if task.workspace.endswith(f"-{task.key[:KEY_LENGTH]}") else Path(task.workspace).name,
        status=Status.PASSED,
        host=Host(**task.host),
        started=started.isoformat(timespec="seconds"),
        inputs=task.digests,
        settings=task.shown_settings,
        tools=task.tools,
    )
    try:
        fields = _run_within(limits, task, shell, observer)
    finally:
        shell.close()
        event_writer.stop()
    record = dataclasses.replace(
        record, seconds=round(time.monotonic() - begun, 3), steps=shell.steps(), emulated=shell.emulated, **fields
    )
    # Every text of the record passes here, also the recipe's own: sections, titles and the standard input of commands.
    return map_texts(_with_places(record, shell, Path(task.root)), lambda text: in_utf8(names.secrets.mask(text)))


def _with_places(record: Record, shell: Shell, root: Path) -> Record:
    """Return a record with the source locations in its steps, or a failed one if a stack frame does not match its source."""
    if record.status is not Status.PASSED or not shell.trees:
        return record
    try:
        return dataclasses.replace(record, places=check.collect(record.steps, shell.trees))
    except KvmdocsError as error:
        failed = failure(error, shell, root)
        return dataclasses.replace(record, status=Status.FAILED, failure=failed, value=None, result="", contents={})


def _run_within(limits: LimitSignals, task: WorkerTask, shell: Shell, observer: Observer) -> dict[str, Any]:
    """Run a recipe within its limits; return the fields of its record that depend on how it ended."""
    try:
        with limits:
            fields = _call(task, shell, observer)
    except BaseException as error:  # noqa: BLE001  # whatever a recipe raises goes into its record
        if isinstance(error, Skipped) and not limits.error:
            return {"status": Status.SKIPPED, "reason": shortened(shell.readable(said(error)), MAX_MESSAGE)}
        return {"status": Status.FAILED, "failure": failure(limits.error or error, shell, Path(task.root))}
    if limits.error:
        return {"status": Status.FAILED, "failure": failure(limits.error, shell, Path(task.root))}
    return fields


def _call(task: WorkerTask, shell: Shell, observer: Observer) -> dict[str, Any]:
    """Call the recipe; return the fields of its record that depend on its return value."""
    recipe = _find_recipe(task, observer)
    work = Path(task.work)
    inputs = {name: _decode_input(name, data, work, _input_types(task, name)) for name, data in task.inputs.items()}
    returned = recipe.function(shell, **inputs, **task.settings)
    used = dict.fromkeys(observer.seen(), "")
    try:
        value = values.encode(returned, work, ReturnTypes(recipe.function))
        value = values.without_secrets(value, shell.names.secrets.mask)
        contents = digests.contents(value, work, task.contents)
    except ValueNotStorable as error:
        raise error.seen(place=recipe.place) from error
    return {"value": value, "contents": contents, "result": digests.result_digest(value, contents), "observed": used}


def _input_types(task: WorkerTask, name: str) -> ReturnTypes:
    return ReturnTypes.only(getattr(import_module(Path(task.root), module), kind) for module, kind in task.types[name])


def _decode_input(name: str, data: Any, work: Path, types: ReturnTypes) -> Any:
    try:
        return values.decode(data, work, types)
    except ValueRefused as error:
        advice = f"fix the class, or make a new value with `kvmdocs run --fresh {name}`"
        raise RecipeFailed(f"the result of {name} cannot be made: {error.message}", Evidence(advice=advice)) from error


def _find_recipe(task: WorkerTask, observer: Observer) -> Recipe:
    """Return the recipe of a task, from the module or the block that defines it."""
    root = Path(task.root)
    put_on_path(root)
    if not task.guide:
        module = import_module(root, task.module)
        return next(item for item in vars(module).values() if isinstance(item, Recipe) and item.name == task.recipe)
    with observer.paused():
        catalog = Catalog(Settings.load(root))
        blocks = page_blocks(root, root / task.guide).blocks
    names: dict[str, Any] = {}
    block = next(block for block in blocks if block.number == task.block)
    for earlier in blocks:
        if earlier.number < block.number and block.session and earlier.session == block.session:
            catalog.execute(earlier, names, lambda *_: None)
    catalog.execute(block, names, lambda *_: None)
    recipe = names[task.recipe]
    assert isinstance(recipe, Recipe)  # the catalog found it in this very block
    return recipe


class _EventWriter:
    """Writer of events: which step runs, and every `EVENT_INTERVAL` the last line that it printed."""

    def __init__(self, events: TextIO) -> None:
        self._events = events
        self._step: LiveStep | None = None
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._write_lines, daemon=True)
        self._thread.start()

    def step(self, number: int, step: LiveStep) -> None:
        """Write that a step begins."""
        self._step = step
        self._write(kind="step", number=number, where=str(step.where), command=step.command)

    def _write_lines(self) -> None:
        last = ""
        while not self._stopped.wait(EVENT_INTERVAL):
            line = self._step.capture.last_line() if self._step else ""
            if line and line != last:
                last = line
                self._write(kind="line", line=line[:400])

    def _write(self, **event: Any) -> None:
        # The recipe's clean-up must go on even if nobody reads the pipe any more.
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._events.write(json.dumps(event) + "\n")

    def stop(self) -> None:
        """Stop writing: the recipe has ended."""
        self._stopped.set()
        self._thread.join()
