"""Dependency graph of recipes. It is derived from the recipes' signatures alone."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kvmdocs.core.errors import CatalogError, Evidence


def closure(names: Iterable[str], inputs: Callable[[str], Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """Return the graph of some recipes and everything they build on.

    Args:
        names: The recipes to start from.
        inputs: Returns the names of a recipe's inputs.

    Returns:
        For each recipe the recipes it directly builds on.
    """
    graph: dict[str, tuple[str, ...]] = {}
    todo = list(names)
    while todo:
        name = todo.pop()
        if name not in graph:
            graph[name] = tuple(inputs(name))
            todo.extend(graph[name])
    return graph


def topological_order(graph: dict[str, tuple[str, ...]]) -> list[str]:
    """Return all recipes, each after those it builds on.

    Raises:
        CatalogError: The graph has a cycle.
    """
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        cycle = list(reversed(error.args[1]))
        raise CatalogError(
            f"recipes build on each other in a circle: {' → '.join(cycle)}",
            Evidence(recipe=cycle[0], advice="remove one of these parameters from its recipe's signature"),
        ) from None


def dependents(graph: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """Return the reverse graph: for each recipe those that directly build on it, in the graph's order."""
    later: dict[str, list[str]] = {name: [] for name in graph}
    for name, needed in graph.items():
        for other in needed:
            later[other].append(name)
    return later


def critical_path(graph: dict[str, tuple[str, ...]], cost: Callable[[str], float]) -> dict[str, float]:
    """Return for each recipe its cost plus that of the longest chain of recipes that wait for it.

    A scheduler that starts the recipe with the largest value first avoids ending with a long one.

    Args:
        graph: Result of `closure`.
        cost: Returns the seconds that a recipe takes.
    """
    waiting = dependents(graph)
    costs: dict[str, float] = {}
    for name in reversed(topological_order(graph)):
        costs[name] = cost(name) + max((costs[later] for later in waiting[name]), default=0.0)
    return costs


@dataclass(frozen=True)
class Branch:
    """Row of a graph that is written as a tree.

    Attributes:
        name: Name of the recipe.
        depth: Level of indentation; 0 for the root of a tree.
        above: Number of the parent's row; None for a root.
        again: True if the name has its own subtree elsewhere and is only mentioned here.
    """

    name: str
    depth: int
    above: int | None
    again: bool


def as_tree(graph: Mapping[str, tuple[str, ...]]) -> list[Branch]:
    """Return the graph as a tree, row by row.

    A recipe with several inputs is placed below the one with the longest chain of inputs, and mentioned below the others.

    Args:
        graph: Result of `closure`; its order decides between recipes of the same rank.

    Raises:
        graphlib.CycleError: The graph has a cycle.
    """
    rank: dict[str, int] = {}
    for name in graphlib.TopologicalSorter(graph).static_order():
        rank[name] = max((rank[other] + 1 for other in graph[name]), default=0)
    parent = {name: max(needed, key=rank.__getitem__) for name, needed in graph.items() if needed}
    later = dependents(graph)
    rows: list[Branch] = []
    waiting = [Branch(name, 0, None, again=False) for name in reversed(list(graph)) if name not in parent]
    while waiting:
        row = waiting.pop()
        if not row.again:
            children = [
                Branch(name, row.depth + 1, len(rows), again=parent[name] != row.name) for name in reversed(later[row.name])
            ]
            waiting += sorted(children, key=lambda one: one.again)  # a stack: mentions are written last
        rows.append(row)
    return rows
