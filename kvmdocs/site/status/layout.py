"""Where each recipe stands in the drawing of the graph.

Recipes with the same neighbours are drawn as one box of several lines, and arrows that follow from others are left out: so a graph of many recipes is still
one that a reader can follow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from kvmdocs.core import graph
from kvmdocs.figures import layered

Point = tuple[float, float]
"""Across and down, in pixels."""

LINE = 18.0
"""Height of a line in a box, in pixels; all further lengths are in pixels too."""
PAD = 5.0
"""Between a box's edge and its lines, above and below."""
CHARACTER = 7.26
"""Width of a character of a name, in the site's font for code at 12 pixels."""
BESIDE = 27.0
"""What a line needs beside its name: the mark before it and the room on both sides."""
GAP = 12.0
"""Between two boxes of a column."""
LONG = 15
"""Characters from which a name is written on two lines."""

_SPACING = {
    "layer_gap": 16,
    "node_gap": GAP,
    "dummy_gap": 8,
    "isolated_gap": GAP,
    "port_gap": 6,
    "port_stroke_clear": 3,
    "stub": 8,
}
_ROUTING = {"port_sides": "facing_only"}


@dataclass(frozen=True)
class RecipeGroup:
    """Recipes that have the same neighbours.

    Attributes:
        names: The recipes.
        left: Its left edge.
        top: Its upper edge.
        width: Its width.
        height: Its height.
    """

    names: tuple[str, ...]
    left: float
    top: float
    width: float
    height: float


@dataclass(frozen=True)
class Arrow:
    """From a box to one that builds on it.

    Attributes:
        source: Where it comes from, as a place in `GraphLayout.boxes`.
        target: Where it leads.
        points: The way: from the right edge of the one to the left edge of the other, in level and upright pieces.
    """

    source: int
    target: int
    points: tuple[Point, ...]


@dataclass(frozen=True)
class GraphLayout:
    """The whole drawing.

    Attributes:
        boxes: The boxes.
        arrows: The arrows.
        width: Its width.
        height: Its height.
    """

    boxes: tuple[RecipeGroup, ...]
    arrows: tuple[Arrow, ...]
    width: float
    height: float


def lay_out(inputs: Mapping[str, tuple[str, ...]]) -> GraphLayout:
    """Find a place for every recipe.

    Args:
        inputs: What each recipe builds on; without a circle.
    """
    bundles, edges = bundle(graph.transitive_reduction(inputs))
    if not bundles:
        return GraphLayout((), (), 0.0, 0.0)
    drawn = layered.Graph()
    for number, names in enumerate(bundles):
        drawn.node(number, width=_width(names), height=_height(names))
    for source, target in edges:
        drawn.edge(source, target)
    placed = layered.place(drawn, across=True, spacing=_SPACING, routing=_ROUTING)
    boxes = tuple(RecipeGroup(names, *corner, *size) for names, (corner, size) in zip(bundles, placed.boxes, strict=True))
    arrows = tuple(Arrow(*edge, way) for edge, way in zip(edges, placed.ways, strict=True))
    return GraphLayout(boxes, arrows, *placed.size)


def bundle(inputs: Mapping[str, tuple[str, ...]]) -> tuple[list[tuple[str, ...]], list[tuple[int, int]]]:
    """Put recipes with the same neighbours together.

    Returns:
        The bundles, and the edges between them as pairs of places in that list, from what is built on to what builds on it.
    """
    later = graph.dependents(inputs)
    alike: dict[object, list[str]] = {}
    for name, needed in inputs.items():
        # What has no neighbours at all has nothing in common.
        which = (frozenset(needed), frozenset(later[name])) if needed or later[name] else ("alone",)
        alike.setdefault(which, []).append(name)
    bundles = [tuple(names) for names in alike.values()]
    where = {name: number for number, names in enumerate(bundles) for name in names}
    edges = {(where[other], where[name]): None for name, needed in inputs.items() for other in needed}
    return bundles, list(edges)


def lines_of(name: str) -> tuple[str, ...]:
    """A name as the lines that it is written on: one, or two for a long one, which would make its whole column wide."""
    breaks = [place + 1 for place, letter in enumerate(name) if letter == "_" and 0 < place < len(name) - 1]
    if len(name) <= LONG or not breaks:
        return (name,)
    best = min(breaks, key=lambda place: max(place, len(name) - place))
    return name[:best], name[best:]


def _height(names: Sequence[str]) -> float:
    return sum(len(lines_of(name)) for name in names) * LINE + 2 * PAD


def _width(names: Sequence[str]) -> float:
    return max(len(line) for name in names for line in lines_of(name)) * CHARACTER + BESIDE
