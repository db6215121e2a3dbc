"""What a worker is told, and the names of what it gives back: all that the two sides of its process share."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvmdocs.store import write_whole

RECORD = "record.json"
TASK = "task.json"
UNWRITTEN = "unwritten"
"""The kind of event that says why a record could not be written: the pipe still works when the disk is full."""


@dataclass(frozen=True)
class Task:
    """What a worker is told.

    Attributes:
        recipe: The recipe's name.
        key: The key of the record to make.
        root: The project's folder.
        guide: The guide that defines the recipe in a block, or "".
        line: The line of that block.
        workspace: The recipe's workspace; it is there and empty.
        logs: Where whole logs go.
        work: The store's folder of workspaces.
        home: The HOME that the recipe sees.
        inputs: Value of each input, in JSON form.
        digests: Result digest of each input, for the record.
        contents: Content digest of each path in the inputs.
        settings: Value of each setting it takes, by the parameter's name.
        shown_settings: The same by the setting's name, for the record.
        tools: Versions of its tools, for the record.
        host: The host, for the record.
        environ: The environment its commands see.
        lab: The lab's readable folder.
        masks: What must not be shown, and what is shown instead.
        cpus: Processors it may use.
        memory: Memory it says it needs, in bytes.
        memory_limit: Memory with which it is ended, in bytes; 0 for no limit.
        log_limit: Largest log of a step, in bytes.
        timeout: Seconds after which it is ended.
    """

    recipe: str
    key: str
    root: str
    guide: str
    line: int
    workspace: str
    logs: str
    work: str
    home: str
    inputs: dict[str, Any]
    digests: dict[str, str]
    contents: dict[str, str]
    settings: dict[str, Any]
    shown_settings: dict[str, Any]
    tools: dict[str, str]
    host: dict[str, Any]
    environ: dict[str, str]
    lab: str
    masks: dict[str, str]
    cpus: int
    memory: int
    memory_limit: int
    log_limit: int
    timeout: float

    def save(self, folder: Path) -> Path:
        """Write it into a run's folder."""
        path = folder / TASK
        write_whole(path, json.dumps(dataclasses.asdict(self)).encode())
        return path
