"""Tree layout of a graph, one indented node per row, for narrow pages on which no layered layout fits."""

from __future__ import annotations

import graphlib
from collections.abc import Sequence

from kvmdocs.core import graph
from kvmdocs.figures.boxes import Box, Node
from kvmdocs.figures.canvas import LINE_HEIGHT, SMALL, Canvas, Point
from kvmdocs.figures.measure import wrap

INDENT = 20.0
"""Indentation per level, in pixels."""

_TRUNK = 9.0
_GAP = 9.0
_MARGIN = 2.0


def outline(nodes: Sequence[Node], edges: Sequence[tuple[str, str]], width: float) -> Canvas | None:
    """Draw nodes in rows, each below its predecessor.

    A node with several predecessors is drawn below the one on the longest path; below the others there is a reference with its
    name.

    Args:
        nodes: The nodes.
        edges: The source and target key of each edge.
        width: The width of the drawing, in pixels.

    Returns:
        The drawing; None if the graph has a cycle.
    """
    by_key = {node.key: node for node in nodes}
    try:
        rows = graph.as_tree({key: tuple({source: None for source, target in edges if target == key}) for key in by_key})
    except graphlib.CycleError:
        return None
    boxes = [None if row.again else Box(by_key[row.name], width - row.depth * INDENT - 2 * _MARGIN - 26) for row in rows]
    names = [
        wrap(f"→ {by_key[row.name].name}", width - row.depth * INDENT - 2 * _MARGIN, SMALL) if row.again else [] for row in rows
    ]
    tall = [box.size[1] if box else len(name) * SMALL * LINE_HEIGHT for box, name in zip(boxes, names, strict=True)]
    tops = [_MARGIN + sum(tall[:number]) + _GAP * number for number in range(len(rows))]
    canvas = Canvas(width, tops[-1] + tall[-1] + _MARGIN)
    for number, row in enumerate(rows):
        x, middle = _MARGIN + row.depth * INDENT, tops[number] + tall[number] / 2
        if row.above is not None:
            trunk = _MARGIN + rows[row.above].depth * INDENT + _TRUNK
            way: list[Point] = [(trunk, tops[row.above] + tall[row.above]), (trunk, middle), (x, middle)]
            canvas.arrow(way, "pic-line pic-dash" if row.again else "pic-line", end=not row.again)
    for row, box, name, top in zip(rows, boxes, names, tops, strict=True):
        at = (_MARGIN + row.depth * INDENT, top)
        if box:
            box.draw(canvas, at, box.size)
        else:
            _draw_reference(canvas, by_key[row.name], name, (at[0] + 4, at[1] + SMALL))
    return canvas


def _draw_reference(canvas: Canvas, node: Node, lines: Sequence[str], at: Point) -> None:
    """Draw the name of a node that is drawn elsewhere, with the node's link."""
    if node.href:
        canvas.open("a", "pic-a", href=node.href)
    canvas.lines(at, lines, "pic-soft", size=SMALL)
    if node.href:
        canvas.close()
