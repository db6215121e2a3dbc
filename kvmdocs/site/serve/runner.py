"""Background runner of ``mkdocs serve``, which shows pages at once and runs cheap stale recipes meanwhile.

`BackgroundRunner` starts this module as a separate process, which imports the recipes again, has its own signals, and can
be ended at any time. It exits when its lifeline pipe is closed, and so whenever the server ends. When a recipe is finished,
the runner writes a file that the server watches, until the pages have been built again.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import KvmdocsError
from kvmdocs.core.model import Freshness, Record, Status
from kvmdocs.execution import report
from kvmdocs.execution.executor import Executor
from kvmdocs.execution.project import Project
from kvmdocs.execution.run_dirs import new_run
from kvmdocs.execution.worker.handle import supervisor_timeout
from kvmdocs.site.serve.view import Attempt, ServeView, failure_record, make_view
from kvmdocs.store.store import dump, load

SIGNAL_INTERVAL = 2.0
"""Seconds between two signals to the server that a recipe is finished, until it builds the pages."""


@dataclass
class _Run:
    """One run of the background process.

    Attributes:
        project: The project.
        pending: The cache keys of the recipes that are not finished, by recipe.
        process: The process.
        lifeline: Write end of a pipe; the process exits when it is closed. -1 when it is.
        events: Read end of the pipe from the process, with one JSON object a line.
        unread: The beginning of the next line.
        error: The error message of the process.
    """

    project: Project
    pending: dict[str, str]
    process: subprocess.Popen[bytes]
    lifeline: int
    events: int
    unread: bytes = b""
    error: str = ""

    def abandon(self) -> None:
        """Close the lifeline. The process ends its recipes and exits."""
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1

    def read_events(self) -> list[dict[str, Any]] | None:
        """Return the events since the last call; None at the end of the pipe."""
        chunk = os.read(self.events, 65536)
        *lines, self.unread = (self.unread + chunk).split(b"\n")
        return [json.loads(line) for line in lines] if chunk else None


class BackgroundRunner:
    """Runner of the recipes that a `ServeView` wants, one process at a time, until `stop`.

    Attributes:
        attempts: The background runs so far, by recipe.
        folder: The folder that the server watches: a file in it is written when pages have new records to show.
    """

    def __init__(self, project: Project) -> None:
        self.attempts: dict[str, Attempt] = {}
        self.folder = new_run(project.store)
        self._wanted: dict[str, str] = {}
        self._project = project
        self._guides: list[str] = []
        self._run: _Run | None = None
        self._unseen = False
        self._stopping = False
        self._state = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="kvmdocs-background", daemon=True)

    def view(self, project: Project, names: Iterable[str]) -> ServeView:
        """Return the view for a build of the pages, including the runs that are finished (`make_view`)."""
        with self._state:
            self._unseen = False
            attempts = dict(self.attempts)
        return make_view(project, names, attempts)

    def want(self, project: Project, guides: Iterable[Path], wanted: Mapping[str, str]) -> None:
        """Run these recipes for these cache keys. End the current process if it runs one for another key."""
        with self._state:
            self._project, self._guides, self._wanted = project, [str(guide) for guide in guides], dict(wanted)
            if self._run and any(self._wanted.get(name) != key for name, key in self._run.pending.items()):
                self._run.abandon()
            if not self._thread.is_alive() and not self._stopping and self._todo():
                self._thread.start()
            self._state.notify()

    def stop(self) -> None:
        """End the process and wait until it and its recipes are gone."""
        with self._state:
            self._stopping = True
            if self._run:
                self._run.abandon()
            self._state.notify()
        if self._thread.is_alive():
            self._thread.join(supervisor_timeout() + 10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _todo(self) -> dict[str, str]:
        done = {name: attempt.key for name, attempt in self.attempts.items()}
        return {name: key for name, key in self._wanted.items() if done.get(name) != key}

    def _work(self) -> None:
        while True:
            with self._state:
                self._state.wait_for(lambda: self._stopping or self._todo(), timeout=SIGNAL_INTERVAL)
                if self._stopping:
                    return
                if todo := self._todo():
                    self._run = _start(self._project, self._guides, todo)
            if self._run:
                self._follow(self._run)
            self._signal()

    def _follow(self, run: _Run) -> None:
        """Process the events of a run until it ends."""
        last = time.monotonic() - SIGNAL_INTERVAL
        with selectors.DefaultSelector() as selector:
            selector.register(run.events, selectors.EVENT_READ)
            while (events := run.read_events() if selector.select(SIGNAL_INTERVAL) else []) is not None:
                with self._state:
                    for event in events:
                        self._take(run, event)
                # The first finished recipe is shown at once, later ones at intervals.
                if self._unseen and time.monotonic() - last >= SIGNAL_INTERVAL:
                    last = time.monotonic()
                    self._signal()
        status = run.process.wait()
        os.close(run.events)
        with self._state:
            if run.lifeline >= 0:
                message = run.error or f"its background process ended with status {status}"
                for name, key in run.pending.items():
                    self.attempts[name] = Attempt(key, failure_record(run.project, name, message))
                    self._unseen = True
            run.abandon()
            self._run = None

    def _take(self, run: _Run, event: dict[str, Any]) -> None:
        if "broken" in event:
            run.error = event["broken"]
        elif (key := run.pending.pop(event["name"], None)) is not None:
            record = load(event["record"].encode()) if event["record"] else None
            self.attempts[event["name"]] = Attempt(key, record)
            self._unseen = True

    def _signal(self) -> None:
        if self._unseen:
            with contextlib.suppress(OSError):
                (self.folder / "landed").write_text(str(time.time_ns()), "ascii")


def _start(project: Project, guides: list[str], wanted: dict[str, str]) -> _Run:
    """Start the background process."""
    reader, lifeline = os.pipe()
    events, writer = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "kvmdocs.site.serve.runner", str(reader), str(writer)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        pass_fds=(reader, writer),
        # Ctrl-C must reach only the server, which then ends this process in order.
        start_new_session=True,
    )
    os.close(reader)
    os.close(writer)
    task = {"root": str(project.root), "guides": guides, "names": list(wanted)}
    with contextlib.suppress(BrokenPipeError):
        os.write(lifeline, json.dumps(task).encode() + b"\n")
    return _Run(project, dict(wanted), process, lifeline, events)


class _EventListener(report.ProgressLines):
    """Progress listener that prints, and reports finished recipes to the server."""

    def __init__(self, events: int, names: Iterable[str]) -> None:
        super().__init__()
        self._events = events
        self._names = set(names)

    def finished(self, name: str, record: Record, freshness: Freshness) -> None:
        """Report a finished recipe. The record of a passed recipe is in the store."""
        super().finished(name, record, freshness)
        if name in self._names:
            data = "" if record.status is Status.PASSED else dump(record).decode()
            write_event(self._events, {"name": name, "record": data})


def write_event(descriptor: int, event: dict[str, Any]) -> None:
    """Write an event as one line of JSON."""
    data = json.dumps(event).encode() + b"\n"
    while data:
        data = data[os.write(descriptor, data) :]


def main() -> int:
    """Run recipes for a server. The task is the first line on the lifeline; events go to the other pipe."""
    lifeline, events = int(sys.argv[1]), int(sys.argv[2])
    for descriptor in (lifeline, events):
        os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    source = os.fdopen(lifeline, "rb", buffering=0)
    try:
        line = source.readline()
        if not line:
            return 1
        threading.Thread(target=_exit_with, args=(source,), daemon=True).start()
        task = json.loads(line)
        project = Project(Path(task["root"]), guides=[Path(guide) for guide in task["guides"]])
        Executor(project, _EventListener(events, task["names"])).run(task["names"])
    except KvmdocsError as error:
        with contextlib.suppress(OSError):
            write_event(events, {"broken": error.message})
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 1
    return 0


def _exit_with(lifeline: Any) -> None:
    """Interrupt this process when the lifeline is closed: the server is gone, or abandons this run."""
    lifeline.read(1)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(supervisor_timeout())
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
