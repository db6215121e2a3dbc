"""The graph's drawing: nothing is lost, nothing lies over anything else, every arrow leads to the right."""

from __future__ import annotations

from itertools import combinations, pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kvmdocs.core import graph
from kvmdocs.site.status.layout import GAP, LONG, bundle, lay_out, lines_of


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


def crosses(box, one, other):
    """Whether a piece of a way leads through a box, not only along its edge: the part of it between two edges is also between the other two."""
    enter, leave = 0.0, 1.0
    for axis, low, high in ((0, box.left, box.left + box.width), (1, box.top, box.top + box.height)):
        start, way = one[axis], other[axis] - one[axis]
        if abs(way) < 1e-6:
            if not low + 1e-6 < start < high - 1e-6:
                return False
            continue
        first, last = sorted(((low - start) / way, (high - start) / way))
        enter, leave = max(enter, first), min(leave, last)
    return enter + 1e-6 < leave


def on_border(box, point):
    across, down = point[0] - box.left, point[1] - box.top
    assert -1e-6 <= across <= box.width + 1e-6
    assert -1e-6 <= down <= box.height + 1e-6
    return min(across, box.width - across, down, box.height - down) == pytest.approx(0, abs=1e-6)


@settings(max_examples=40)
@given(graphs())
def test_what_is_left_out_follows_from_what_is_left(inputs):
    left = graph.transitive_reduction(inputs)
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
    left = graph.transitive_reduction(inputs)
    drawn = {
        (other, name)
        for arrow in laid.arrows
        for other in laid.boxes[arrow.source].names
        for name in laid.boxes[arrow.target].names
    }
    assert drawn == {(other, name) for name, needed in left.items() for other in needed}
    for arrow in laid.arrows:
        source, target = laid.boxes[arrow.source], laid.boxes[arrow.target]
        assert on_border(source, arrow.points[0])
        assert on_border(target, arrow.points[-1])
        assert source.left + source.width <= target.left
        for one, other in pairwise(arrow.points):
            assert one[0] <= other[0] + 1e-6, "never back to the left"
            assert not [box for box in laid.boxes if crosses(box, one, other)]


def test_recipes_with_the_same_neighbours_are_one_box():
    inputs = {"a": (), "b": (), "both": ("a", "b"), "c": (), "one": ("both",), "two": ("both",), "more": ("both", "c")}
    bundles, edges = bundle(inputs)
    assert bundles == [("a", "b"), ("both",), ("c",), ("one", "two"), ("more",)]
    assert sorted(edges) == [(0, 1), (1, 3), (1, 4), (2, 4)]


def test_a_long_name_is_broken_where_its_words_are():
    name = "step_virtqueue_flush_optimised"
    assert lines_of(name) == ("step_virtqueue_", "flush_optimised")
    assert lines_of("kvm_host") == ("kvm_host",)
    unbroken = "x" * (LONG + 8)
    assert lines_of(unbroken) == (unbroken,)
    assert lines_of(f"_{unbroken}_") == (f"_{unbroken}_",)


def test_a_way_through_a_box_is_found():
    box = lay_out({"one": ()}).boxes[0]
    right, low = box.left + box.width, box.top + box.height
    middle = box.top + box.height / 2
    assert crosses(box, (box.left - 5, middle), (right + 5, middle))
    assert crosses(box, (box.left - 5, box.top - 5), (right + 5, low + 5))
    assert not crosses(box, (box.left - 5, box.top), (right + 5, box.top)), "along its edge"
    assert not crosses(box, (box.left - 9, low), (box.left, low + 9))
    assert not on_border(box, (box.left + 3, middle))


def test_nothing_to_draw():
    laid = lay_out({})
    assert (laid.boxes, laid.arrows, laid.width, laid.height) == ((), (), 0.0, 0.0)
    alone = lay_out({"one": (), "two": ()})
    assert [box.names for box in alone.boxes] == [("one", "two")]
