"""The graph of recipes: what must run before what. The signatures are the graph, and nothing else is."""

from __future__ import annotations

import graphlib
from collections.abc import Callable, Iterable, Mapping

from kvmdocs.errors import CatalogError, Evidence


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


def in_order(graph: dict[str, tuple[str, ...]]) -> list[str]:
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


def urgency(graph: dict[str, tuple[str, ...]], cost: Callable[[str], float]) -> dict[str, float]:
    """How much work hangs on each recipe: its own cost and the longest chain of recipes that wait for it.

    Starting the most urgent recipe first keeps the last one from being a long one.

    Args:
        graph: What `closure` gave.
        cost: Seconds a recipe takes.
    """
    waiting: dict[str, list[str]] = {name: [] for name in graph}
    for name, needed in graph.items():
        for other in needed:
            waiting[other].append(name)
    found: dict[str, float] = {}
    for name in reversed(in_order(graph)):
        found[name] = cost(name) + max((found[later] for later in waiting[name]), default=0.0)
    return found


def reduced(graph: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The graph without what follows from the rest: where one builds on another by way of a third, only the way is left.

    Args:
        graph: What `closure` gave; without a circle.
    """
    below: dict[str, set[str]] = {}
    left: dict[str, tuple[str, ...]] = {}
    for name in in_order(dict(graph)):
        implied = set().union(*(below[other] for other in graph[name]))
        left[name] = tuple(other for other in graph[name] if other not in implied)
        below[name] = implied | set(graph[name])
    return left
