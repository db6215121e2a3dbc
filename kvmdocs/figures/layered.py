"""Places for boxes and ways for lines, in layers that all lines cross in one direction. The layout is graphlay's, which knows how large each box is and what lies in it.

graphlay is young and its options may change: this is the one module that calls it.
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
    """A graph that has its places; all lengths are in pixels.

    Attributes:
        boxes: Of each node, in the order in which they were added, its upper left corner and its size.
        ways: Of each edge, in that order, the points of its way, from the border of the one node to that of the other.
        size: How wide and how high all of it is, with the margin.
    """

    boxes: tuple[tuple[Point, Point], ...]
    ways: tuple[tuple[Point, ...], ...]
    size: Point


def place(graph: Graph, *, across: bool, spacing: Mapping[str, float], margin: float = 0.0) -> Placed:
    """Find a place for each node and a way for each edge.

    Args:
        graph: The graph; sizes are in pixels.
        across: True if edges lead to the right, else they lead down.
        spacing: What room there is between what, by graphlay's names for it.
        margin: What room there is around all of it.
    """
    options = {"direction": "leftright" if across else "topbottom", "spacing": dict(spacing)}
    laid = graphlay.layout(graph, options=options)
    low, high = laid.bounds["min"], laid.bounds["max"]

    def moved(point: Mapping[str, float]) -> Point:
        return point["x"] - low["x"] + margin, point["y"] - low["y"] + margin

    def box(node: Mapping[str, Any]) -> tuple[Point, Point]:
        wide, tall = node["size"]["width"], node["size"]["height"]
        x, y = moved(node["center"])
        return (x - wide / 2, y - tall / 2), (wide, tall)

    return Placed(
        tuple(box(node) for node in laid.nodes),
        tuple(tuple(moved(point) for point in edge["points"]) for edge in laid.edges),
        (high["x"] - low["x"] + 2 * margin, high["y"] - low["y"] + 2 * margin),
    )
