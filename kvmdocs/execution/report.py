"""Text output about runs: progress lines, descriptions of failures, and the summary at the end.

A recipe has one line when it starts, one for each step, and one when it is done. While it prints no new line for long, a
heartbeat shows where the time goes.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TextIO

from kvmdocs.catalog.catalog import Catalog
from kvmdocs.core.control_characters import sanitize, strip_colours
from kvmdocs.core.errors import EngineError, Evidence, Place, RecipeFailed
from kvmdocs.core.model import Freshness, Record, Status, Where
from kvmdocs.core.units import duration
from kvmdocs.execution.run_result import ProgressListener, RunResult
from kvmdocs.store.store import Store

if TYPE_CHECKING:
    from rich.console import Console

HEARTBEAT = 20.0
"""Seconds of silence after which a running recipe gets a line with its last output."""

COMMAND_WIDTH = 110
"""Characters of a command or of an output line that a progress line shows."""

PROMPTS = {
    Where.HOST: "$ ",
    Where.ROOT: "# ",
    Where.GUEST: "guest# ",
    Where.GDB: "(gdb) ",
    Where.HMP: "(qemu) ",
    Where.QMP: "qmp> ",
    Where.FILE: "write ",
}
"""Prompt before a command in plain text."""

_CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)?|[\x00-\x08\x0a-\x1f\x7f-\x9f]")
"""Control sequences and control characters of terminals, except the tab."""


@dataclass
class _Activity:
    began: float
    shown: float
    last: str = ""


class ProgressLines(ProgressListener):
    """A `kvmdocs.execution.run_result.ProgressListener` that prints lines.

    Args:
        stream: Output stream; standard error if not given, so that standard output stays free for results.
        clock: Monotonic clock, in seconds.
        console: Console to print on instead of `stream`.
    """

    def __init__(
        self, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic, *, console: Console | None = None
    ) -> None:
        self._stream = stream
        self._console = console
        self._clock = clock
        self._running: dict[str, _Activity] = {}
        self._waiting: set[str] = set()

    def planned(self, names: list[str]) -> None:
        """Print nothing: most builds run nothing."""

    def started(self, name: str, usual: float) -> None:
        """Print that a recipe starts."""
        self._began(name)
        self._print("▶", "cyan", name, f"usually {duration(usual)}")

    def step(self, name: str, number: int, command: str) -> None:
        """Print the step."""
        text = one_line(command)
        self._active(name, text)
        self._print(" ", "dim", name, f"{number:>3}  {text}")

    def line(self, name: str, line: str) -> None:
        """Remember the line for the heartbeat."""
        if name in self._running:
            self._running[name].last = plain(line)

    def waiting(self, name: str) -> None:
        """Print once that another build runs the recipe."""
        if name not in self._waiting:
            self._waiting.add(name)
            self._print("…", "yellow", name, "another build is running it; waiting for its record")

    def damaged(self, name: str, paths: list[str]) -> None:
        """Print that a recipe runs again because its artefacts are gone or were changed."""
        self._print("!", "yellow", name, f"{', '.join(paths)} was changed or is gone; it is made again")

    def finished(self, name: str, record: Record, freshness: Freshness) -> None:
        """Print how a recipe ended. A record from the store gets no line."""
        self._running.pop(name, None)
        if record.status is Status.SKIPPED:
            state = "not run" if freshness is Freshness.BLOCKED else "skipped"
            self._print("-", "yellow", name, f"{state}: {record.reason}")
        elif record.status is Status.FAILED:
            self._print("✗", "red", name, f"failed: {record.failure.message if record.failure else ''}")
        elif freshness is Freshness.RAN:
            self._print("✓", "green", name, duration(record.seconds))

    def tick(self) -> None:
        """Print a heartbeat for each recipe that has been silent for long."""
        now = self._clock()
        for name, activity in self._running.items():
            if now - activity.shown >= HEARTBEAT:
                activity.shown = now
                self._print(" ", "dim", name, f"{duration(now - activity.began)} · {activity.last[:COMMAND_WIDTH]}")

    def _began(self, name: str) -> None:
        now = self._clock()
        self._running[name] = _Activity(now, now)

    def _active(self, name: str, last: str) -> None:
        if name in self._running:
            self._running[name].shown = self._clock()
            self._running[name].last = last

    def _print(self, mark: str, style: str, name: str, text: str) -> None:
        # Imported late: most builds run nothing.
        from rich.console import Console
        from rich.text import Text

        self._console = self._console or Console(file=self._stream or sys.stderr, highlight=False)
        parts = (f"{mark} ", style), (f"{name:<28} ", "bold" if mark == "▶" else ""), strip_colours(text)
        self._console.print(Text.assemble(*parts), soft_wrap=True)


def one_line(command: str) -> str:
    """Return the first line of a command, shortened to `COMMAND_WIDTH`."""
    first, *more = command.splitlines() or [""]
    return first[:COMMAND_WIDTH].rstrip(" \\") + (" …" if more or len(first) > COMMAND_WIDTH else "")


def plain(line: str) -> str:
    """Return a line without control sequences: they would move the cursor or colour what follows."""
    return strip_colours(_CONTROL.sub("", line))


def evidence(record: Record, guides: Iterable[Place], store: Store) -> Evidence:
    """Return the evidence of a failed record, for a message."""
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
    # The engine's specific errors explain themselves; an unexpected Python exception needs its traceback.
    unexpected = not record.steps and failure.error in (RecipeFailed.__name__, EngineError.__name__)
    return Evidence(
        guides=tuple(guides),
        recipe=record.recipe,
        place=Place(failure.path, failure.line) if failure.path else None,
        step=failure.step if step else 0,
        command=step.command if step else "",
        status=step.status if step else None,
        tail=failure.tail or tail or (failure.traceback if unexpected else ""),
        log=log,
        advice=failure.advice or f"kvmdocs run {record.recipe}",
    )


def describe_failure(record: Record, guides: Iterable[Place], store: Store) -> str:
    """Return a paragraph for a terminal about a failed record."""
    message = record.failure.message if record.failure else "failed"
    lines = evidence(record, guides, store).lines()
    return "\n".join([sanitize(f"{record.recipe}: {message}"), *(f"  {line}" for line in lines)])


def describe_failures(failed: Iterable[Record], catalog: Catalog, store: Store) -> str:
    """Return a paragraph about each failed record; "" if there is none."""
    return "\n\n".join(describe_failure(record, catalog.shown_at(record.recipe), store) for record in failed)


def recipes(count: int) -> str:
    """Return a number of recipes in words: ``1 recipe``, ``2 recipes``."""
    return f"{count} recipe{'' if count == 1 else 's'}"


def summary(result: RunResult) -> list[str]:
    """Return lines that count the recipes by their result, and name those that were skipped or not run, with the reason."""
    ran = result.names(status=Status.PASSED, freshness=Freshness.RAN)
    cached = result.names(freshness=Freshness.CACHED)
    blocked = result.names(freshness=Freshness.BLOCKED)
    skipped = [name for name in result.names(status=Status.SKIPPED) if name not in blocked]
    failed = result.names(status=Status.FAILED)
    counts = [f"{len(ran)} ran", f"{len(cached)} unchanged", f"{len(skipped)} skipped", f"{len(failed)} failed"]
    if blocked:
        counts.append(f"{len(blocked)} not run because of that")
    if recorded := result.names(freshness=Freshness.RECORDED):
        # In the mode "recorded" nothing runs, so there is nothing else to count.
        counts = [f"{len(recorded)} from records, nothing was run", f"{len(skipped)} without a record"]
    lines = [f"recipes: {', '.join(counts)}"]
    lines += [f"  skipped {name}: {result.records[name].reason}" for name in skipped]
    lines += [f"  not run {name}: {result.records[name].reason}" for name in blocked]
    return lines


def print_record(record: Record, stream: TextIO | None = None) -> None:
    """Print a record's steps as they look in a terminal."""
    out = stream or sys.stdout
    for step in record.steps:
        prompt = PROMPTS[step.where]
        command = step.command.replace("\n", f"\n{' ' * len(prompt)}")
        text = step.output.text
        end = "" if not text or text.endswith("\n") else "\n"
        out.write(sanitize(f"{prompt}{command}{' &' if step.background else ''}\n{text}{end}"))
    out.flush()


@dataclass(frozen=True)
class Listed:
    """Row of the list of a project's recipes.

    Attributes:
        name: Name of the recipe.
        title: Description of the recipe in one line.
        place: File and line.
        builds_on: Recipes whose results it takes.
        needs: Capabilities of the host that it needs.
        tools: Tools that it declares.
        guides: Places that show it.
    """

    name: str
    title: str
    place: str
    builds_on: tuple[str, ...]
    needs: tuple[str, ...]
    tools: tuple[str, ...]
    guides: tuple[str, ...]


def listing(catalog: Catalog) -> list[Listed]:
    """Return every recipe of a catalog, sorted by name."""
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
