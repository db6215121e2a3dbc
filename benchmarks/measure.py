"""Comparison of two measurements on a noisy machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """Ratio of two medians.

    Attributes:
        name: Name of the measurement.
        ours: Median in seconds.
        baseline: Median of the baseline in seconds.
        aim: Target: the largest acceptable ratio.
    """

    name: str
    ours: float
    baseline: float
    aim: float

    def line(self) -> str:
        """Return the result as one line of text."""
        ratio = self.ours / self.baseline
        verdict = "as aimed" if ratio <= self.aim else "MISSED"
        return (
            f"{self.name:<44} {ratio:5.2f} times  (aim {self.aim:.2f}, {verdict}; {self.ours:.2f} s to {self.baseline:.2f} s)"
        )


def side_by_side(name: str, ours: Callable[[], None], baseline: Callable[[], None], *, rounds: int, aim: float) -> Ratio:
    """Time two functions in turns, so that other work on the machine affects both, and compare their medians."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        # The order alternates, so that neither always profits from caches that the other has filled.
        for which in (0, 1) if number % 2 else (1, 0):
            began = time.monotonic()
            (ours, baseline)[which]()
            times[which].append(time.monotonic() - began)
    return Ratio(name, statistics.median(times[0]), statistics.median(times[1]), aim)
