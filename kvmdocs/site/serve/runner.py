"""``mkdocs serve`` waits for nothing: what is stale and cheap runs in the background.

`BackgroundRunner` runs it in a process of its own (this module as a program), which reads the recipes anew, has its own signals, and may be ended at
any moment. It ends when its lifeline closes, so when the server ends in whatever way. When something has landed, a file that the server watches
is written until the pages are built again.
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
from kvmdocs.execution.worker.handle import keeper_patience
from kvmdocs.site.serve.view import Attempt, ServeView, failed, look
from kvmdocs.store.store import dump, load

AGAIN = 2.0
"""Seconds between two signals to the server that something has landed, until it has looked."""


@dataclass
class _Round:
    """One run of the background process.

    Attributes:
        left: The key of each recipe that has not landed.
        lifeline: The process ends when this is closed; -1 when it is.
    """

    project: Project
    left: dict[str, str]
    process: subprocess.Popen[bytes]
    lifeline: int
    events: int
    unread: bytes = b""
    said: str = ""

    def abandon(self) -> None:
        """Tell the process to end what it runs."""
        if self.lifeline >= 0:
            os.close(self.lifeline)
            self.lifeline = -1

    def told(self) -> list[dict[str, Any]] | None:
        """What the process has said since the last call; None when it will say nothing more."""
        chunk = os.read(self.events, 65536)
        *lines, self.unread = (self.unread + chunk).split(b"\n")
        return [json.loads(line) for line in lines] if chunk else None


class BackgroundRunner:
    """Runs what a `View` wants, one process at a time, until `stop`.

    Attributes:
        attempts: What came of it.
        folder: A folder to watch: something in it is written when pages have something new to show.
    """

    def __init__(self, project: Project) -> None:
        self.attempts: dict[str, Attempt] = {}
        self.folder = new_run(project.store)
        self._wanted: dict[str, str] = {}
        self._project = project
        self._guides: list[str] = []
        self._round: _Round | None = None
        self._unseen = False
        self._stopping = False
        self._state = threading.Condition()
        self._thread = threading.Thread(target=self._work, name="kvmdocs-background", daemon=True)

    def look(self, project: Project, names: Iterable[str]) -> ServeView:
        """`kvmdocs.site.serve.view.look`, with what has landed; the pages are being built from it."""
        with self._state:
            self._unseen = False
            attempts = dict(self.attempts)
        return look(project, names, attempts)

    def want(self, project: Project, guides: Iterable[Path], wanted: Mapping[str, str]) -> None:
        """Run these recipes for these keys. What runs for another key by now is ended."""
        with self._state:
            self._project, self._guides, self._wanted = project, [str(guide) for guide in guides], dict(wanted)
            if self._round and any(self._wanted.get(name) != key for name, key in self._round.left.items()):
                self._round.abandon()
            if not self._thread.is_alive() and not self._stopping and self._todo():
                self._thread.start()
            self._state.notify()

    def stop(self) -> None:
        """End everything and wait until it is gone."""
        with self._state:
            self._stopping = True
            if self._round:
                self._round.abandon()
            self._state.notify()
        if self._thread.is_alive():
            self._thread.join(keeper_patience() + 10)
        shutil.rmtree(self.folder, ignore_errors=True)

    def _todo(self) -> dict[str, str]:
        known = {name: attempt.key for name, attempt in self.attempts.items()}
        return {name: key for name, key in self._wanted.items() if known.get(name) != key}

    def _work(self) -> None:
        while True:
            with self._state:
                self._state.wait_for(lambda: self._stopping or self._todo(), timeout=AGAIN)
                if self._stopping:
                    return
                if todo := self._todo():
                    self._round = _start(self._project, self._guides, todo)
            if self._round:
                self._follow(self._round)
            self._signal()

    def _follow(self, now: _Round) -> None:
        """Take in what a round says until it is over."""
        last = time.monotonic() - AGAIN
        with selectors.DefaultSelector() as selector:
            selector.register(now.events, selectors.EVENT_READ)
            while (told := now.told() if selector.select(AGAIN) else []) is not None:
                with self._state:
                    for event in told:
                        self._take(now, event)
                # The first thing to land shows at once; of many that follow, some at a time.
                if self._unseen and time.monotonic() - last >= AGAIN:
                    last = time.monotonic()
                    self._signal()
        status = now.process.wait()
        os.close(now.events)
        with self._state:
            if now.lifeline >= 0:
                message = now.said or f"its background run ended with status {status}"
                for name, key in now.left.items():
                    self.attempts[name] = Attempt(key, failed(now.project, name, message))
                    self._unseen = True
            now.abandon()
            self._round = None

    def _take(self, now: _Round, event: dict[str, Any]) -> None:
        if "broken" in event:
            now.said = event["broken"]
        elif (key := now.left.pop(event["name"], None)) is not None:
            record = load(event["record"].encode()) if event["record"] else None
            self.attempts[event["name"]] = Attempt(key, record)
            self._unseen = True

    def _signal(self) -> None:
        if self._unseen:
            with contextlib.suppress(OSError):
                (self.folder / "landed").write_text(str(time.time_ns()), "ascii")


def _start(project: Project, guides: list[str], wanted: dict[str, str]) -> _Round:
    """Start the background process."""
    gone, lifeline = os.pipe()
    events, told = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "kvmdocs.site.serve.runner", str(gone), str(told)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        pass_fds=(gone, told),
        # Ctrl-C is for the server, which ends this in order.
        start_new_session=True,
    )
    os.close(gone)
    os.close(told)
    task = {"root": str(project.root), "guides": guides, "names": list(wanted)}
    with contextlib.suppress(BrokenPipeError):
        os.write(lifeline, json.dumps(task).encode() + b"\n")
    return _Round(project, dict(wanted), process, lifeline, events)


class _LandedListener(report.Lines):
    """Prints, and tells the server what has landed."""

    def __init__(self, told: int, names: Iterable[str]) -> None:
        super().__init__()
        self._told = told
        self._names = set(names)

    def finished(self, name: str, record: Record, freshness: Freshness) -> None:
        """A recipe is done with; what passed is in the store."""
        super().finished(name, record, freshness)
        if name in self._names:
            kept = "" if record.status is Status.PASSED else dump(record).decode()
            tell(self._told, {"name": name, "record": kept})


def tell(told: int, event: dict[str, Any]) -> None:
    """Write one line of JSON."""
    data = json.dumps(event).encode() + b"\n"
    while data:
        data = data[os.write(told, data) :]


def main() -> int:
    """Run recipes for a server: the task comes as a line on its lifeline, what landed goes to the other pipe."""
    gone, told = int(sys.argv[1]), int(sys.argv[2])
    for descriptor in (gone, told):
        os.set_inheritable(descriptor, False)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    source = os.fdopen(gone, "rb", buffering=0)
    try:
        line = source.readline()
        if not line:
            return 1
        threading.Thread(target=_end_with, args=(source,), daemon=True).start()
        task = json.loads(line)
        project = Project(Path(task["root"]), guides=[Path(guide) for guide in task["guides"]])
        Executor(project, _LandedListener(told, task["names"])).run(task["names"])
    except KvmdocsError as error:
        with contextlib.suppress(OSError):
            tell(told, {"broken": error.message})
        return 1
    except (KeyboardInterrupt, BrokenPipeError):
        return 1
    return 0


def _end_with(lifeline: Any) -> None:
    """Interrupt this process when the server is gone or wants nothing more of it."""
    lifeline.read(1)
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(keeper_patience())
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
