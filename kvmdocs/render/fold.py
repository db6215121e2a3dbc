"""Folding of long output: selects the visible lines and groups the others for folding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_MIN_FOLDED = 4
"""The least number of lines to fold. Fewer would save nothing: the summary line takes space, too."""


T = TypeVar("T")


@dataclass(frozen=True)
class LineGroup(Generic[T]):
    """Consecutive lines that are all visible or all folded.

    Attributes:
        lines: The lines.
        folded: True if the lines are hidden until the reader unfolds them.
    """

    lines: tuple[T, ...]
    folded: bool


def fold(lines: Sequence[T], keep: Sequence[bool], first: int, last: int) -> list[LineGroup[T]]:
    """Group lines into visible and folded groups.

    Args:
        lines: The lines.
        keep: For each line, whether it is always visible, because it has a note or is highlighted.
        first: The number of visible lines at the beginning.
        last: The number of visible lines at the end.
    """
    visible = [flag or number < first or number >= len(lines) - last for number, flag in enumerate(keep)]
    for start, end in _gaps(visible):
        if end - start < _MIN_FOLDED:
            visible[start:end] = [True] * (end - start)
    groups: list[LineGroup[T]] = []
    start = 0
    for end in range(1, len(lines) + 1):
        if end == len(lines) or visible[end] != visible[start]:
            groups.append(LineGroup(tuple(lines[start:end]), not visible[start]))
            start = end
    return groups


def _gaps(visible: Sequence[bool]) -> list[tuple[int, int]]:
    """Return the start and end indices of each run of hidden lines; the end is exclusive."""
    gaps: list[tuple[int, int]] = []
    for number, flag in enumerate(visible):
        if flag:
            continue
        if gaps and gaps[-1][1] == number:
            gaps[-1] = (gaps[-1][0], number + 1)
        else:
            gaps.append((number, number + 1))
    return gaps
