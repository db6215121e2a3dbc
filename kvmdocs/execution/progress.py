"""Progress on a terminal: a tree of what runs now, with its step and the last line of its output; what is done is a line above it.

Elsewhere, in a log or a pipe, it is told in lines (`kvmdocs.execution.report.Lines`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from kvmdocs.core.control_characters import uncoloured
from kvmdocs.core.model import Freshness, Record
from kvmdocs.core.terminal import unguarded
from kvmdocs.execution.report import Lines, duration, one_line
from kvmdocs.execution.result import ProgressListener

if TYPE_CHECKING:  # most builds run nothing and draw nothing
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text
    from rich.tree import Tree as RichTree

ASKED = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Environment variables by which rich takes for a terminal what says that it is none."""

PAUSE = 0.1
"""Seconds between two drawings, at least: a recipe may say something thousands of times a second."""


class ProgressTree(Lines):
    """A `kvmdocs.execution.result.ProgressListener` that draws what runs.

    Args:
        console: The terminal.
        clock: Seconds that only grow.
    """

    def __init__(self, console: Console, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__(clock=clock, console=console)
        self._live: Live | None = None
        self._drawn = 0.0
        self._planned = 0
        self._done = 0
        self._usual: dict[str, float] = {}
        self._steps: dict[str, str] = {}

    def planned(self, names: list[str]) -> None:
        """These are looked at; nothing is drawn before one begins."""
        self._planned, self._done = len(names), 0

    def started(self, name: str, usual: float) -> None:
        """A recipe begins."""
        self._began(name)
        self._usual[name] = usual
        self._steps[name] = ""
        if self._live is None:
            from rich.live import Live

            self._live = Live(
                console=self._console, auto_refresh=False, transient=True, redirect_stdout=False, redirect_stderr=False
            )
            self._live.start()
        self._draw(at_once=True)

    def step(self, name: str, number: int, command: str) -> None:
        """One of its steps begins."""
        self._steps[name] = f"{number}  {one_line(command)}"
        self._spoke(name, "")
        self._draw()

    def line(self, name: str, line: str) -> None:
        """The last line its step printed."""
        super().line(name, line)
        self._draw()

    def finished(self, name: str, record: Record, freshness: Freshness) -> None:
        """A recipe is done with."""
        self._done += 1
        super().finished(name, record, freshness)
        self._draw(at_once=True)

    def tick(self) -> None:
        """Time has passed."""
        self._draw()

    def ended(self) -> None:
        """The run is over: the tree goes, the lines stay."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self, *, at_once: bool = False) -> None:
        now = self._clock()
        if self._live is not None and (at_once or now - self._drawn >= PAUSE):
            self._drawn = now
            self._live.update(self.picture(), refresh=True)

    def picture(self) -> RichTree:
        """The tree as it is now."""
        from rich.tree import Tree as RichTree

        now = self._clock()
        root = RichTree(f"{self._done} of {self._planned} done", guide_style="dim")
        for name, shown in self._running.items():
            taken = f"{duration(now - shown.began)}, usually {duration(self._usual[name])}"
            branch = root.add(_row((name, "bold"), (f"  {taken}", "cyan")))
            if self._steps[name]:
                branch.add(_row(self._steps[name]))
            if shown.last:
                branch.add(_row((shown.last, "dim")))
        return root


def _row(*parts: str | tuple[str, str]) -> Text:
    from rich.text import Text

    safe = (uncoloured(part) if isinstance(part, str) else (uncoloured(part[0]), part[1]) for part in parts)
    return Text.assemble(*safe, no_wrap=True, overflow="ellipsis")


def reporter(stream: TextIO | None = None) -> ProgressListener:
    """Who tells people what happens: a tree on a terminal that can draw one, lines elsewhere.

    Args:
        stream: Where to; standard error if not given.
    """
    stream = unguarded(stream or sys.stderr)  # what draws moves the cursor; the texts are made safe one by one
    if not stream.isatty() and not any(name in os.environ for name in ASKED):
        return Lines(stream)
    from rich.console import Console

    console = Console(file=stream, highlight=False)
    return ProgressTree(console) if console.is_terminal and not console.is_dumb_terminal else Lines(stream)
