"""Measuring two things side by side on a noisy machine."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ratio:
    """Two medians.

    Attributes:
        name: What was measured.
        ours: Seconds, the median.
        baseline: Seconds of the baseline, the median.
        aim: The ratio that is aimed at.
    """

    name: str
    ours: float
    baseline: float
    aim: float

    def line(self) -> str:
        """For a terminal."""
        ratio = self.ours / self.baseline
        verdict = "as aimed" if ratio <= self.aim else "MISSED"
        return (
            f"{self.name:<44} {ratio:5.2f} times  (aim {self.aim:.2f}, {verdict}; {self.ours:.2f} s to {self.baseline:.2f} s)"
        )


def side_by_side(name: str, ours: Callable[[], None], baseline: Callable[[], None], *, rounds: int, aim: float) -> Ratio:
    """Time two things in turns, so that what else the machine does hits both, and compare their medians."""
    times: tuple[list[float], list[float]] = ([], [])
    for number in range(rounds):
        # The order changes with each round, so that neither always runs on what the other left warm.
        for which in (0, 1) if number % 2 else (1, 0):
            began = time.monotonic()
            (ours, baseline)[which]()
            times[which].append(time.monotonic() - began)
    return Ratio(name, statistics.median(times[0]), statistics.median(times[1]), aim)
