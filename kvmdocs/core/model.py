"""The values that cross every boundary of the engine: steps, outputs, records.

They are frozen and hold plain data, so that a record means the same in the worker that made it, in the build that shows
it and on a machine that never ran it. Nothing here knows a path of the host: paths appear under the lab's
readable folder (`kvmdocs.core.paths`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from enum import StrEnum
from typing import Any

SCHEMA = 1
"""Version of the record's form and of the key. Raising it makes every record stale."""


class Where(StrEnum):
    """Who a step's command was typed to; it decides the prompt a reader sees."""

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
    """A file that was written; the command is its name, the input its text."""


class Status(StrEnum):
    """How a recipe ended."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


class Mode(StrEnum):
    """What is done about stale recipes; see `kvmdocs.execution.modes`."""

    LIVE = "live"
    """They are run."""
    FRESH = "fresh"
    """Everything is run, stale or not."""
    RECORDED = "recorded"
    """Nothing is run; the newest of the store's record and the approved one is taken, stale or not."""


class Freshness(StrEnum):
    """Where a record came from."""

    RAN = "ran"
    """This build ran the recipe."""
    CACHED = "cached"
    """The store had it."""
    RECORDED = "recorded"
    """It was made at another time or place, and this build ran nothing to see whether it still holds."""
    STALE = "stale"
    """It is of before a change, and nothing has run since: ``mkdocs serve`` waits for nothing."""
    RUNNING = "running"
    """The same, and the recipe is being run again at this moment."""
    NONE = "none"
    """There is none: the recipe was skipped or did not get to run."""
    BLOCKED = "blocked"
    """There is none: the recipe was not run, since one that it builds on failed."""
    MISSING = "missing"
    """There is none, and this build did not try to have one made: nothing is known of whether the recipe can run here."""


LAST_LINES = 12
"""Lines of a failed step's output that are shown with the failure."""


@dataclass(frozen=True)
class Output:
    """What a step printed, both streams in the order they arrived.

    Attributes:
        head: The text from the beginning; all of it when `omitted_bytes` is 0.
        tail: The last part, when something between head and tail was left out.
        omitted_lines: Lines between head and tail that are only in the log.
        omitted_bytes: Bytes between head and tail that are only in the log.
        log: File name of the whole log beside the record, when anything was left out; else None.
        lost_bytes: Bytes that even the log does not hold, because the output passed the log's limit.
    """

    head: str = ""
    tail: str = ""
    omitted_lines: int = 0
    omitted_bytes: int = 0
    log: str | None = None
    lost_bytes: int = 0

    @property
    def text(self) -> str:
        """Head and tail, with a line between them that says what was left out."""
        if not self.omitted_bytes:
            return self.head
        return f"{self.head}[… {self.omitted_lines} lines …]\n{self.tail}"

    @property
    def last_lines(self) -> str:
        """The last lines of the output, as many as are shown with a failure."""
        return "\n".join((self.tail or self.head).rstrip().splitlines()[-LAST_LINES:])


@dataclass(frozen=True)
class Step:
    """One command of a recipe and what came back.

    Attributes:
        where: Who it was typed to.
        command: The command as a reader would type it; may have several lines.
        output: What it printed.
        cwd: Working directory as a reader would write it (``~/kvm-lab/…``); None where there is none (gdb, monitors).
        section: The section of the recipe it belongs to, or None.
        machine: Label of the machine or terminal when the recipe uses several, else "".
        stdin: Text fed to the command or, for `Where.FILE`, the file's content.
        mode: For `Where.FILE`, the permissions it was given, as chmod takes them; "" when it was given none.
        background: True when the command goes on while later steps run (``&``).
        status: Exit status; negative for a signal; None where there is none or it is still running.
        started: Seconds from the recipe's start to the step's.
        seconds: How long it took.
        until: For a step in the background, the number of the last step begun before it ended, where the record keeps no times of
            steps; 0 for unknown.
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
    """The number of the last step begun before one in the background ended; 0 when nothing tells."""
    step = steps[number - 1]
    ended = step.started + step.seconds
    if step.until or not step.background or ended <= 0 or all(one.started == 0 for one in steps):
        return step.until
    return max(place for place, one in enumerate(steps, 1) if one.started < ended or place == number)


@dataclass(frozen=True)
class SourceLocation:
    """A line of a source tree that a step's output names, opened and checked when the recipe ran.

    Attributes:
        shown: The file as the output names it.
        line: The line.
        tree: The source tree's name, such as ``linux``.
        version: The tree's version.
        path: The file, relative to the tree.
        function: The function the line lies in, as its source has it.
        excerpt: The line with some before and after it.
        first: The number of the excerpt's first line.
        astray: The function that the frame names, when the line is known not to lie in it; "" for all others.
        patched: True when a distribution's patches move lines of this file, so that upstream's may have the line elsewhere.
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
    """The machine a record was made on, as far as a reader wants to know.

    Attributes:
        name: A label, from the setting ``host.name``.
        system: Distribution and version, such as ``Debian GNU/Linux 12 (bookworm)``.
        kernel: The running kernel's release.
        machine: The architecture, such as ``x86_64``.
        cpus: Processors the build may use.
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
    """Why a recipe failed, as plain data (see `kvmdocs.core.errors`).

    Attributes:
        error: Class name in `kvmdocs.core.errors`.
        message: What is wrong, in a sentence.
        path: The recipe's (or guide's) file in which it was raised, "" if unknown.
        line: The line in it.
        step: Number of the step, counted from 1; 0 if none.
        advice: What to type or change next.
        tail: Last lines that whoever raised it saw, such as a guest's console; the failed step's own output is in the step.
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
    """What running a recipe gave.

    Attributes:
        recipe: The recipe's name.
        key: SHA-256, in hexadecimal, of all that can change the record (`kvmdocs.catalog.key.cache_key`).
        status: How it ended.
        reason: Why it was skipped; "" otherwise.
        failure: Why it failed; None otherwise.
        steps: Its steps, in the order they began.
        value: What the recipe returned, in JSON form (`kvmdocs.recording.values`).
        result: SHA-256 of the value and of the artefacts it names; what later recipes' keys take.
        contents: Content digest of each path in the value.
        inputs: Result digest of each recipe this one was built on.
        settings: Value of each setting the recipe took.
        tools: Version of each tool the recipe declares.
        host: Where it ran.
        started: When, in UTC, ISO 8601 with seconds.
        seconds: How long it took, waiting not counted.
        emulated: True when something ran under emulation, so that its times are no performance figures.
        places: The places in source code that its steps' outputs name, each once, if the recipe says which trees they are in.
        schema: Version of this form.
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
    schema: int = SCHEMA

    @property
    def failed_step(self) -> Step | None:
        """The step at which the recipe failed; None where it failed at none."""
        number = self.failure.step if self.failure else 0
        return self.steps[number - 1] if 0 < number <= len(self.steps) else None

    def section(self, name: str | None) -> tuple[Step, ...]:
        """The steps of one section, or all steps for None.

        Raises:
            KeyError: The recipe has no such section.
        """
        if name is None:
            return self.steps
        steps = tuple(step for step in self.steps if step.section == name)
        if not steps:
            raise KeyError(name)
        return steps


NAMES = ("recipe", "key", "result", "contents", "inputs")
"""What of a record is by what records and artefacts are found."""


def with_texts(record: Record, change: Callable[[str], str]) -> Record:
    """A record with each of its texts changed; names and digests by which others find it stay."""
    kept = {item.name: getattr(record, item.name) for item in fields(record)}
    changed = {name: part if name in NAMES else _changed(part, change) for name, part in kept.items()}
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
