"""Boxes with text, for flow charts."""

from __future__ import annotations

from dataclasses import dataclass

from kvmdocs.figures.canvas import LINE_HEIGHT, SIZE, SMALL, Canvas, Point
from kvmdocs.figures.measure import width, wrap

_PADDING = (12.0, 8.0)


@dataclass(frozen=True)
class Line:
    """A line of text in a box. A long line is wrapped.

    Attributes:
        text: The text.
        look: ``""``, ``soft`` for less important text, or ``code``.
    """

    text: str
    look: str = ""


@dataclass(frozen=True)
class Node:
    """A node of a flow chart.

    Attributes:
        key: The name by which edges refer to the node.
        lines: The node's text; the heading of a node that contains other nodes.
        inside: The key of the node that contains this one; "" for none.
        look: The number of the node's look, from 1 to `LOOKS`; 0 for none.
        shape: ``box``, ``question`` or ``store``.
        href: The target of a link; "" for no link.
    """

    key: str
    lines: tuple[Line, ...]
    inside: str = ""
    look: int = 0
    shape: str = "box"
    href: str = ""

    @property
    def name(self) -> str:
        """The node's text on one line."""
        return " ".join(line.text for line in self.lines)


class Box:
    """A node with its text wrapped to a width.

    Attributes:
        node: The node.
        size: Width and height in pixels.
    """

    def __init__(self, node: Node, text_width: float) -> None:
        self.node = node
        self._lines = [
            (text, line.look)
            for line in node.lines
            for text in wrap(line.text, text_width, _size(line.look), code=line.look == "code")
        ]
        wide = max((width(text, _size(look), code=look == "code") for text, look in self._lines), default=0.0)
        tall = sum(_size(look) * LINE_HEIGHT for _, look in self._lines)
        extra = {"question": (28.0, 14.0), "store": (0.0, 12.0)}.get(node.shape, (0.0, 0.0))
        self.size = (max(wide + 2 * _PADDING[0] + extra[0], 44.0), tall + 2 * _PADDING[1] + extra[1])

    def draw(self, canvas: Canvas, at: Point, size: Point) -> None:
        """Draw the box with its upper left corner at a point."""
        node = self.node
        look = f"pic-node pic-{node.look}" if node.look else "pic-node"
        if node.href:
            canvas.open("a", "pic-a", href=node.href)
        _outline(canvas, node.shape, at, size, look)
        tall = sum(_size(kind) * LINE_HEIGHT for _, kind in self._lines)
        y = at[1] + size[1] / 2 - tall / 2 + (4 if node.shape == "store" else 0)
        for text, kind in self._lines:
            size_of = _size(kind)
            canvas.text(
                (at[0] + size[0] / 2, y + size_of * 1.02), text, f"pic-{kind}" if kind else "", size=size_of, anchor="middle"
            )
            y += size_of * LINE_HEIGHT
        if node.href:
            canvas.close()


def _size(look: str) -> float:
    return SMALL if look == "soft" else SIZE


def _outline(canvas: Canvas, shape: str, at: Point, size: Point, look: str) -> None:
    (x, y), (wide, tall) = at, size
    if shape == "question":
        cut = 14
        corners = [
            (x, y + tall / 2),
            (x + cut, y),
            (x + wide - cut, y),
            (x + wide, y + tall / 2),
            (x + wide - cut, y + tall),
            (x + cut, y + tall),
        ]
        canvas.add("path", look, d="M" + "L".join(f"{a:.1f} {b:.1f}" for a, b in corners) + "z")
    elif shape == "store":
        bow = 6
        sides = f"M{x:.1f} {y + bow:.1f}v{tall - 2 * bow:.1f}a{wide / 2:.1f} {bow} 0 0 0 {wide:.1f} 0v{-(tall - 2 * bow):.1f}"
        canvas.add("path", look, d=f"{sides}a{wide / 2:.1f} {bow} 0 0 0 {-wide:.1f} 0a{wide / 2:.1f} {bow} 0 0 0 {wide:.1f} 0")
    else:
        canvas.box(at, size, look)


def heading(canvas: Canvas, node: Node, at: Point, size: Point) -> None:
    """Draw the outline and the heading of a node that contains other nodes."""
    canvas.box(at, size, f"pic-within pic-{node.look}" if node.look else "pic-within")
    text = node.name
    scale = min(1.0, (size[0] - 20) / max(width(text, SMALL), 1))
    canvas.text((at[0] + 10, at[1] + 17), text, "pic-soft", size=SMALL * max(scale, 0.8))
