"""Data that every part of the engine exchanges: steps, outputs, records.

The classes are frozen and hold plain data. So a record means the same in the worker that made it, in the build that shows it,
and on a machine that never ran it. Nothing here contains a path of the host: paths are shown below the readable lab folder
(`kvmdocs.core.paths`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from typing import Any

SCHEMA = 1
"""Version of the record format and of the cache key. Incrementing it makes every record stale."""


class Where(StrEnum):
    """Program that a step's command was typed into. It decides the prompt that a reader sees."""

    HOST = "host"
    """A shell of an ordinary user on the host: ``$``."""
    ROOT = "root"
    """A root shell on the host: ``#``."""
    GUEST = "guest"
    """A shell inside a guest, over its serial console."""
    GDB = "gdb"
    """The debugger: ``(gdb)``."""
    HMP = "hmp"
    """QEMU's human monitor: ``(qemu)``."""
    QMP = "qmp"
    """QEMU's machine monitor: one JSON object a line."""
    FILE = "file"
    """A file that was written. The command is its name, the input its text."""


class Status(StrEnum):
    """Result status of a recipe."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Mode(StrEnum):
    """Treatment of stale recipes; see `kvmdocs.execution.modes`."""

    LIVE = "live"
    """Stale recipes are run."""
    FRESH = "fresh"
    """All recipes are run, stale or not."""
    RECORDED = "recorded"
    """Nothing is run. The newer of the store's record and the approved record is used, stale or not."""


class Freshness(StrEnum):
    """Origin of a record."""

    RAN = "ran"
    """This build ran the recipe."""
    CACHED = "cached"
    """The store had a current record."""
    RECORDED = "recorded"
    """The record was made at another time or place, and this build did not check whether it is current."""
    STALE = "stale"
    """The record is older than a change and the recipe has not been run since: ``mkdocs serve`` does not wait."""
    RUNNING = "running"
    """As `STALE`, and the recipe is being run again now."""
    NONE = "none"
    """No record: the recipe was skipped or did not get to run."""
    BLOCKED = "blocked"
    """No record: the recipe was not run, because one that it builds on failed."""
    MISSING = "missing"
    """No record, and this build did not try to make one. It is unknown whether the recipe can run here."""


LAST_LINES = 12
"""Number of output lines shown of a step that failed."""


@dataclass(frozen=True)
class Output:
    """Output of a step: both streams, in order of arrival.

    Attributes:
        head: The text from the beginning; all of it if `omitted_bytes` is 0.
        tail: The last part, if something between head and tail was omitted.
        omitted_lines: Lines between head and tail that are only in the log.
        omitted_bytes: Bytes between head and tail that are only in the log.
        log: File name of the whole log beside the record if anything was omitted; else None.
        lost_bytes: Bytes that are not even in the log, because the output exceeded the log's limit.
    """

    head: str = ""
    tail: str = ""
    omitted_lines: int = 0
    omitted_bytes: int = 0
    log: str | None = None
    lost_bytes: int = 0

    @property
    def text(self) -> str:
        """Head and tail, with a line between them that counts the omitted lines."""
        if not self.omitted_bytes:
            return self.head
        return f"{self.head}[… {self.omitted_lines} lines …]\n{self.tail}"

    @property
    def last_lines(self) -> str:
        """Last lines of the output, as many as are shown with a failure."""
        return "\n".join((self.tail or self.head).rstrip().splitlines()[-LAST_LINES:])


@dataclass(frozen=True)
class Step:
    """One command of a recipe and its output.

    Attributes:
        where: Program that the command was typed into.
        command: The command as a reader would type it; may have several lines.
        output: Output of the command.
        cwd: Working directory as a reader would write it (``~/kvm-lab/…``); None if there is none (gdb, monitors).
        section: Section of the recipe that the step belongs to, or None.
        machine: Label of the machine or terminal if the recipe uses several, else "".
        stdin: Standard input of the command or, for `Where.FILE`, the content of the file.
        mode: For `Where.FILE`, the permissions that were set, in octal as for chmod; "" if none were set.
        background: True if the command continues while later steps run (``&``).
        status: Exit status; negative for a signal; None if there is none or the command is still running.
        started: Seconds from the start of the recipe to the start of the step.
        seconds: Duration in seconds.
        until: For a step in the background of a record without times of steps, the number of the last step that began before
            this one ended; 0 if unknown.
    """

    where: Where
    command: str
    output: Output = field(default_factory=Output)
    cwd: str | None = None
    section: str | None = None
    machine: str = ""
    stdin: str | None = None
    mode: str = ""
    background: bool = False
    status: int | None = None
    started: float = 0.0
    seconds: float = 0.0
    until: int = 0


def last_until(steps: Sequence[Step], number: int) -> int:
    """Return the number of the last step that began before a background step ended, or 0 if the record does not tell."""
    step = steps[number - 1]
    ended = step.started + step.seconds
    if step.until or not step.background or ended <= 0 or all(one.started == 0 for one in steps):
        return step.until
    return max(place for place, one in enumerate(steps, 1) if one.started < ended or place == number)


@dataclass(frozen=True)
class SourceLocation:
    """Line of a source tree named in a step's output. It was opened and checked when the recipe ran.

    Attributes:
        shown: The file as named in the output.
        line: The line, counted from 1.
        tree: Name of the source tree, such as ``linux``.
        version: Version of the tree.
        path: The file, relative to the tree.
        function: Function that contains the line, as named in the source.
        excerpt: The line with a few lines before and after it.
        first: Number of the excerpt's first line.
        astray: Function that the frame names, if the line is known to be outside of it; otherwise "".
        patched: True if a distribution's patches move lines of this file, so that the line may be elsewhere in the upstream
            source.
    """

    shown: str
    line: int
    tree: str
    version: str
    path: str
    function: str = ""
    excerpt: tuple[str, ...] = ()
    first: int = 1
    astray: str = ""
    patched: bool = False


@dataclass(frozen=True)
class Host:
    """Machine that a record was made on.

    Attributes:
        name: Label, from the setting ``host.name``.
        system: Distribution and version, such as ``Debian GNU/Linux 12 (bookworm)``.
        kernel: Release of the running kernel.
        machine: Architecture, such as ``x86_64``.
        cpus: Number of processors that the build may use.
        memory: Physical memory in bytes.
    """

    name: str
    system: str
    kernel: str
    machine: str
    cpus: int
    memory: int


@dataclass(frozen=True)
class Failure:
    """Failure of a recipe, as plain data (see `kvmdocs.core.errors`).

    Attributes:
        error: Name of the error's class in `kvmdocs.core.errors`.
        message: One sentence that says what is wrong.
        path: File of the recipe or guide in which the error was raised; "" if unknown.
        line: Line in that file.
        step: Number of the step, counted from 1; 0 if none.
        advice: What to type or change next.
        tail: Last lines of other output, such as a guest's console. The output of the failed step itself is in the step.
        traceback: Python's traceback, for the log.
    """

    error: str
    message: str
    path: str = ""
    line: int = 0
    step: int = 0
    advice: str = ""
    tail: str = ""
    traceback: str = ""


@dataclass(frozen=True)
class Record:
    """Result of running a recipe.

    Attributes:
        recipe: Name of the recipe.
        key: SHA-256, in hexadecimal, of everything that can change the record (`kvmdocs.catalog.key.cache_key`).
        status: Result status of the recipe.
        reason: Reason of a skip; "" otherwise.
        failure: Description of the failure; None otherwise.
        steps: Steps, in the order in which they began.
        value: Return value of the recipe, in JSON form (`kvmdocs.recording.values`).
        result: SHA-256 of the value and of the artefacts that it names. It is part of the keys of recipes that build on this
            one.
        contents: Content digest of each path in the value.
        inputs: Result digest of each recipe that this one was built on.
        settings: Value of each setting that the recipe takes.
        tools: Version of each tool that the recipe declares.
        host: Machine that it ran on.
        started: Time of the start, in UTC, ISO 8601 with seconds.
        seconds: Duration in seconds, without waiting.
        emulated: True if something ran under emulation, so that its times are no performance figures.
        places: Source locations named in the steps' outputs, each once, if the recipe declares their source trees.
        observed: Digest of each thing that the run used of the project and that its key does not hold
            (`kvmdocs.execution.observed`).
        workspace: Name of its workspace, if it is not the usual one of its key; otherwise "".
        schema: Version of the record format.
    """

    recipe: str
    key: str
    status: Status
    host: Host
    started: str
    seconds: float = 0.0
    reason: str = ""
    failure: Failure | None = None
    steps: tuple[Step, ...] = ()
    value: Any = None
    result: str = ""
    contents: dict[str, str] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    tools: dict[str, str] = field(default_factory=dict)
    emulated: bool = False
    places: tuple[SourceLocation, ...] = ()
    observed: dict[str, str] = field(default_factory=dict)
    workspace: str = ""
    schema: int = SCHEMA

    @property
    def failed_step(self) -> Step | None:
        """Step at which the recipe failed; None if it failed at no step."""
        number = self.failure.step if self.failure else 0
        return self.steps[number - 1] if 0 < number <= len(self.steps) else None

    def section(self, name: str | None) -> tuple[Step, ...]:
        """Return the steps of one section, or all steps for None.

        Raises:
            KeyError: The recipe has no such section.
        """
        if name is None:
            return self.steps
        steps = tuple(step for step in self.steps if step.section == name)
        if not steps:
            raise KeyError(name)
        return steps


NAMES = ("recipe", "key", "result", "contents", "inputs", "observed", "workspace")
"""Fields by which records and artefacts are found."""


def map_texts(record: Record, change: Callable[[str], str]) -> Record:
    """Return a record with each of its texts changed, except for the fields in `NAMES`."""
    parts = {item.name: getattr(record, item.name) for item in fields(record)}
    changed = {name: part if name in NAMES else _changed(part, change) for name, part in parts.items()}
    return replace(record, **changed)


def _changed(data: Any, change: Callable[[str], str]) -> Any:
    if type(data) is str:  # a member of an enumeration is no text
        return change(data)
    if isinstance(data, dict):
        return {_changed(name, change): _changed(item, change) for name, item in data.items()}
    if isinstance(data, list | tuple):
        return type(data)(_changed(item, change) for item in data)
    if is_dataclass(data) and not isinstance(data, type):
        return replace(data, **{item.name: _changed(getattr(data, item.name), change) for item in fields(data)})
    return data
