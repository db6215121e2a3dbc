"""What a nursery, and what a worker is told, and the names of what comes back: all that the two sides of their processes share."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvmdocs.store.store import atomic_write

RECORD = "record.json"
TASK = "task.json"
UNWRITTEN = "unwritten"
"""The kind of event that says why a record could not be written: the pipe still works when the disk is full."""

PRIVATE = ("environ", "settings", "hidden")
"""What of a task may be secret."""

LARGEST = 65536
"""Bytes of a message."""
FILES = 4
"""File descriptors that come with a job."""


@dataclass(frozen=True)
class WorkerTask:
    """What a worker is told.

    Attributes:
        recipe: The recipe's name.
        key: The key of the record to make.
        root: The project's folder.
        module: The module that defines it, or "".
        guide: The guide that defines it in a block, or "".
        line: The line of that block.
        workspace: The recipe's workspace; it is there and empty.
        logs: Where whole logs go.
        work: The store's folder of workspaces.
        home: The HOME that the recipe sees.
        inputs: Value of each input, in JSON form.
        types: Module and name of each type in each of these values, as the annotations of the recipes that returned them name it.
        digests: Result digest of each input, for the record.
        contents: Content digest of each path in the inputs.
        settings: Value of each setting it takes, by the parameter's name.
        shown_settings: The same by the setting's name, for the record: without secrets.
        tools: Versions of its tools, for the record.
        host: The host, for the record.
        environ: The environment its commands see.
        lab: The lab's readable folder.
        masks: Paths that must not be shown, and what is shown instead.
        hidden: What is secret, and what is shown instead.
        cpus: Processors it may use.
        memory: Memory it says it needs, in bytes.
        memory_limit: Memory with which it is ended, in bytes; 0 for no limit.
        log_limit: Largest log of a step, in bytes.
        timeout: Seconds after which it is ended.
    """

    recipe: str
    key: str
    root: str
    module: str
    guide: str
    line: int
    workspace: str
    logs: str
    work: str
    home: str
    inputs: dict[str, Any]
    types: dict[str, list[tuple[str, str]]]
    digests: dict[str, str]
    contents: dict[str, str]
    settings: dict[str, Any]
    shown_settings: dict[str, Any]
    tools: dict[str, str]
    host: dict[str, Any]
    environ: dict[str, str]
    lab: str
    masks: dict[str, str]
    hidden: dict[str, str]
    cpus: int
    memory: int
    memory_limit: int
    log_limit: int
    timeout: float

    def save(self, folder: Path) -> Path:
        """Write it into a run's folder, but for what may be secret: the file is left when a build is killed."""
        path = folder / TASK
        told = {name: part for name, part in dataclasses.asdict(self).items() if name not in PRIVATE}
        atomic_write(path, json.dumps(told).encode(), durable=False)
        return path

    def handed_over(self) -> int:
        """A descriptor of a file that has no name, with the rest; the caller closes it."""
        memory = os.memfd_create("kvmdocs-task")
        with os.fdopen(os.dup(memory), "wb") as file:
            file.write(json.dumps({name: getattr(self, name) for name in PRIVATE}).encode())
        return memory

    @classmethod
    def load(cls, path: Path, private: int) -> WorkerTask:
        """Put both parts together again, and close the descriptor."""
        with os.fdopen(private, "rb") as file:
            file.seek(0)
            return cls(**json.loads(path.read_bytes()), **json.load(file))


@dataclass(frozen=True)
class StartRequest:
    """A worker to be started.

    Attributes:
        number: What its messages are told by.
        task: The file that says what the worker has to do; its folder is the run's.
        seconds: When it is killed, should it still run.
        memory: With how much memory it is ended, in bytes; 0 for no limit.
    """

    number: int
    task: str
    seconds: float
    memory: int

    def message(self) -> bytes:
        """As it is sent."""
        return json.dumps(dataclasses.asdict(self)).encode()


@dataclass(frozen=True)
class InheritedFds:
    """What comes with a job: file descriptors, of which the one who holds them closes what it does not use."""

    lifeline: int
    events: int
    log: int
    private: int

    def close(self) -> None:
        """Close them all."""
        for file in (self.lifeline, self.events, self.log, self.private):
            os.close(file)
