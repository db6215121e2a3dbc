"""The graph's drawing: nothing is lost, nothing lies over anything else, every arrow leads to the right."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmdocs import graph
from kvmdocs.site_status.layout import GAP, LONG, bundle, columns_of, lay_out, lines_of


@st.composite
def graphs(draw):
    """A graph without circles: what a recipe builds on was named before it."""
    count = draw(st.integers(0, 16))
    return {
        f"recipe_{number}": tuple(
            f"recipe_{other}" for other in sorted(draw(st.sets(st.integers(0, number - 1), max_size=4)) if number else ())
        )
        for number in range(count)
    }


def below(inputs, name):
    """All that a recipe builds on, directly or not."""
    found = set()
    todo = [name]
    while todo:
        for other in inputs[todo.pop()]:
            if other not in found:
                found.add(other)
                todo.append(other)
    return found


@settings(max_examples=40)
@given(graphs())
def test_what_is_left_out_follows_from_what_is_left(inputs):
    left = graph.reduced(inputs)
    assert {name: below(left, name) for name in inputs} == {name: below(inputs, name) for name in inputs}
    for name, needed in left.items():
        # Not one of them can be spared as well.
        for spared in needed:
            without = {**left, name: tuple(other for other in needed if other != spared)}
            assert spared not in below(without, name)


@settings(max_examples=40)
@given(graphs())
def test_every_recipe_has_a_place_of_its_own(inputs):
    laid = lay_out(inputs)
    assert sorted(name for box in laid.boxes for name in box.names) == sorted(inputs)
    for one, other in combinations(laid.boxes, 2):
        beside = one.left + one.width <= other.left or other.left + other.width <= one.left
        over = one.top + one.height + GAP - 1e-6 <= other.top or other.top + other.height + GAP - 1e-6 <= one.top
        assert beside or over
    for box in laid.boxes:
        assert box.left >= 0
        assert box.top >= -1e-6
        assert box.left + box.width <= laid.width + 1e-6
        assert box.top + box.height <= laid.height + 1e-6


@settings(max_examples=40)
@given(graphs())
def test_arrows_lead_from_what_is_built_on_to_the_right_and_through_no_box(inputs):
    laid = lay_out(inputs)
    left = graph.reduced(inputs)
    drawn = {
        (other, name)
        for arrow in laid.arrows
        for other in laid.boxes[arrow.source].names
        for name in laid.boxes[arrow.target].names
    }
    assert drawn == {(other, name) for name, needed in left.items() for other in needed}
    for arrow in laid.arrows:
        source, target = laid.boxes[arrow.source], laid.boxes[arrow.target]
        assert arrow.points[0] == pytest.approx((source.left + source.width, source.middle))
        assert arrow.points[-1] == pytest.approx((target.left, target.middle))
        assert all(one[0] < other[0] for one, other in pairwise(arrow.points))
        # Where it passes a column it is level, and between the boxes.
        for (x, y), (to_x, to_y) in list(pairwise(arrow.points))[1::2]:
            assert y == to_y
            assert not any(box.left == x and box.top < y < box.top + box.height for box in laid.boxes)
            assert to_x > x


def test_recipes_with_the_same_neighbours_are_one_box():
    inputs = {"a": (), "b": (), "both": ("a", "b"), "c": (), "one": ("both",), "two": ("both",), "more": ("both", "c")}
    bundles, edges = bundle(inputs)
    assert bundles == [("a", "b"), ("both",), ("c",), ("one", "two"), ("more",)]
    assert sorted(edges) == [(0, 1), (1, 3), (1, 4), (2, 4)]


def test_what_little_hangs_on_stands_near_what_hangs_on_it():
    # 0 → 1 → 2 → 3, and 4 → 3: 4 stands beside 2 and not beside 0.
    assert columns_of(5, [(0, 1), (1, 2), (2, 3), (4, 3)]) == [0, 1, 2, 3, 2]


def test_a_long_name_is_broken_where_its_words_are():
    name = "step_virtqueue_flush_optimised"
    assert lines_of(name) == ("step_virtqueue_", "flush_optimised")
    assert lines_of("kvm_host") == ("kvm_host",)
    unbroken = "x" * (LONG + 8)
    assert lines_of(unbroken) == (unbroken,)
    assert lines_of(f"_{unbroken}_") == (f"_{unbroken}_",)


def test_nothing_to_draw():
    laid = lay_out({})
    assert (laid.boxes, laid.arrows, laid.width, laid.height) == ((), (), 0.0, 0.0)
    alone = lay_out({"one": (), "two": ()})
    assert [box.names for box in alone.boxes] == [("one", "two")]
