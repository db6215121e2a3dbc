"""Read the output of `make site` and `make test`, and tell what came of both."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

SUMMARY = re.compile(r"^recipes: (\d+) ran, (\d+) unchanged, (\d+) skipped, (\d+) failed", re.MULTILINE)
RECIPE = re.compile(r"^([✓✗-]) (\w+) +(?:(?:failed|skipped): )?(.*)$", re.MULTILINE)
"""A recipe that ended, in the lines a build prints while it runs."""
SKIPPED_RECIPE = re.compile(r"^  skipped (\w+): (.*)$", re.MULTILINE)
TESTS = re.compile(r"^(?:=+ )?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s(?: |$)", re.MULTILINE)
SKIPPED_TEST = re.compile(r"^SKIPPED \[(\d+)\] (\S+?):(?:\d+: )?(.*)$", re.MULTILINE)
BAD_TEST = re.compile(r"^((?:FAILED|ERROR) .*)$", re.MULTILINE)
SHOWN = 160
"""Characters of a reason or a failure that are shown."""


@dataclass(frozen=True)
class Counts:
    """What of one kind passed, failed and was skipped.

    Attributes:
        numbers: How many, by what became of them.
        reasons: How many were skipped for each reason.
        bad: A line for each that failed.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    bad: tuple[str, ...] = ()

    def lines(self, kind: str) -> list[str]:
        """For a terminal."""
        lines = [f"  {kind:<9} {', '.join(f'{number} {name}' for name, number in self.numbers.items())}"]
        lines += [f"    {line[:SHOWN]}" for line in self.bad]
        return lines + [f"    {number} skipped: {reason[:SHOWN]}" for reason, number in self.reasons.items()]


@dataclass(frozen=True)
class Done:
    """A command that was run in the machine.

    Attributes:
        command: What was typed.
        status: Its exit status.
        seconds: How long it took.
        output: What it printed.
    """

    command: str
    status: int
    seconds: float
    output: str

    def lines(self) -> list[str]:
        """What came of it, for a terminal."""
        lines = [f"{self.command}: exit status {self.status}, {self.seconds / 60:.1f} min"]
        for kind, counts in (("recipes", read_recipes(self.output)), ("tests", read_tests(self.output))):
            if counts is not None:
                lines += counts.lines(kind)
        return lines


def read_recipes(output: str) -> Counts | None:
    """What became of the recipes of a build; None if it did not come to them.

    A build whose recipes failed may end without its summary: then what it printed as each recipe ended is counted.
    """
    ended: dict[str, tuple[str, str]] = {name: (mark, said) for mark, name, said in RECIPE.findall(output)}
    bad = tuple(f"{name}: {said}" for name, (mark, said) in ended.items() if mark == "✗")
    reasons = Counter(said for mark, said in ended.values() if mark == "-")
    summaries = SUMMARY.findall(output)
    if summaries:
        ran, unchanged, skipped, failed = map(int, summaries[-1])
        numbers = {"passed": ran + unchanged, "failed": failed, "skipped": skipped}
        if unchanged:
            numbers["of them not run again"] = unchanged
        reasons = Counter(said for _, said in dict(SKIPPED_RECIPE.findall(output)).items())
    elif ended:
        marks = Counter(mark for mark, _ in ended.values())
        numbers = {"passed": marks["✓"], "failed": marks["✗"], "skipped": marks["-"]}
    else:
        return None
    return Counts(numbers, dict(reasons.most_common()), bad)


def read_tests(output: str) -> Counts | None:
    """What became of the tests; None if pytest did not come to its end."""
    totals = TESTS.findall(output)
    if not totals:
        return None
    numbers = {name: int(number) for number, name in re.findall(r"(\d+) ([a-z]+)", totals[-1])}
    # Tests run pytest, too, and a failure prints what that said: only what stands behind the last heading is the run's own.
    output = output[max(0, output.rfind("short test summary info")) :]
    reasons: Counter[str] = Counter()
    for number, _, reason in SKIPPED_TEST.findall(output):
        reasons[reason] += int(number)
    return Counts(numbers, dict(reasons.most_common()), tuple(BAD_TEST.findall(output)))
