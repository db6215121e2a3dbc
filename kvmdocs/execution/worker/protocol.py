"""Messages from the executor to the fork server and to a worker, and the names of the files and events that come back."""

from __future__ import annotations

import dataclasses
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvmdocs.store.files import atomic_write

RECORD = "record.json"
"""File in a run's folder with the record of the worker."""

TASK = "task.json"
"""File in a run's folder with the task of the worker."""

UNWRITTEN = "unwritten"
"""Kind of the event with the reason why a record could not be written: the pipe still works when the disk is full."""

PRIVATE_FIELDS = ("environ", "settings", "hidden")
"""Fields of a task that may be secret."""

MAX_MESSAGE = 65536
"""Size limit of a message, in bytes."""

FD_COUNT = 4
"""Number of file descriptors that come with a start request."""


@dataclass(frozen=True)
class WorkerTask:
    """Task of a worker.

    Attributes:
        recipe: Name of the recipe.
        key: Key of the record to make.
        root: Folder of the project.
        module: Module that defines the recipe, or "".
        guide: Guide that defines it in a block, or "".
        block: Number of that block on the page.
        workspace: Workspace of the recipe; it exists and is empty.
        logs: Folder for complete logs.
        work: The store's folder of workspaces.
        home: HOME of the recipe.
        inputs: Value of each input, in JSON form.
        types: Module and name of each type in each of these values, as in the annotations of the recipes that returned them.
        digests: Result digest of each input, for the record.
        contents: Content digest of each path in the inputs.
        settings: Value of each setting it takes, by the parameter's name.
        shown_settings: The same by the setting's name, for the record, with secrets masked.
        tools: Versions of its tools, for the record.
        host: The host, for the record.
        environ: Environment of its commands.
        lab: Readable path of the lab's folder.
        masks: Replacement for each path that must not be shown.
        hidden: Replacement for each secret value.
        cpus: Number of processors it may use.
        memory: Memory it declares, in bytes.
        memory_limit: Memory at which it is ended, in bytes; 0 for no limit.
        log_limit: Largest log of a step, in bytes.
        timeout: Time limit in seconds.
    """

    recipe: str
    key: str
    root: str
    module: str
    guide: str
    block: int
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
        """Write the task into a run's folder, without the private fields: a killed build leaves the file there."""
        path = folder / TASK
        fields = {name: value for name, value in dataclasses.asdict(self).items() if name not in PRIVATE_FIELDS}
        atomic_write(path, json.dumps(fields).encode(), durable=False)
        return path

    def private_fd(self) -> int:
        """Return the file descriptor of an anonymous file with the private fields. The caller closes it."""
        memory_fd = os.memfd_create("kvmdocs-task")
        with os.fdopen(os.dup(memory_fd), "wb") as file:
            file.write(json.dumps({name: getattr(self, name) for name in PRIVATE_FIELDS}).encode())
        return memory_fd

    @classmethod
    def load(cls, path: Path, private: int) -> WorkerTask:
        """Read a task from its file and the private fields from a file descriptor, which is closed."""
        with os.fdopen(private, "rb") as file:
            file.seek(0)
            return cls(**json.loads(path.read_bytes()), **json.load(file))


@dataclass(frozen=True)
class StartRequest:
    """Request to the fork server to start a worker.

    Attributes:
        number: Number of the request, which the replies repeat.
        task: File with the worker's task, in the run's folder.
        seconds: Time after which the supervisor kills the worker.
        memory: Memory at which it is ended, in bytes; 0 for no limit.
    """

    number: int
    task: str
    seconds: float
    memory: int

    def message(self) -> bytes:
        """Return the request as it is sent."""
        return json.dumps(dataclasses.asdict(self)).encode()


@dataclass(frozen=True)
class InheritedFds:
    """File descriptors that come with a start request. Each process closes those it does not use.

    Attributes:
        lifeline: End of the pipe whose other end only the build holds.
        events: Pipe for the worker's events.
        log: File for what the worker prints outside of steps.
        private: File with the task's private fields.
    """

    lifeline: int
    events: int
    log: int
    private: int

    def close(self) -> None:
        """Close all of them."""
        for fd in (self.lifeline, self.events, self.log, self.private):
            os.close(fd)
