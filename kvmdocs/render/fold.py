"""Which lines of a long output are seen at once, which unfold, and which are only in the log."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

_SHORT = 4
"""Fewer lines than this are not worth hiding: the line that says so takes as much room."""


T = TypeVar("T")


@dataclass(frozen=True)
class LineGroup(Generic[T]):
    """Neighbouring lines that are treated alike.

    Attributes:
        lines: The lines.
        folded: True when they unfold on demand.
    """

    lines: tuple[T, ...]
    folded: bool


def fold(lines: Sequence[T], keep: Sequence[bool], first: int, last: int) -> list[LineGroup[T]]:
    """Cut lines into pieces that are seen and pieces that are folded away.

    Args:
        lines: The lines.
        keep: For each line, whether it is seen wherever it stands (it carries a note or a mark).
        first: Lines seen at the beginning.
        last: Lines seen at the end.
    """
    seen = [flag or number < first or number >= len(lines) - last for number, flag in enumerate(keep)]
    for begin, end in _gaps(seen):
        if end - begin < _SHORT:
            seen[begin:end] = [True] * (end - begin)
    pieces: list[LineGroup[T]] = []
    begin = 0
    for end in range(1, len(lines) + 1):
        if end == len(lines) or seen[end] != seen[begin]:
            pieces.append(LineGroup(tuple(lines[begin:end]), not seen[begin]))
            begin = end
    return pieces


def _gaps(seen: Sequence[bool]) -> list[tuple[int, int]]:
    """Begin and end of each stretch of lines that are not seen."""
    gaps: list[tuple[int, int]] = []
    for number, flag in enumerate(seen):
        if flag:
            continue
        if gaps and gaps[-1][1] == number:
            gaps[-1] = (gaps[-1][0], number + 1)
        else:
            gaps.append((number, number + 1))
    return gaps
