"""The graph of recipes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.core import graph
from kvmdocs.core.errors import CatalogError

# Recipes are numbers, and each builds on smaller ones only, so there is no cycle.
GRAPHS = st.integers(1, 12).flatmap(
    lambda size: st.tuples(*(st.sets(st.integers(0, max(0, number - 1)), max_size=3) for number in range(size))).map(
        lambda needs: {
            str(number): tuple(str(other) for other in sorted(others) if other < number) for number, others in enumerate(needs)
        }
    )
)


def test_only_what_is_needed_is_in_the_closure():
    inputs = {"a": (), "b": ("a",), "c": ("a", "b"), "d": ("c",)}
    assert graph.closure(["c"], inputs.__getitem__) == {"a": (), "b": ("a",), "c": ("a", "b")}
    assert graph.closure([], inputs.__getitem__) == {}


@given(GRAPHS)
def test_everything_comes_after_what_it_builds_on(needs):
    order = graph.topological_order(needs)
    assert sorted(order) == sorted(needs)
    for name, others in needs.items():
        assert all(order.index(other) < order.index(name) for other in others)


@given(GRAPHS, st.data())
def test_urgency_grows_along_every_chain(needs, data):
    costs = {name: data.draw(st.floats(0.5, 100)) for name in needs}
    found = graph.critical_path(needs, costs.__getitem__)
    for name, others in needs.items():
        assert found[name] >= costs[name]
        assert all(found[other] >= found[name] + costs[other] for other in others)
    last = [name for name in needs if not any(name in others for others in needs.values())]
    assert all(found[name] == costs[name] for name in last)


@pytest.mark.parametrize(
    ("needs", "said"),
    [
        ({"a": ("a",)}, "a → a"),
        ({"a": ("b",), "b": ("c",), "c": ("a",), "d": ()}, "→ a|→ b|→ c"),
    ],
)
def test_a_circle_is_named_with_what_to_do(needs, said):
    with pytest.raises(CatalogError, match=said) as raised:
        graph.topological_order(needs)
    assert raised.value.evidence.recipe in needs
    assert "signature" in raised.value.evidence.advice


@given(GRAPHS)
def test_a_tree_has_everything_once_and_each_edge_once(needs):
    rows = graph.as_tree(needs)
    assert sorted(row.name for row in rows if not row.again) == sorted(needs)
    above = [(rows[row.above].name, row.name) for row in rows if row.above is not None]
    assert sorted(above) == sorted((other, name) for name, others in needs.items() for other in others)
    for number, row in enumerate(rows):
        if row.above is None:
            assert (row.depth, row.again) == (0, False)
        else:
            assert row.above < number
            assert not rows[row.above].again
            assert row.depth == rows[row.above].depth + 1
            # Whatever stands between hangs on the same row, or below it.
            assert all(one.depth >= row.depth for one in rows[row.above + 1 : number])


def test_what_builds_on_several_hangs_on_the_one_with_the_longest_way_behind_it():
    needs = {"a": (), "b": ("a",), "c": ("a", "b"), "d": ()}
    rows = graph.as_tree(needs)
    assert [(row.name, row.depth, row.again) for row in rows] == [
        ("a", 0, False),
        ("c", 1, True),
        ("b", 1, False),
        ("c", 2, False),
        ("d", 0, False),
    ]
