"""Progress: a tree on a terminal, lines elsewhere."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from kvmdocs.core import terminal
from kvmdocs.core.model import Failure, Freshness, Host, Record, Status
from kvmdocs.execution import progress, report

HOST = Host("host", "Debian", "6.1", "x86_64", 2, 1 << 30)


def record(name: str, status: Status = Status.PASSED, **more) -> Record:
    return Record(recipe=name, key="k" * 64, status=status, host=HOST, started="2026-01-02T03:04:05+00:00", **more)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")


def drawn(tree) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=60).print(tree.picture())
    return [line.rstrip() for line in stream.getvalue().splitlines()]


def test_a_tree_on_a_terminal_and_lines_elsewhere(monkeypatch):
    assert isinstance(progress.progress_listener(Terminal()), progress.ProgressTree)
    assert type(progress.progress_listener(io.StringIO())) is report.ProgressLines
    monkeypatch.setenv("TERM", "dumb")
    assert type(progress.progress_listener(Terminal())) is report.ProgressLines


def test_the_tree_shows_what_runs(monkeypatch):
    clock = Clock()
    tree = progress.ProgressTree(Console(file=Terminal(), width=60), clock)
    tree.planned(["first", "second", "third"])
    tree.finished("third", record("third"), Freshness.CACHED)
    tree.started("first", 75)
    tree.started("second", 3)
    tree.step("first", 4, "make \\\n    -j2")
    tree.line("first", "\x1b[31m[12/90]\x1b[0m compiling \r\x07" + "x" * 100)
    clock.now += 12
    tree.tick()
    assert drawn(tree) == [
        "1 of 3 done",
        "├── first  12 s, usually 1 min 15 s",
        "│   ├── 4  make …",
        f"│   └── [12/90] compiling {'x' * 33}…",
        "└── second  12 s, usually 3.0 s",
    ]
    # The next step has not printed anything yet.
    tree.step("first", 5, "make install")
    assert drawn(tree)[2] == "│   └── 5  make install"
    tree.finished("first", record("first", seconds=12.5), Freshness.RAN)
    assert drawn(tree) == ["2 of 3 done", "└── second  12 s, usually 3.0 s"]
    tree.ended()


def test_finished_recipes_stay_as_lines_and_the_tree_is_removed():
    stream = Terminal()
    tree = progress.ProgressTree(Console(file=stream, width=60), Clock())
    tree.planned(["first", "second"])
    tree.started("first", 1)
    tree.finished("first", record("first", seconds=1), Freshness.RAN)
    tree.finished("second", record("second", Status.SKIPPED, reason="no moon"), Freshness.NONE)
    tree.ended()
    tree.ended()
    output = stream.getvalue()
    assert "✓" in output
    assert "skipped: no moon" in output
    assert output.count("\x1b[?25l") == output.count("\x1b[?25h") == 1  # the cursor is back


def test_the_tree_is_not_drawn_for_each_line_of_output():
    stream, clock = Terminal(), Clock()
    tree = progress.ProgressTree(Console(file=stream, width=60), clock)
    tree.planned(["first"])
    tree.started("first", 1)
    before = len(stream.getvalue())
    for number in range(1000):
        tree.line("first", f"line {number}")
    assert len(stream.getvalue()) == before
    clock.now += 1
    tree.tick()
    assert "line 999" in stream.getvalue()
    tree.ended()


@pytest.mark.parametrize(("value", "coloured"), [(None, True), ("1", False)])
def test_no_color_disables_colours(monkeypatch, value, coloured):
    if value:
        monkeypatch.setenv("NO_COLOR", value)
    stream = Terminal()
    tree = progress.progress_listener(stream)
    tree.planned(["first"])
    tree.started("first", 1)
    tree.finished("first", record("first"), Freshness.RAN)
    tree.ended()
    lines = report.ProgressLines(stream)
    lines.finished("first", record("first"), Freshness.RAN)
    assert bool(re.search(r"\x1b\[[\d;]*3\d", stream.getvalue())) is coloured


def test_the_tree_shows_no_sequence_of_a_command_and_no_markup(monkeypatch):
    stream = Terminal()
    monkeypatch.setattr("sys.stderr", terminal.GuardedStream(stream, str))
    tree = progress.progress_listener()
    assert isinstance(tree, progress.ProgressTree)
    tree.planned(["one"])
    tree.started("one", 1.0)
    tree.step("one", 1, "printf '\x1b]0;title\x07' [red]x[/red]")
    tree.line("one", "a\x1b]52;c;x\x07\x9b2J\x1b[5Ab \u202ec [link=https://x.example]y[/link]")
    tree._draw(at_once=True)
    odd = Failure("RecipeFailed", "cannot \x1b]0;t\x07 \x9b2J ::error::x\n::error::y")
    tree.finished("one", record("one", Status.FAILED, failure=odd), Freshness.NONE)
    tree.ended()
    shown = stream.getvalue()
    # This one is from the tree, which clears its lines.
    assert "\x1b[2K" in shown
    for sequence in ("\x1b]0", "\x1b]5", "\x9b", "\x1b[5A", "\u202e", "\x07", "\n::error"):
        assert sequence not in shown
    assert "[red]x[/red]" in shown
    assert "[link=https://x.example]y[/link]" in shown
