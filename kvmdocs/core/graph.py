"""The graph of recipes: what must run before what. The signatures are the graph, and nothing else is."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from kvmdocs.core.errors import CatalogError, Evidence


def closure(names: Iterable[str], inputs: Callable[[str], Iterable[str]]) -> dict[str, tuple[str, ...]]:
    """The recipes of these names with all they build on.

    Args:
        names: Where to begin.
        inputs: Names of what a recipe builds on.

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
    """All recipes, each after what it builds on.

    Raises:
        CatalogError: Recipes build on each other in a circle.
    """
    try:
        return list(graphlib.TopologicalSorter(graph).static_order())
    except graphlib.CycleError as error:
        circle = list(reversed(error.args[1]))
        raise CatalogError(
            f"recipes build on each other in a circle: {' → '.join(circle)}",
            Evidence(recipe=circle[0], advice="take one of these parameters out of its recipe's signature"),
        ) from None


def dependents(graph: Mapping[str, tuple[str, ...]]) -> dict[str, list[str]]:
    """The graph the other way round: for each recipe those that directly build on it, in the graph's order."""
    later: dict[str, list[str]] = {name: [] for name in graph}
    for name, needed in graph.items():
        for other in needed:
            later[other].append(name)
    return later


def critical_path(graph: dict[str, tuple[str, ...]], cost: Callable[[str], float]) -> dict[str, float]:
    """How much work hangs on each recipe: its own cost and the longest chain of recipes that wait for it.

    Starting the most urgent recipe first keeps the last one from being a long one.

    Args:
        graph: What `closure` gave.
        cost: Seconds a recipe takes.
    """
    waiting = dependents(graph)
    found: dict[str, float] = {}
    for name in reversed(topological_order(graph)):
        found[name] = cost(name) + max((found[later] for later in waiting[name]), default=0.0)
    return found


@dataclass(frozen=True)
class Branch:
    """A row of a graph that is written as a tree.

    Attributes:
        name: What it shows.
        depth: How many rows it is below the first of its tree, each by one step further in.
        above: The row it hangs on, by its number; None for the first of a tree.
        again: True if the name hangs elsewhere with all that follows from it, and is only mentioned here.
    """

    name: str
    depth: int
    above: int | None
    again: bool


def as_tree(graph: Mapping[str, tuple[str, ...]]) -> list[Branch]:
    """The graph as a tree, row by row.

    What builds on several hangs on the one that has the longest way behind it; at the others it is mentioned.

    Args:
        graph: What `closure` gave, in the order in which things that have the same rank shall stand.

    Raises:
        graphlib.CycleError: There is a circle.
    """
    far: dict[str, int] = {}
    for name in graphlib.TopologicalSorter(graph).static_order():
        far[name] = max((far[other] + 1 for other in graph[name]), default=0)
    home = {name: max(needed, key=far.__getitem__) for name, needed in graph.items() if needed}
    later = dependents(graph)
    found: list[Branch] = []
    waiting = [Branch(name, 0, None, again=False) for name in reversed(list(graph)) if name not in home]
    while waiting:
        row = waiting.pop()
        if not row.again:
            hanging = [
                Branch(name, row.depth + 1, len(found), again=home[name] != row.name) for name in reversed(later[row.name])
            ]
            waiting += sorted(hanging, key=lambda one: one.again)  # what is only mentioned comes first
        found.append(row)
    return found
