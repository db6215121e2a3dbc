"""Summary of the output of `make site` and `make test`."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

SUMMARY = re.compile(r"^recipes: (\d+) ran, (\d+) unchanged, (\d+) skipped, (\d+) failed", re.MULTILINE)
RECIPE = re.compile(r"^([✓✗-]) (\w+) +(?:(?:failed|skipped): )?(.*)$", re.MULTILINE)
"""Line that a build prints when a recipe ends."""
SKIPPED_RECIPE = re.compile(r"^  skipped (\w+): (.*)$", re.MULTILINE)
TESTS = re.compile(r"^(?:=+ )?((?:\d+ [a-z]+(?:, )?)+) in [\d.]+s(?: |$)", re.MULTILINE)
SKIPPED_TEST = re.compile(r"^SKIPPED \[(\d+)\] (\S+?):(?:\d+: )?(.*)$", re.MULTILINE)
BAD_TEST = re.compile(r"^((?:FAILED|ERROR) .*)$", re.MULTILINE)
LINE_LENGTH = 160
"""Maximum number of characters of a reason or a failure."""


@dataclass(frozen=True)
class Counts:
    """Results of the recipes or of the tests.

    Attributes:
        numbers: Number of items by result.
        reasons: Number of skipped items by reason.
        bad: One line for each failure.
    """

    numbers: dict[str, int] = field(default_factory=dict)
    reasons: dict[str, int] = field(default_factory=dict)
    bad: tuple[str, ...] = ()

    def lines(self, kind: str) -> list[str]:
        """Return the results as text lines."""
        lines = [f"  {kind:<9} {', '.join(f'{number} {name}' for name, number in self.numbers.items())}"]
        lines += [f"    {line[:LINE_LENGTH]}" for line in self.bad]
        return lines + [f"    {number} skipped: {reason[:LINE_LENGTH]}" for reason, number in self.reasons.items()]


@dataclass(frozen=True)
class Done:
    """Result of a command that was run in the machine.

    Attributes:
        command: The command line.
        status: Its exit status.
        seconds: Its duration.
        output: Its output.
    """

    command: str
    status: int
    seconds: float
    output: str

    def lines(self) -> list[str]:
        """Return the result as text lines."""
        lines = [f"{self.command}: exit status {self.status}, {self.seconds / 60:.1f} min"]
        for kind, counts in (("recipes", read_recipes(self.output)), ("tests", read_tests(self.output))):
            if counts is not None:
                lines += counts.lines(kind)
        return lines


def read_recipes(output: str) -> Counts | None:
    """Return the results of a build's recipes; None if the build ended before running any.

    A build with failed recipes may end without its summary. Then the lines printed at the end of each recipe are counted.
    """
    ended: dict[str, tuple[str, str]] = {name: (mark, text) for mark, name, text in RECIPE.findall(output)}
    bad = tuple(f"{name}: {text}" for name, (mark, text) in ended.items() if mark == "✗")
    reasons = Counter(text for mark, text in ended.values() if mark == "-")
    summaries = SUMMARY.findall(output)
    if summaries:
        ran, unchanged, skipped, failed = map(int, summaries[-1])
        numbers = {"passed": ran + unchanged, "failed": failed, "skipped": skipped}
        if unchanged:
            numbers["of which unchanged"] = unchanged
        reasons = Counter(dict(SKIPPED_RECIPE.findall(output)).values())
    elif ended:
        marks = Counter(mark for mark, _ in ended.values())
        numbers = {"passed": marks["✓"], "failed": marks["✗"], "skipped": marks["-"]}
    else:
        return None
    return Counts(numbers, dict(reasons.most_common()), bad)


def read_tests(output: str) -> Counts | None:
    """Return the results of the tests; None if pytest did not finish."""
    totals = TESTS.findall(output)
    if not totals:
        return None
    numbers = {name: int(number) for number, name in re.findall(r"(\d+) ([a-z]+)", totals[-1])}
    # Some tests run pytest, and their failures print its output. Only the text after the last heading belongs to this run.
    output = output[max(0, output.rfind("short test summary info")) :]
    reasons: Counter[str] = Counter()
    for number, _, reason in SKIPPED_TEST.findall(output):
        reasons[reason] += int(number)
    return Counts(numbers, dict(reasons.most_common()), tuple(BAD_TEST.findall(output)))
