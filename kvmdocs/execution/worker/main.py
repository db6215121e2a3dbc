"""The worker: a process that runs one recipe and leaves its record.

It is told what to do by a file (`WorkerTask`), says what it is doing as lines of JSON on a pipe, and leaves the record in the run's folder. It
never writes into the store's records: that is the executor's, which knows whether the run counts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import threading
import time
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

import sh as _sh

from kvmdocs.catalog.catalog import Catalog
from kvmdocs.catalog.guides import find_blocks
from kvmdocs.catalog.loader import import_module, put_on_path
from kvmdocs.core.control_characters import in_utf8
from kvmdocs.core.errors import (
    MOST_SAID,
    CommandFailed,
    Evidence,
    KvmdocsError,
    OperatorError,
    Place,
    RecipeFailed,
    Skipped,
    StoreError,
    TimedOut,
    ValueNotStorable,
    named,
    said,
    shortened,
)
from kvmdocs.core.model import Failure, Host, Record, Status, with_texts
from kvmdocs.core.paths import PathDisplay
from kvmdocs.core.secrets.masking import Secrets
from kvmdocs.core.settings import Settings
from kvmdocs.execution.worker.limits import LimitSignals
from kvmdocs.execution.worker.protocol import RECORD, UNWRITTEN, WorkerTask
from kvmdocs.recording import values
from kvmdocs.recording.background_process import LiveStep
from kvmdocs.recording.recipe import Recipe
from kvmdocs.recording.result_types import Returned
from kvmdocs.recording.shell import Limits, Shell
from kvmdocs.recording.source import check
from kvmdocs.recording.value_form import ValueRefused
from kvmdocs.store.store import atomic_write, dump

MESSAGE = 16 * 1024
"""Characters of a message that a record holds."""

EVENT_INTERVAL = 1.0
"""Seconds between two reports of the last line that a long step printed."""


def work(path: str, told: int, private: int) -> int:
    """Run the recipe that a task names.

    Args:
        path: The task's file; the record comes to lie beside it.
        told: The file descriptor for events.
        private: The file descriptor with what of the task may be secret.

    Returns:
        The exit status of the process: 0 when there is a record, whatever came of the recipe.
    """
    # No compiled module of recipes may be left behind: see `kvmdocs.catalog.loader`.
    sys.dont_write_bytecode = True
    task = WorkerTask.load(Path(path), private)
    os.environ.clear()
    os.environ.update(task.environ)
    os.chdir(task.workspace)
    folder = Path(path).parent
    with os.fdopen(told, "w", encoding="utf-8", buffering=1) as events:
        try:
            atomic_write(folder / RECORD, dump(run(task, LimitSignals(task.timeout, folder), events)), durable=False)
        except (StoreError, OSError) as error:
            # Logs and records lie on one disk. What a recipe itself cannot write is in its record; this is what the engine cannot.
            why = error.message if isinstance(error, StoreError) else str(error)
            events.write(json.dumps({"kind": UNWRITTEN, "why": why}) + "\n")
            return 1
    return 0


def run(task: WorkerTask, bounds: LimitSignals, events: TextIO) -> Record:
    """Run a task's recipe within its bounds.

    Returns:
        Its record, whatever came of it.
    """
    names = PathDisplay(Path(task.work), task.lab, dict(task.masks), Secrets(task.hidden))
    names.mask(task.home, "~")
    names.mask(task.root, "<project>")
    telling = _EventWriter(events)
    shell = Shell(
        workspace=Path(task.workspace),
        names=names,
        logs=Path(task.logs),
        limits=Limits(task.cpus, task.memory, task.log_limit),
        on_step=telling.step,
    )
    started = datetime.now(UTC)
    begun = time.monotonic()
    record = Record(
        recipe=task.recipe,
        key=task.key,
        status=Status.PASSED,
        host=Host(**task.host),
        started=started.isoformat(timespec="seconds"),
        inputs=task.digests,
        settings=task.shown_settings,
        tools=task.tools,
    )
    try:
        outcome = _within(bounds, task, shell)
    finally:
        shell.close()
        telling.stop()
    record = dataclasses.replace(
        record, seconds=round(time.monotonic() - begun, 3), steps=shell.steps(), emulated=shell.emulated, **outcome
    )
    # Sections, titles and what is fed to commands are the recipe's own words; whatever way a text took, it ends here.
    return with_texts(_placed(record, shell, Path(task.root)), lambda text: in_utf8(names.secrets.mask(text)))


def _placed(record: Record, shell: Shell, root: Path) -> Record:
    """A record with the places its steps speak of; a failed one when a frame is not where it says."""
    if record.status is not Status.PASSED or not shell.trees:
        return record
    try:
        return dataclasses.replace(record, places=check.collect(record.steps, shell.trees))
    except KvmdocsError as error:
        told = failure(error, shell, root)
        return dataclasses.replace(record, status=Status.FAILED, failure=told, value=None, result="", contents={})


def _within(bounds: LimitSignals, task: WorkerTask, shell: Shell) -> dict[str, Any]:
    """What came of a recipe, as fields of its record."""
    try:
        with bounds:
            outcome = _outcome(task, shell)
    except BaseException as error:  # noqa: BLE001  # whatever a recipe raises becomes its record
        if isinstance(error, Skipped) and not bounds.error:
            return {"status": Status.SKIPPED, "reason": shortened(shell.readable(said(error)), MESSAGE)}
        return {"status": Status.FAILED, "failure": failure(bounds.error or error, shell, Path(task.root))}
    if bounds.error:
        return {"status": Status.FAILED, "failure": failure(bounds.error, shell, Path(task.root))}
    return outcome


def _outcome(task: WorkerTask, shell: Shell) -> dict[str, Any]:
    """Call the recipe; what of the record depends on what it returns."""
    recipe = find(task)
    work = Path(task.work)
    inputs = {name: _input(name, data, work, _types(task, name)) for name, data in task.inputs.items()}
    returned = recipe.function(shell, **inputs, **task.settings)
    try:
        value = values.encode(returned, work, Returned(recipe.function))
        value = values.without_secrets(value, shell.names.secrets.mask)
        contents = values.contents(value, work, task.contents)
    except ValueNotStorable as error:
        raise error.seen(place=recipe.place) from error
    return {"value": value, "contents": contents, "result": values.result_digest(value, contents)}


def _types(task: WorkerTask, name: str) -> Returned:
    """The types in the value of an input."""
    return Returned.only(getattr(import_module(Path(task.root), module), kind) for module, kind in task.types[name])


def _input(name: str, data: Any, work: Path, types: Returned) -> Any:
    """The value of an input."""
    try:
        return values.decode(data, work, types)
    except ValueRefused as error:
        advice = f"mend the class, or `kvmdocs run --fresh {name}` makes a new value"
        raise RecipeFailed(f"the result of {name} cannot be made: {error.message}", Evidence(advice=advice)) from error


def find(task: WorkerTask) -> Recipe:
    """The recipe a task names: from the module that defines it, or from the block."""
    root = Path(task.root)
    put_on_path(root)
    if not task.guide:
        module = import_module(root, task.module)
        return next(found for found in vars(module).values() if isinstance(found, Recipe) and found.name == task.recipe)
    catalog = Catalog(Settings.load(root))
    guide = root / task.guide
    names: dict[str, Any] = {}
    block = next(block for block in find_blocks(guide) if block.line == task.line)
    for earlier in find_blocks(guide):
        if earlier.line < block.line and block.session and earlier.session == block.session:
            catalog.execute(earlier, names, lambda *_: None)
    catalog.execute(block, names, lambda *_: None)
    found = names[task.recipe]
    assert isinstance(found, Recipe)  # the catalog found it in this very block
    return found


def failure(error: BaseException, shell: Shell, root: Path) -> Failure:
    """Why a recipe failed, as plain data; what an exception of a library means is said in the project's words."""
    try:
        return _failure(error, shell, root)
    except Exception as worse:  # noqa: BLE001  # an exception may be made so that nothing can be done with it
        return Failure(RecipeFailed.__name__, f"{type(error).__name__}, of which no more can be told: {named(worse)}")


def _failure(error: BaseException, shell: Shell, root: Path) -> Failure:
    told = _explain(error, shell)
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_projects(frame.filename, root)]
    place = told.evidence.place or (Place(frames[-1].filename, frames[-1].lineno or 0) if frames else Place(""))
    path = place.path.removeprefix(f"{root}/")
    # What the host lacks was found out before a step began; the step before it has nothing to do with it.
    number = 0 if isinstance(told, OperatorError) else told.evidence.step or (shell.current() or (0, None))[0]
    return Failure(
        error=type(told).__name__,
        message=shortened(shell.readable(said(told)), MESSAGE),
        path=path,
        line=int(place.line),
        step=int(number),
        advice=shell.readable(told.evidence.advice),
        tail=shell.readable(told.evidence.tail),
        traceback=shortened(shell.readable(shortened(_traceback(error), 2 * MOST_SAID)), MOST_SAID),
    )


def _traceback(error: BaseException) -> str:
    try:
        return "".join(traceback.format_exception(error))
    except Exception as worse:  # noqa: BLE001  # it asks the exception, and those it came of, for their texts
        return "".join([*traceback.format_tb(error.__traceback__), named(error), f"\n(no more can be told: {named(worse)})\n"])


def _is_projects(filename: str, root: Path) -> bool:
    """Whether a frame is in a recipe or a guide of the project, not in the engine or a library."""
    # By its own path, since a project's folder, or a store it lies in, may well be called kvmdocs.
    engine = str(Path(__file__).parents[2])
    return filename.startswith(f"{root}/") and not filename.startswith(f"{engine}/") and "site-packages" not in filename


def _explain(error: BaseException, shell: Shell) -> KvmdocsError:
    if isinstance(error, KvmdocsError):
        return error
    number, step = shell.current() or (0, None)
    command = step.command.splitlines()[0] if step else ""
    if isinstance(error, _sh.TimeoutException):
        return TimedOut(f"`{command}` did not end within its time limit", Evidence(step=number))
    if isinstance(error, _sh.ErrorReturnCode):
        return CommandFailed(
            f"`{command}` ended with status {error.exit_code}",
            Evidence(step=number, advice="read its output above; the same run with `--shell` opens a shell there"),
        )
    if isinstance(error, _sh.ForkException):
        # What kept it from starting is the last line of a traceback in the exception's text.
        why = (said(error).strip().splitlines() or [""])[-1].strip()
        return RecipeFailed(f"`{command}` could not be started: {why}", Evidence(step=number))
    if isinstance(error, AssertionError):
        text = said(error) or f"{_asserted(error)} does not hold"
        return RecipeFailed(f"assertion failed: {text}", Evidence(advice="compare the assertion with the output of the step"))
    if isinstance(error, KeyboardInterrupt):
        return RecipeFailed("the recipe was interrupted")
    return RecipeFailed(named(error))


def _asserted(error: AssertionError) -> str:
    """The line of an assertion; of one that a library makes what the recipe called."""
    line = traceback.extract_tb(error.__traceback__)[-1].line or ""
    return f"`{line}`" if line.startswith("assert ") else "what the recipe asserts"


class _EventWriter:
    """Says on the pipe which step runs, and every second the last line it printed."""

    def __init__(self, events: TextIO) -> None:
        self._events = events
        self._step: LiveStep | None = None
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, daemon=True)
        self._thread.start()

    def step(self, number: int, step: LiveStep) -> None:
        """A step begins."""
        self._step = step
        self._say(kind="step", number=number, where=str(step.where), command=step.command)

    def _beat(self) -> None:
        last = ""
        while not self._over.wait(EVENT_INTERVAL):
            line = self._step.capture.last_line() if self._step else ""
            if line and line != last:
                last = line
                self._say(kind="line", line=line[:400])

    def _say(self, **event: Any) -> None:
        # When nobody listens any more the recipe's clean-up must go on all the same.
        with self._lock, contextlib.suppress(OSError, ValueError):
            self._events.write(json.dumps(event) + "\n")

    def stop(self) -> None:
        """The recipe is over."""
        self._over.set()
        self._thread.join()
