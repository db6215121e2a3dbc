"""Text output about runs."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from kvmdocs.core.errors import Place
from kvmdocs.core.model import Failure, Freshness, Host, Output, Record, Status, Step, Where
from kvmdocs.execution import report
from kvmdocs.execution.run_result import RunResult
from kvmdocs.store.store import Store

HOST = Host("host", "Debian", "6.1", "x86_64", 2, 1 << 30)


def record(name: str = "first", status: Status = Status.PASSED, **more) -> Record:
    return Record(recipe=name, key="k" * 64, status=status, host=HOST, started="2026-01-02T03:04:05+00:00", **more)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def listener():
    """A listener, its clock, and a function that returns the lines printed so far."""
    stream, clock = io.StringIO(), Clock()
    return (
        report.ProgressLines(stream, clock),
        clock,
        lambda: [" ".join(line.split()) for line in stream.getvalue().splitlines()],
    )


def test_a_run_is_printed_as_lines(listener):
    lines, _, printed = listener
    lines.planned(["first", "second"])
    assert printed() == []
    lines.started("first", 75)
    lines.step("first", 1, "make \\\n    -j2")
    lines.step("first", 2, "x" * 500)
    lines.finished("first", record(seconds=3.25), Freshness.RAN)
    lines.finished("second", record("second"), Freshness.CACHED)
    lines.finished("third", record("third", Status.SKIPPED, reason="no [moon]"), Freshness.NONE)
    failed = record("fourth", Status.FAILED, failure=Failure("RecipeFailed", "it [red]broke"))
    lines.finished("fourth", failed, Freshness.RAN)
    assert printed() == [
        "▶ first usually 1 min 15 s",
        "first 1 make …",
        f"first 2 {'x' * report.COMMAND_WIDTH} …",
        "✓ first 3.2 s",
        "- third skipped: no [moon]",
        "✗ fourth failed: it [red]broke",
    ]


def test_a_silent_recipe_gets_a_heartbeat(listener):
    lines, clock, printed = listener
    lines.started("first", 1)
    lines.line("first", "[12/90] compiling")
    lines.line("other", "not running")
    clock.now += report.HEARTBEAT - 1
    lines.tick()
    assert len(printed()) == 1
    clock.now += 1
    lines.tick()
    lines.tick()
    assert printed()[1:] == ["first 20 s · [12/90] compiling"]


def test_waiting_for_another_build_is_printed_once(listener):
    lines, _, printed = listener
    lines.waiting("first")
    lines.waiting("first")
    assert len(printed()) == 1
    assert "another build" in printed()[0]


def test_no_colour_without_a_terminal(listener):
    lines, _, _ = listener
    stream = io.StringIO()
    report.ProgressLines(stream).finished("first", record(), Freshness.RAN)
    assert "\x1b" not in stream.getvalue()
    assert lines is not None


STEPS = (
    Step(Where.HOST, "true"),
    Step(Where.HOST, "make", Output("".join(f"line {number}\n" for number in range(100))), status=2),
    Step(Where.HOST, "later"),
)


def failed(**more) -> Record:
    failure = Failure("CommandFailed", "`make` ended with status 2", "recipes/a.py", 7, 2, "look")
    return record(status=Status.FAILED, failure=replace(failure, **more), steps=STEPS)


def test_a_failure_has_its_evidence(tmp_path):
    store = Store(tmp_path)
    evidence = report.evidence(failed(), [Place("docs/a.md", 3)], store)
    assert evidence.lines() == [
        "guide    docs/a.md:3",
        "recipe   first (recipes/a.py:7)",
        "step 2   make",
        "status   exit 2",
        "output   " + "\n         ".join(f"line {number}" for number in range(88, 100)),
        f"log      {store.root}/failures/first.json",
        "next     look",
    ]


def test_a_failure_names_the_log_of_its_output(tmp_path):
    store = Store(tmp_path)
    output = Output("head\n", "the end\n", 100, 1000, "002.log")
    made = replace(failed(), steps=(STEPS[0], replace(STEPS[1], output=output)))
    evidence = report.evidence(made, [], store)
    assert (evidence.log, evidence.tail) == (store.logs("k" * 64) / "002.log", "the end")


def test_a_failure_between_steps_names_none_and_says_how_to_run_it_again(tmp_path):
    evidence = report.evidence(failed(step=0, advice=""), [], Store(tmp_path))
    assert (evidence.step, evidence.command, evidence.status) == (0, "", None)
    assert evidence.advice == "kvmdocs run first"
    early = replace(failed(step=0, traceback="Traceback: text", error="RecipeFailed"), steps=())
    assert report.evidence(early, [], Store(tmp_path)).tail == "Traceback: text"
    # A specific error of the engine needs no traceback.
    early = replace(failed(step=0, traceback="Traceback: text", error="LabFailed"), steps=())
    assert report.evidence(early, [], Store(tmp_path)).tail == ""


def test_a_failure_is_described_in_a_paragraph(tmp_path):
    paragraph = report.describe_failure(failed(), [], Store(tmp_path))
    assert paragraph.startswith("first: `make` ended with status 2\n  recipe   first (recipes/a.py:7)\n")


def test_the_summary_counts_and_names_what_was_skipped():
    outcome = RunResult()
    for name, status, freshness in (
        ("a", Status.PASSED, Freshness.RAN),
        ("b", Status.PASSED, Freshness.CACHED),
        ("c", Status.SKIPPED, Freshness.NONE),
        ("d", Status.FAILED, Freshness.RAN),
    ):
        outcome.records[name] = record(name, status, reason="no moon")
        outcome.freshness[name] = freshness
    assert report.summary(outcome) == ["recipes: 1 ran, 1 unchanged, 1 skipped, 1 failed", "  skipped c: no moon"]


def test_a_record_is_printed_as_a_terminal_would_show_it():
    stream = io.StringIO()
    steps = (
        Step(Where.ROOT, "make \\\n    -j2", Output("done")),
        Step(Where.GDB, "bt", Output("#0 main\n")),
        Step(Where.HOST, "sleep 9", background=True),
    )
    report.print_record(record(steps=steps), stream)
    assert stream.getvalue() == "# make \\\n      -j2\ndone\n(gdb) bt\n#0 main\n$ sleep 9 &\n"


def test_every_receiver_has_a_prompt():
    assert set(report.PROMPTS) == set(Where)
