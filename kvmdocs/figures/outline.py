"""What leads to what, one below the other and further to the right: for a narrow page that no layout side by side fits."""

from __future__ import annotations

import graphlib
from collections.abc import Sequence

from kvmdocs.core import graph
from kvmdocs.figures.boxes import Box, Node
from kvmdocs.figures.canvas import LEAD, SMALL, Canvas, Point
from kvmdocs.figures.measure import wrap

INDENT = 20.0
"""Pixels from a box to what it leads to."""

_TRUNK = 9.0
_GAP = 9.0
_EDGE = 2.0


def outline(nodes: Sequence[Node], edges: Sequence[tuple[str, str]], room: float) -> Canvas | None:
    """Boxes in rows, each below the box that leads to it.

    A box that several lead to stands where most boxes come before it; below the others there is its name.

    Args:
        nodes: The boxes.
        edges: From which to which, by their keys, without a circle.
        room: How wide the drawing may be, in pixels.

    Returns:
        The drawing; None if there is a circle.
    """
    known = {node.key: node for node in nodes}
    try:
        rows = graph.as_tree({key: tuple({source: None for source, target in edges if target == key}) for key in known})
    except graphlib.CycleError:
        return None
    boxes = [None if row.again else Box(known[row.name], room - row.depth * INDENT - 2 * _EDGE - 26) for row in rows]
    names = [
        wrap(f"→ {known[row.name].name}", room - row.depth * INDENT - 2 * _EDGE, SMALL) if row.again else [] for row in rows
    ]
    tall = [box.size[1] if box else len(name) * SMALL * LEAD for box, name in zip(boxes, names, strict=True)]
    tops = [_EDGE + sum(tall[:number]) + _GAP * number for number in range(len(rows))]
    canvas = Canvas(room, tops[-1] + tall[-1] + _EDGE)
    for number, row in enumerate(rows):
        x, middle = _EDGE + row.depth * INDENT, tops[number] + tall[number] / 2
        if row.above is not None:
            trunk = _EDGE + rows[row.above].depth * INDENT + _TRUNK
            way: list[Point] = [(trunk, tops[row.above] + tall[row.above]), (trunk, middle), (x, middle)]
            canvas.arrow(way, "pic-line pic-dash" if row.again else "pic-line", end=not row.again)
    for row, box, name, top in zip(rows, boxes, names, tops, strict=True):
        at = (_EDGE + row.depth * INDENT, top)
        if box:
            box.draw(canvas, at, box.size)
        else:
            _say(canvas, known[row.name], name, (at[0] + 4, at[1] + SMALL))
    return canvas


def _say(canvas: Canvas, node: Node, lines: Sequence[str], at: Point) -> None:
    """The name of a box that stands elsewhere, which leads where the box does."""
    if node.href:
        canvas.open("a", "pic-a", href=node.href)
    canvas.lines(at, lines, "pic-soft", size=SMALL)
    if node.href:
        canvas.close()
