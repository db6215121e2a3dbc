"""Layered layout of graphs with graphlay, which takes the size and nesting of nodes into account.

graphlay is young and its options may change, so only this module calls it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import graphlay
from graphlay import Graph

from kvmdocs.figures.canvas import Point

__all__ = ["Graph", "Placed", "place"]


@dataclass(frozen=True)
class Placed:
    """The layout of a graph. All lengths are in pixels.

    Attributes:
        boxes: The upper left corner and the size of each node, in the order in which the nodes were added.
        ways: The points of each edge, in the order in which the edges were added, from the border of one node to that of the
            other.
        size: The width and height of the whole, including the margin.
    """

    boxes: tuple[tuple[Point, Point], ...]
    ways: tuple[tuple[Point, ...], ...]
    size: Point


def place(graph: Graph, *, across: bool, spacing: Mapping[str, float], margin: float = 0.0) -> Placed:
    """Lay out a graph.

    Args:
        graph: The graph; sizes are in pixels.
        across: True if edges go to the right, False if they go down.
        spacing: graphlay's option `spacing`: distances in pixels by name.
        margin: The margin around the whole, in pixels.
    """
    options = {"direction": "leftright" if across else "topbottom", "spacing": dict(spacing)}
    layout = graphlay.layout(graph, options=options)
    low, high = layout.bounds["min"], layout.bounds["max"]

    def moved(point: Mapping[str, float]) -> Point:
        return point["x"] - low["x"] + margin, point["y"] - low["y"] + margin

    def box(node: Mapping[str, Any]) -> tuple[Point, Point]:
        wide, tall = node["size"]["width"], node["size"]["height"]
        x, y = moved(node["center"])
        return (x - wide / 2, y - tall / 2), (wide, tall)

    return Placed(
        tuple(box(node) for node in layout.nodes),
        tuple(tuple(moved(point) for point in edge["points"]) for edge in layout.edges),
        (high["x"] - low["x"] + 2 * margin, high["y"] - low["y"] + 2 * margin),
    )
