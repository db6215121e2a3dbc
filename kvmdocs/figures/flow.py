"""Flow charts: boxes, nested boxes and arrows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kvmdocs.core.words import words
from kvmdocs.figures.boxes import Box, Node, heading
from kvmdocs.figures.canvas import LINE_HEIGHT, SMALL, Canvas, Point, widest
from kvmdocs.figures.figure import NARROW, WIDE, Figure, table
from kvmdocs.figures.figure import Cell as TableCell
from kvmdocs.figures.layered import Graph, Placed, place
from kvmdocs.figures.measure import wrap
from kvmdocs.figures.tree import outline

_HEADER = 26.0


@dataclass(frozen=True)
class Edge:
    """An edge of a flow chart.

    Attributes:
        source: The key of the node at its start.
        target: The key of the node at its end.
        text: The label.
        heads: The ends with arrow heads: ``end``, ``both`` or ``none``.
        dashed: True for a dashed line.
    """

    source: str
    target: str
    text: str = ""
    heads: str = "end"
    dashed: bool = False


@dataclass(frozen=True)
class Flow:
    """A flow chart.

    Attributes:
        nodes: The nodes. A node that contains others comes before them.
        edges: The edges.
        across: True for left to right on wide pages. On narrow pages the direction is always top to bottom.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    across: bool = False


@dataclass(frozen=True)
class _LayoutOptions:
    """Options of a layout. Lengths are in pixels.

    Attributes:
        across: True for left to right, False for top to bottom.
        text_width: The maximum width of a line of text in a box.
        gap: The distance between boxes in the same layer.
        layer_gap: The distance between layers.
    """

    across: bool
    text_width: float
    gap: float
    layer_gap: float


def flow(figure: Figure, drawn: Flow, alternative: str = "") -> str:
    """Draw a flow chart, as HTML on one line.

    Args:
        figure: Title, description and caption.
        drawn: The flow chart.
        alternative: The text alternative, as HTML; by default a table of the edges.
    """
    wide = _fitting(drawn, _wide_layouts(drawn), WIDE)
    narrow = _for_narrow_pages(drawn) if wide.width > NARROW else None
    links = any(node.href for node in drawn.nodes)
    return figure.html(wide, narrow, alternative or _as_table(figure, drawn), links=links)


def _for_narrow_pages(drawn: Flow) -> Canvas:
    """Return a layered layout if it fits. Otherwise return a tree, if there are only boxes and plain arrows."""
    layered = _fitting(drawn, _narrow_layouts(), NARROW)
    plain = not any(node.inside for node in drawn.nodes) and not any(edge.text or edge.heads != "end" for edge in drawn.edges)
    if layered.width <= NARROW or not plain:
        return layered
    return outline(drawn.nodes, [(edge.source, edge.target) for edge in drawn.edges], NARROW) or layered


def _wide_layouts(drawn: Flow) -> list[_LayoutOptions]:
    directions = (True, False) if drawn.across else (False,)
    sizes = ((190, 26), (150, 18), (115, 14))
    return [_LayoutOptions(across, text_width, gap, 34) for across in directions for text_width, gap in sizes]


def _narrow_layouts() -> list[_LayoutOptions]:
    sizes = ((210, 16), (150, 14), (110, 10), (84, 8), (70, 6))
    return [_LayoutOptions(False, text_width, gap, 26) for text_width, gap in sizes]


def _fitting(drawn: Flow, layouts: Sequence[_LayoutOptions], width: float) -> Canvas:
    """Return the first drawing that is not wider than `width` pixels, or else the narrowest."""
    narrowest = None
    for layout in layouts:
        canvas = _draw(drawn, layout)
        if narrowest is None or canvas.width < narrowest.width:
            narrowest = canvas
        if narrowest.width <= width:
            break
    assert narrowest is not None
    return narrowest


def _draw(drawn: Flow, options: _LayoutOptions) -> Canvas:
    boxes = {node.key: Box(node, options.text_width) for node in drawn.nodes}
    containers = {node.inside for node in drawn.nodes}
    placed = _with_label_space(drawn, _layout(drawn, boxes, containers, options))
    canvas = Canvas(*placed.size)
    at = {node.key: box for node, box in zip(drawn.nodes, placed.boxes, strict=False)}
    for node in drawn.nodes:
        if node.key in containers:
            heading(canvas, node, *at[node.key])
    for index, (edge, lines) in enumerate(zip(drawn.edges, _lines(drawn, placed), strict=True)):
        pieces = [list(line[::-1] if _goes_back(drawn, index) else line) for line in lines]
        if edge.target in containers:
            pieces[-1] = _outside(pieces[-1], *at[edge.target])
        if edge.source in containers:
            pieces[0] = _outside(pieces[0][::-1], *at[edge.source])[::-1]
        look = "pic-line pic-dash" if edge.dashed else "pic-line"
        for piece in pieces:
            # An edge is interrupted at its label.
            first, last = piece is pieces[0], piece is pieces[-1]
            canvas.arrow(piece, look, start=first and edge.heads == "both", end=last and edge.heads != "none")
    labels = iter(placed.boxes[len(drawn.nodes) :])
    for edge, lines in zip(drawn.edges, _lines(drawn, placed), strict=True):
        if edge.text:
            wide, tall = _label_size(edge)
            x, y = next(labels)[0] if len(lines) > 1 else _label_corner(lines[0], (wide, tall))
            canvas.lines((x + wide / 2, y + SMALL + 1), _label(edge), "pic-soft pic-halo", size=SMALL, anchor="middle")
    for node in drawn.nodes:
        if node.key not in containers:
            boxes[node.key].draw(canvas, *at[node.key])
    return canvas


def _layout(drawn: Flow, boxes: Mapping[str, Box], containers: set[str], options: _LayoutOptions) -> Placed:
    """Lay out all nodes and, after them, the labels of edges. A label is a node on its edge, so that nothing overlaps it."""
    graph = Graph()
    index: dict[str, int] = {}
    inside = {node.key: node.inside for node in drawn.nodes}
    for node in drawn.nodes:
        wide, tall = boxes[node.key].size
        fields: dict[str, Any] = {} if node.key in containers else {"width": wide, "height": tall}
        if node.inside:
            fields["parent"] = index[node.inside]
        index[node.key] = graph.node(node.key, **fields)
    for number, edge in enumerate(drawn.edges):
        ends = [index[edge.source], index[edge.target]]
        fields = dict(zip(("width", "height"), _label_size(edge), strict=True))
        if _goes_back(drawn, number):
            label: dict[str, Any] = {"label_size": list(_label_size(edge))} if edge.text else {}
            # Reversed for the layout, so that graphlay does not choose which edge of a cycle goes up.
            graph.edge(*ends[::-1], **label)
            continue
        if edge.text:
            if inside[edge.source] and inside[edge.source] == inside[edge.target]:
                fields["parent"] = index[inside[edge.source]]
            ends.insert(1, graph.node(f" {number}", **fields))
        for one, other in pairwise(ends):
            graph.edge(one, other)
    labelled = any(edge.text for edge in drawn.edges)
    spacing = {
        "layer_gap": options.layer_gap * 0.6 if labelled else options.layer_gap, "node_gap": options.gap,
        "dummy_gap": min(options.gap, 18), "port_gap": 12, "port_stroke_clear": 8, "stub": 10, "compound_padding": 14,
        "compound_header": _HEADER, "isolated_gap": options.gap,
    }  # fmt: skip
    return place(graph, across=options.across, spacing=spacing, margin=2)


def _with_label_space(drawn: Flow, placed: Placed) -> Placed:
    """Widen a layout for the labels of edges that go back. The layout ignores such labels at the border."""
    left, right = 0.0, placed.size[0]
    for edge, lines in zip(drawn.edges, _lines(drawn, placed), strict=True):
        if edge.text and len(lines) == 1:
            size = _label_size(edge)
            start = _label_corner(lines[0], size)[0]
            left, right = min(left, start), max(right, start + size[0])
    return Placed(
        boxes=tuple(((x - left, y), size) for (x, y), size in placed.boxes),
        ways=tuple(tuple((x - left, y) for x, y in way) for way in placed.ways),
        size=(right - left, placed.size[1]),
    )


def _lines(drawn: Flow, placed: Placed) -> Iterator[list[tuple[Point, ...]]]:
    """Yield the lines in the layout of each edge: two for an edge through its label, otherwise one."""
    ways = iter(placed.ways)
    for number, edge in enumerate(drawn.edges):
        yield [next(ways), next(ways)] if edge.text and not _goes_back(drawn, number) else [next(ways)]


def _goes_back(drawn: Flow, number: int) -> bool:
    """Check whether an edge closes a cycle with earlier edges.

    Its label is beside it, since as a node it would be in the first layer.
    """
    reached = {drawn.edges[number].target}
    for _ in range(number):
        reached |= {edge.target for edge in drawn.edges[:number] if edge.source in reached}
    return drawn.edges[number].source in reached


def _label_size(edge: Edge) -> Point:
    lines = _label(edge)
    return widest(lines, SMALL) + 8, len(lines) * SMALL * LINE_HEIGHT + 4


def _label_corner(line: Sequence[Point], size: Point) -> Point:
    """Return the upper left corner of the label of an edge that goes back."""
    middle = len(line) // 2
    (x1, y1), (x2, y2) = line[middle - 1], line[middle]
    return (x1 + x2) / 2 - size[0] / 2, (y1 + y2) / 2 - size[1] / 2


def _label(edge: Edge) -> list[str]:
    return wrap(edge.text, 150, SMALL)


def _outside(points: list[Point], at: Point, size: Point) -> list[Point]:
    """Cut a line of horizontal and vertical segments where it enters the box that contains its end."""

    def within(point: Point) -> bool:
        return all(at[axis] < point[axis] < at[axis] + size[axis] for axis in (0, 1))

    outside = list(points)
    while len(outside) > 2 and within(outside[-2]):
        outside.pop()
    (x1, y1), (x2, y2) = outside[-2], outside[-1]
    if within((x2, y2)):
        # The last segment crosses the side of the box that faces its start.
        x2 = min(max(x2, x1), at[0]) if x1 <= at[0] else max(min(x2, x1), at[0] + size[0]) if x1 >= at[0] + size[0] else x2
        y2 = min(max(y2, y1), at[1]) if y1 <= at[1] else max(min(y2, y1), at[1] + size[1]) if y1 >= at[1] + size[1] else y2
    return [*outside[:-1], (x2, y2)]


def _as_table(figure: Figure, drawn: Flow) -> str:
    """Return the edges as a table: source, label, target."""
    labels = words(figure.language)
    names = {node.key: node.name for node in drawn.nodes}
    within = [
        (TableCell(names[node.key]), TableCell(labels.lies_in), TableCell(names[node.inside]))
        for node in drawn.nodes
        if node.inside
    ]
    lines = [
        (TableCell(names[edge.source]), TableCell(edge.text or _ARROWS[edge.heads]), TableCell(names[edge.target]))
        for edge in drawn.edges
    ]
    return table((labels.pic_from, labels.pic_what, labels.pic_to), [*within, *lines])


_ARROWS = {"end": "→", "both": "↔", "none": "—"}
