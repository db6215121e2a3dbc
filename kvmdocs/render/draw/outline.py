"""What leads to what, one below the other and further to the right: for a narrow page that no layout side by side fits."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from kvmdocs.render.draw.boxes import Box, Node
from kvmdocs.render.draw.canvas import LEAD, SMALL, Canvas, Point
from kvmdocs.render.draw.measure import wrap

INDENT = 20.0
"""Pixels from a box to what it leads to."""

_TRUNK = 9.0
_GAP = 9.0
_EDGE = 2.0


@dataclass(frozen=True)
class _Row:
    """A row.

    Attributes:
        node: What it shows.
        depth: How many boxes lead to it here.
        above: The row that leads to it; None for the first of a tree.
        again: True if the box itself stands elsewhere, and this only says its name.
    """

    node: Node
    depth: int
    above: int | None
    again: bool


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
    depths = _depths(nodes, edges)
    if depths is None:
        return None
    rows = list(_rows(nodes, edges, depths))
    boxes = [None if row.again else Box(row.node, room - row.depth * INDENT - 2 * _EDGE - 26) for row in rows]
    names = [wrap(f"→ {row.node.name}", room - row.depth * INDENT - 2 * _EDGE, SMALL) if row.again else [] for row in rows]
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
            _say(canvas, row.node, name, (at[0] + 4, at[1] + SMALL))
    return canvas


def _depths(nodes: Sequence[Node], edges: Sequence[tuple[str, str]]) -> dict[str, int] | None:
    """How many boxes come before each, on the longest way; None if there is a circle."""
    depths = {node.key: 0 for node in nodes}
    for _ in nodes:
        longer = {target: depths[source] + 1 for source, target in edges if depths[source] + 1 > depths[target]}
        if not longer:
            return depths
        depths |= longer
    return None


def _rows(nodes: Sequence[Node], edges: Sequence[tuple[str, str]], depths: dict[str, int]) -> Iterator[_Row]:
    known = {node.key: node for node in nodes}
    home: dict[str, str] = {}
    for source, target in edges:
        if target not in home or depths[source] > depths[home[target]]:
            home[target] = source
    made = 0
    waiting: list[_Row] = [_Row(node, 0, None, again=False) for node in reversed(nodes) if node.key not in home]
    while waiting:
        row = waiting.pop()
        yield row
        if not row.again:
            below = [
                _Row(known[target], row.depth + 1, made, again=home[target] != source)
                for source, target in reversed(edges)
                if source == row.node.key
            ]
            waiting += sorted(below, key=lambda one: one.again)
        made += 1


def _say(canvas: Canvas, node: Node, lines: Sequence[str], at: Point) -> None:
    """The name of a box that stands elsewhere, which leads where the box does."""
    if node.href:
        canvas.open("a", "pic-a", href=node.href)
    canvas.lines(at, lines, "pic-soft", size=SMALL)
    if node.href:
        canvas.close()
