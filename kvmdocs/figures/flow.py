"""Boxes and arrows: what leads to what, and what lies in what."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from kvmdocs.core.words import words
from kvmdocs.figures.boxes import Box, Node, heading
from kvmdocs.figures.canvas import LEAD, SMALL, Canvas, Point, widest
from kvmdocs.figures.figure import NARROW, WIDE, Figure, table
from kvmdocs.figures.figure import Cell as TableCell
from kvmdocs.figures.layered import Graph, Placed, place
from kvmdocs.figures.measure import wrap
from kvmdocs.figures.outline import outline

_HEADER = 26.0


@dataclass(frozen=True)
class Edge:
    """A line from a box to another.

    Attributes:
        source: Where it begins.
        target: Where it ends.
        text: What it means.
        heads: ``end``, ``both`` or ``none``: where it has arrow heads.
        dashed: True for a broken line.
    """

    source: str
    target: str
    text: str = ""
    heads: str = "end"
    dashed: bool = False


@dataclass(frozen=True)
class Flow:
    """What is to be drawn.

    Attributes:
        nodes: The boxes, those with boxes in them before what is in them.
        edges: The lines.
        across: True if a wide page reads it from left to right; a narrow one always reads from top to bottom.
    """

    nodes: tuple[Node, ...]
    edges: tuple[Edge, ...]
    across: bool = False


@dataclass(frozen=True)
class _Fit:
    """How a drawing is to be made.

    Attributes:
        across: From left to right.
        room: How wide a line of text in a box may be.
        gap: Room between boxes side by side.
        layer: Room between a box and what it leads to.
    """

    across: bool
    room: float
    gap: float
    layer: float


def flow(figure: Figure, drawn: Flow, alternative: str = "") -> str:
    """Boxes and arrows as HTML on one line.

    Args:
        figure: What is said of it.
        drawn: What is to be drawn.
        alternative: The same in words, as HTML; a table of the lines if not given.
    """
    wide = _first(drawn, _wide(drawn), WIDE)
    narrow = _for_narrow_pages(drawn) if wide.width > NARROW else None
    links = any(node.href for node in drawn.nodes)
    return figure.html(wide, narrow, alternative or _edges(figure, drawn), links=links)


def _for_narrow_pages(drawn: Flow) -> Canvas:
    """The layout if it fits; else rows, for what is only boxes and plain arrows."""
    made = _first(drawn, _narrow(), NARROW)
    plain = not any(node.inside for node in drawn.nodes) and not any(edge.text or edge.heads != "end" for edge in drawn.edges)
    if made.width <= NARROW or not plain:
        return made
    return outline(drawn.nodes, [(edge.source, edge.target) for edge in drawn.edges], NARROW) or made


def _wide(drawn: Flow) -> list[_Fit]:
    ways = (drawn.across, not drawn.across) if drawn.across else (False,)
    return [_Fit(across, room, gap, 34) for across in ways for room, gap in ((190, 26), (150, 18), (115, 14))]


def _narrow() -> list[_Fit]:
    return [_Fit(False, room, gap, 26) for room, gap in ((210, 16), (150, 14), (110, 10), (84, 8), (70, 6))]


def _first(drawn: Flow, fits: Sequence[_Fit], room: float) -> Canvas:
    """The first drawing that has room on the page, or the narrowest."""
    made = None
    for fit in fits:
        canvas = _draw(drawn, fit)
        if made is None or canvas.width < made.width:
            made = canvas
        if made.width <= room:
            break
    assert made is not None
    return made


def _draw(drawn: Flow, fit: _Fit) -> Canvas:
    boxes = {node.key: Box(node, fit.room) for node in drawn.nodes}
    full = {node.inside for node in drawn.nodes}
    placed = _with_texts(drawn, _layout(drawn, boxes, full, fit))
    canvas = Canvas(*placed.size)
    at = {node.key: box for node, box in zip(drawn.nodes, placed.boxes, strict=False)}
    for node in drawn.nodes:
        if node.key in full:
            heading(canvas, node, *at[node.key])
    for index, (edge, one) in enumerate(zip(drawn.edges, _parts(drawn, placed), strict=True)):
        pieces = [list(way[::-1] if _goes_back(drawn, index) else way) for way in one]
        if edge.target in full:
            pieces[-1] = _outside(pieces[-1], *at[edge.target])
        if edge.source in full:
            pieces[0] = _outside(pieces[0][::-1], *at[edge.source])[::-1]
        look = "pic-line pic-dash" if edge.dashed else "pic-line"
        for piece in pieces:
            # A line stops at its text and goes on behind it.
            first, last = piece is pieces[0], piece is pieces[-1]
            canvas.arrow(piece, look, start=first and edge.heads == "both", end=last and edge.heads != "none")
    texts = iter(placed.boxes[len(drawn.nodes) :])
    for edge, one in zip(drawn.edges, _parts(drawn, placed), strict=True):
        if edge.text:
            wide, tall = _room(edge)
            x, y = next(texts)[0] if len(one) > 1 else _beside(one[0], (wide, tall))
            canvas.lines((x + wide / 2, y + SMALL + 1), _label(edge), "pic-soft pic-halo", size=SMALL, anchor="middle")
    for node in drawn.nodes:
        if node.key not in full:
            boxes[node.key].draw(canvas, *at[node.key])
    return canvas


def _layout(drawn: Flow, boxes: Mapping[str, Box], full: set[str], fit: _Fit) -> Placed:
    """Places for all boxes and, after them, for the texts of lines: a text is a box on its line, so that nothing else is where it is."""
    graph = Graph()
    index: dict[str, int] = {}
    inside = {node.key: node.inside for node in drawn.nodes}
    for node in drawn.nodes:
        wide, tall = boxes[node.key].size
        fields: dict[str, Any] = {} if node.key in full else {"width": wide, "height": tall}
        if node.inside:
            fields["parent"] = index[node.inside]
        index[node.key] = graph.node(node.key, **fields)
    for number, edge in enumerate(drawn.edges):
        ends = [index[edge.source], index[edge.target]]
        fields = dict(zip(("width", "height"), _room(edge), strict=True))
        if _goes_back(drawn, number):
            more: dict[str, Any] = {"label_size": list(_room(edge))} if edge.text else {}
            # The other way round for the layout, so that the engine need not choose which line of a circle is to go up.
            graph.edge(*ends[::-1], **more)
            continue
        if edge.text:
            if inside[edge.source] and inside[edge.source] == inside[edge.target]:
                fields["parent"] = index[inside[edge.source]]
            ends.insert(1, graph.node(f" {number}", **fields))
        for one, other in pairwise(ends):
            graph.edge(one, other)
    labelled = any(edge.text for edge in drawn.edges)
    spacing = {
        "layer_gap": fit.layer * 0.6 if labelled else fit.layer, "node_gap": fit.gap, "dummy_gap": min(fit.gap, 18), "port_gap": 12,
        "port_stroke_clear": 8, "stub": 10, "compound_padding": 14, "compound_header": _HEADER, "isolated_gap": fit.gap,
    }  # fmt: skip
    return place(graph, across=fit.across, spacing=spacing, margin=2)


def _with_texts(drawn: Flow, placed: Placed) -> Placed:
    """The same with room for the texts beside lines that go back: of one at the edge the layout knows nothing."""
    left, right = 0.0, placed.size[0]
    for edge, one in zip(drawn.edges, _parts(drawn, placed), strict=True):
        if edge.text and len(one) == 1:
            size = _room(edge)
            begin = _beside(one[0], size)[0]
            left, right = min(left, begin), max(right, begin + size[0])
    return Placed(
        boxes=tuple(((x - left, y), size) for (x, y), size in placed.boxes),
        ways=tuple(tuple((x - left, y) for x, y in way) for way in placed.ways),
        size=(right - left, placed.size[1]),
    )


def _parts(drawn: Flow, placed: Placed) -> Iterator[list[tuple[Point, ...]]]:
    """The line or lines of the layout that each line of the drawing is: two for one that goes through its text."""
    made = iter(placed.ways)
    for number, edge in enumerate(drawn.edges):
        yield [next(made), next(made)] if edge.text and not _goes_back(drawn, number) else [next(made)]


def _goes_back(drawn: Flow, number: int) -> bool:
    """Whether a line leads back to where earlier ones came from. Its text stands beside it: as a box it would come first of all."""
    reached = {drawn.edges[number].target}
    for _ in range(number):
        reached |= {edge.target for edge in drawn.edges[:number] if edge.source in reached}
    return drawn.edges[number].source in reached


def _room(edge: Edge) -> Point:
    lines = _label(edge)
    return widest(lines, SMALL) + 8, len(lines) * SMALL * LEAD + 4


def _beside(way: Sequence[Point], size: Point) -> Point:
    """The upper left corner of a text whose line goes back."""
    middle = len(way) // 2
    (x1, y1), (x2, y2) = way[middle - 1], way[middle]
    return (x1 + x2) / 2 - size[0] / 2, (y1 + y2) / 2 - size[1] / 2


def _label(edge: Edge) -> list[str]:
    return wrap(edge.text, 150, SMALL)


def _outside(points: list[Point], at: Point, size: Point) -> list[Point]:
    """A line of horizontal and vertical pieces, up to where it meets a box that it ends in."""

    def within(point: Point) -> bool:
        return all(at[axis] < point[axis] < at[axis] + size[axis] for axis in (0, 1))

    kept = list(points)
    while len(kept) > 2 and within(kept[-2]):
        kept.pop()
    (x1, y1), (x2, y2) = kept[-2], kept[-1]
    if within((x2, y2)):
        # The last piece crosses one side: the one that faces where it comes from.
        x2 = min(max(x2, x1), at[0]) if x1 <= at[0] else max(min(x2, x1), at[0] + size[0]) if x1 >= at[0] + size[0] else x2
        y2 = min(max(y2, y1), at[1]) if y1 <= at[1] else max(min(y2, y1), at[1] + size[1]) if y1 >= at[1] + size[1] else y2
    return [*kept[:-1], (x2, y2)]


def _edges(figure: Figure, drawn: Flow) -> str:
    """The lines of a drawing as a table: from, to, what it means."""
    say = words(figure.language)
    names = {node.key: node.name for node in drawn.nodes}
    within = [
        (TableCell(names[node.key]), TableCell(say.lies_in), TableCell(names[node.inside]))
        for node in drawn.nodes
        if node.inside
    ]
    lines = [
        (TableCell(names[edge.source]), TableCell(edge.text or _SIGNS[edge.heads]), TableCell(names[edge.target]))
        for edge in drawn.edges
    ]
    return table((say.pic_from, say.pic_what, say.pic_to), [*within, *lines])


_SIGNS = {"end": "→", "both": "↔", "none": "—"}
