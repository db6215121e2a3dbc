"""Telling people what happens: lines while recipes run, and the summary at the end.

On a terminal and elsewhere the same lines: one when a recipe begins, one for each of its steps, one when it is done, and a heartbeat while a step
takes long, so that a log of a build says where the time went.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from kvmdocs.catalog.catalog import Catalog
from kvmdocs.core.control_characters import neutral, uncoloured
from kvmdocs.core.errors import EngineError, Evidence, Place, RecipeFailed
from kvmdocs.core.model import Freshness, Record, Status, Where
from kvmdocs.execution.result import ProgressListener, RunResult
from kvmdocs.store.store import Store

if TYPE_CHECKING:
    from rich.console import Console

HEARTBEAT = 20.0
"""Seconds after which a recipe that has said nothing is mentioned again."""

COMMAND_WIDTH = 110

PROMPTS = {
    Where.HOST: "$ ",
    Where.ROOT: "# ",
    Where.GUEST: "guest# ",
    Where.GDB: "(gdb) ",
    Where.HMP: "(qemu) ",
    Where.QMP: "qmp> ",
    Where.FILE: "write ",
}
"""What stands before a command in plain text, by who it was typed to."""


_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0a-\x1f\x7f-\x9f]")
"""Sequences that control a terminal, and characters that do; a tab stays."""


@dataclass
class _Shown:
    began: float
    spoke: float
    last: str = ""


class Lines(ProgressListener):
    """A `kvmdocs.execution.result.ProgressListener` that prints lines.

    Args:
        stream: Where to; standard error if not given, so that standard output stays free for results.
        clock: Seconds that only grow.
        console: What to print on, if there is one already.
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic, *, console: Console | None = None
    ) -> None:
        self._stream = stream
        self._console = console
        self._clock = clock
        self._running: dict[str, _Shown] = {}
        self._waiting: set[str] = set()

    def planned(self, names: list[str]) -> None:
        """Nothing is said before something happens: most builds run nothing."""

    def started(self, name: str, usual: float) -> None:
        """A recipe begins."""
        self._began(name)
        self._print("▶", "cyan", name, f"usually {duration(usual)}")

    def step(self, name: str, number: int, command: str) -> None:
        """One of its steps begins."""
        shown = one_line(command)
        self._spoke(name, shown)
        self._print(" ", "dim", name, f"{number:>3}  {shown}")

    def line(self, name: str, line: str) -> None:
        """The last line its step printed; kept for the heartbeat."""
        if name in self._running:
            self._running[name].last = plain(line)

    def waiting(self, name: str) -> None:
        """Another build runs it."""
        if name not in self._waiting:
            self._waiting.add(name)
            self._print("…", "yellow", name, "another build is running it; waiting for its record")

    def finished(self, name: str, record: Record, freshness: Freshness) -> None:
        """A recipe is done with; what the store had is not worth a line."""
        self._running.pop(name, None)
        if record.status is Status.SKIPPED:
            said = "not run" if freshness is Freshness.BLOCKED else "skipped"
            self._print("-", "yellow", name, f"{said}: {record.reason}")
        elif record.status is Status.FAILED:
            self._print("✗", "red", name, f"failed: {record.failure.message if record.failure else ''}")
        elif freshness is Freshness.RAN:
            self._print("✓", "green", name, duration(record.seconds))

    def tick(self) -> None:
        """Time has passed: say what has been silent for long."""
        now = self._clock()
        for name, shown in self._running.items():
            if now - shown.spoke >= HEARTBEAT:
                shown.spoke = now
                self._print(" ", "dim", name, f"{duration(now - shown.began)} · {shown.last[:COMMAND_WIDTH]}")

    def _began(self, name: str) -> None:
        now = self._clock()
        self._running[name] = _Shown(now, now)

    def _spoke(self, name: str, last: str) -> None:
        if name in self._running:
            self._running[name].spoke = self._clock()
            self._running[name].last = last

    def _print(self, mark: str, style: str, name: str, text: str) -> None:
        # Imported when there is something to say: most builds run nothing.
        from rich.console import Console
        from rich.text import Text

        self._console = self._console or Console(file=self._stream or sys.stderr, highlight=False)
        said = (f"{mark} ", style), (f"{name:<28} ", "bold" if mark == "▶" else ""), uncoloured(text)
        self._console.print(Text.assemble(*said), soft_wrap=True)


def one_line(command: str) -> str:
    """A command cut to a line."""
    first, *more = command.splitlines() or [""]
    return first[:COMMAND_WIDTH].rstrip(" \\") + (" …" if more or len(first) > COMMAND_WIDTH else "")


def plain(line: str) -> str:
    """A line without what would move a terminal's cursor or colour what follows."""
    return uncoloured(_CONTROL.sub("", line))


def evidence(record: Record, guides: Iterable[Place], store: Store) -> Evidence:
    """All that is known about a failed record, for a message."""
    failure = record.failure
    if failure is None:
        return Evidence(guides=tuple(guides), recipe=record.recipe)
    step = record.failed_step
    tail = step.output.last_lines if step is not None else ""
    log = store.logs(record.key) if record.key and step is not None and step.output.log else None
    if record.key and log is None:
        log = store.root / "failures" / f"{record.recipe}.json"
    elif log is not None and step is not None and step.output.log:
        log = log / step.output.log
    # An error of the engine's own tree says all there is; what Python raised is understood by the way to it.
    way = "" if record.steps or failure.error not in (RecipeFailed.__name__, EngineError.__name__) else failure.traceback
    return Evidence(
        guides=tuple(guides),
        recipe=record.recipe,
        place=Place(failure.path, failure.line) if failure.path else None,
        step=failure.step if step else 0,
        command=step.command if step else "",
        status=step.status if step else None,
        tail=failure.tail or tail or way,
        log=log,
        advice=failure.advice or f"kvmdocs run {record.recipe}",
    )


def describe_failure(record: Record, guides: Iterable[Place], store: Store) -> str:
    """A failed record as a paragraph for a terminal."""
    message = record.failure.message if record.failure else "failed"
    lines = evidence(record, guides, store).lines()
    return "\n".join([neutral(f"{record.recipe}: {message}"), *(f"  {line}" for line in lines)])


def describe_failures(failed: Iterable[Record], catalog: Catalog, store: Store) -> str:
    """Failed records, a paragraph each; "" for none."""
    return "\n\n".join(describe_failure(record, catalog.shown_at(record.recipe), store) for record in failed)


def recipes(count: int) -> str:
    """A number of recipes."""
    return f"{count} recipe{'' if count == 1 else 's'}"


def summary(outcome: RunResult) -> list[str]:
    """What ran, what was skipped and why, as lines."""
    ran = outcome.names(status=Status.PASSED, freshness=Freshness.RAN)
    cached = outcome.names(freshness=Freshness.CACHED)
    blocked = outcome.names(freshness=Freshness.BLOCKED)
    skipped = [name for name in outcome.names(status=Status.SKIPPED) if name not in blocked]
    failed = outcome.names(status=Status.FAILED)
    counts = [f"{len(ran)} ran", f"{len(cached)} unchanged", f"{len(skipped)} skipped", f"{len(failed)} failed"]
    if blocked:
        counts.append(f"{len(blocked)} not run because of that")
    if recorded := outcome.names(freshness=Freshness.RECORDED):
        # Nothing was run, so there is nothing else to count.
        counts = [f"{len(recorded)} from records, nothing was run", f"{len(skipped)} without a record"]
    lines = [f"recipes: {', '.join(counts)}"]
    lines += [f"  skipped {name}: {outcome.records[name].reason}" for name in skipped]
    lines += [f"  not run {name}: {outcome.records[name].reason}" for name in blocked]
    return lines


def print_record(record: Record, stream: TextIO | None = None) -> None:
    """Print a record's steps as a terminal would show them."""
    out = stream or sys.stdout
    for step in record.steps:
        prompt = PROMPTS[step.where]
        command = step.command.replace("\n", f"\n{' ' * len(prompt)}")
        text = step.output.text
        end = "" if not text or text.endswith("\n") else "\n"
        out.write(neutral(f"{prompt}{command}{' &' if step.background else ''}\n{text}{end}"))
    out.flush()


@dataclass(frozen=True)
class Listed:
    """A recipe of a project.

    Attributes:
        name: Its name.
        title: What it does, in a line.
        place: File and line.
        builds_on: The recipes it takes the results of.
        needs: The capabilities of the host it needs.
        tools: The tools it declares.
        guides: The places that show it.
    """

    name: str
    title: str
    place: str
    builds_on: tuple[str, ...]
    needs: tuple[str, ...]
    tools: tuple[str, ...]
    guides: tuple[str, ...]


def listing(catalog: Catalog) -> list[Listed]:
    """Every recipe, sorted by name."""
    return [
        Listed(
            name=name,
            title=entry.recipe.title,
            place=str(entry.place),
            builds_on=tuple(wanted.name for wanted in entry.recipe.inputs),
            needs=tuple(entry.recipe.needs),
            tools=tuple(entry.recipe.tools),
            guides=tuple(str(place) for place in catalog.shown_at(name)),
        )
        for name, entry in sorted(catalog.entries.items())
    ]


def duration(seconds: float) -> str:
    """A time as people say it: ``0.4 s``, ``12 s``, ``3 min 05 s``, ``1 h 02 min``."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def size(count: float) -> str:
    """A number of bytes as people say it, in powers of 1024."""
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024 or unit == "GiB":
            return f"{count:.0f} {unit}" if unit in ("B", "KiB") else f"{count:.1f} {unit}"
        count /= 1024
    return ""
