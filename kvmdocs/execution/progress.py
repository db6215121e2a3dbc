"""Progress on a terminal: a tree of running recipes with their steps and their last output, below a line for each finished one.

In a log or a pipe, progress is plain lines (`kvmdocs.execution.report.ProgressLines`).
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TextIO

from kvmdocs.core.control_characters import strip_colours
from kvmdocs.core.model import Freshness, Record
from kvmdocs.core.terminal import unguarded
from kvmdocs.core.units import duration
from kvmdocs.execution.report import ProgressLines, one_line
from kvmdocs.execution.run_result import ProgressListener

if TYPE_CHECKING:  # most builds run nothing and draw nothing
    from rich.console import Console
    from rich.live import Live
    from rich.text import Text
    from rich.tree import Tree as RichTree

FORCE_TERMINAL = ("FORCE_COLOR", "TTY_COMPATIBLE")
"""Environment variables that make rich treat a stream as a terminal."""

REDRAW_INTERVAL = 0.1
"""Shortest time between two drawings, in seconds: a recipe may print thousands of lines in a second."""


class ProgressTree(ProgressLines):
    """A `kvmdocs.execution.run_result.ProgressListener` that draws a tree of running recipes.

    Args:
        console: The terminal.
        clock: Monotonic clock, in seconds.
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
        """Count the recipes of the run. Nothing is drawn before the first one starts."""
        self._planned, self._done = len(names), 0

    def started(self, name: str, usual: float) -> None:
        """Add a recipe to the tree."""
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
        """Show the recipe's current step."""
        self._steps[name] = f"{number}  {one_line(command)}"
        self._active(name, "")
        self._draw()

    def line(self, name: str, line: str) -> None:
        """Show the last line that the step printed."""
        super().line(name, line)
        self._draw()

    def finished(self, name: str, record: Record, freshness: Freshness) -> None:
        """Replace the recipe in the tree by a line above it."""
        self._done += 1
        super().finished(name, record, freshness)
        self._draw(at_once=True)

    def tick(self) -> None:
        """Draw the times that have passed."""
        self._draw()

    def ended(self) -> None:
        """Remove the tree; the lines stay."""
        if self._live is not None:
            self._live.stop()
            self._live = None

    def _draw(self, *, at_once: bool = False) -> None:
        now = self._clock()
        if self._live is not None and (at_once or now - self._drawn >= REDRAW_INTERVAL):
            self._drawn = now
            self._live.update(self.picture(), refresh=True)

    def picture(self) -> RichTree:
        """Return the tree as it is now."""
        from rich.tree import Tree as RichTree

        now = self._clock()
        root = RichTree(f"{self._done} of {self._planned} done", guide_style="dim")
        for name, activity in self._running.items():
            elapsed = f"{duration(now - activity.began)}, usually {duration(self._usual[name])}"
            branch = root.add(_row((name, "bold"), (f"  {elapsed}", "cyan")))
            if self._steps[name]:
                branch.add(_row(self._steps[name]))
            if activity.last:
                branch.add(_row((activity.last, "dim")))
        return root


def _row(*parts: str | tuple[str, str]) -> Text:
    from rich.text import Text

    safe = (strip_colours(part) if isinstance(part, str) else (strip_colours(part[0]), part[1]) for part in parts)
    return Text.assemble(*safe, no_wrap=True, overflow="ellipsis")


def progress_listener(stream: TextIO | None = None) -> ProgressListener:
    """Return the listener that shows progress to people: a tree on a terminal that can draw one, otherwise lines.

    Args:
        stream: Output stream; standard error if not given.
    """
    # The tree moves the cursor, which a guarded stream would not let pass; each text is made safe on its own.
    stream = unguarded(stream or sys.stderr)
    if not stream.isatty() and not any(name in os.environ for name in FORCE_TERMINAL):
        return ProgressLines(stream)
    from rich.console import Console

    console = Console(file=stream, highlight=False)
    return ProgressTree(console) if console.is_terminal and not console.is_dumb_terminal else ProgressLines(stream)
