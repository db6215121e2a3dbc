from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.render.fold import LineGroup, fold


def test_beginning_and_end_are_seen_and_the_middle_folded() -> None:
    assert fold(range(20), [False] * 20, 3, 2) == [
        LineGroup((0, 1, 2), False),
        LineGroup(tuple(range(3, 18)), True),
        LineGroup((18, 19), False),
    ]


def test_a_kept_line_cuts_the_fold() -> None:
    keep = [number == 10 for number in range(20)]
    assert [piece.folded for piece in fold(range(20), keep, 2, 2)] == [False, True, False, True, False]


def test_a_few_lines_are_not_worth_hiding() -> None:
    assert fold(range(8), [False] * 8, 3, 2) == [LineGroup(tuple(range(8)), False)]


def test_everything_can_be_folded() -> None:
    assert fold(range(9), [False] * 9, 0, 0) == [LineGroup(tuple(range(9)), True)]


@given(st.lists(st.booleans(), max_size=60), st.integers(0, 30), st.integers(0, 30))
def test_no_line_is_lost_and_kept_ones_are_seen(keep: list[bool], first: int, last: int) -> None:
    pieces = fold(range(len(keep)), keep, first, last)
    assert [line for piece in pieces for line in piece.lines] == list(range(len(keep)))
    assert all(not (piece.folded and keep[line]) for piece in pieces for line in piece.lines)
    assert all(one.folded != next_.folded for one, next_ in pairwise(pieces))
