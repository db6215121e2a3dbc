"""Boxes with text in them, for drawings of what leads to what."""

from __future__ import annotations

from dataclasses import dataclass

from kvmdocs.figures.canvas import LEAD, SIZE, SMALL, Canvas, Point
from kvmdocs.figures.measure import width, wrap

_PAD = (12.0, 8.0)


@dataclass(frozen=True)
class Line:
    """A line in a box, which is wrapped if it is long.

    Attributes:
        text: The line.
        look: ``""``, ``soft`` for what matters less, or ``code``.
    """

    text: str
    look: str = ""


@dataclass(frozen=True)
class Node:
    """A box.

    Attributes:
        key: A name for it in edges.
        lines: What stands in it; of a box with boxes in it, its heading.
        inside: The box that it lies in, by its key.
        look: Which of the looks `LOOKS` it has; 0 for none.
        shape: ``box``, ``question`` or ``store``.
        href: Where it leads.
    """

    key: str
    lines: tuple[Line, ...]
    inside: str = ""
    look: int = 0
    shape: str = "box"
    href: str = ""

    @property
    def name(self) -> str:
        """What stands in it, as one line."""
        return " ".join(line.text for line in self.lines)


class Box:
    """A box with text in it.

    Attributes:
        node: What it shows.
        size: How wide and how high it is.
    """

    def __init__(self, node: Node, room: float) -> None:
        self.node = node
        self._lines = [
            (text, line.look)
            for line in node.lines
            for text in wrap(line.text, room, _size(line.look), code=line.look == "code")
        ]
        wide = max((width(text, _size(look), code=look == "code") for text, look in self._lines), default=0.0)
        tall = sum(_size(look) * LEAD for _, look in self._lines)
        more = {"question": (28.0, 14.0), "store": (0.0, 12.0)}.get(node.shape, (0.0, 0.0))
        self.size = (max(wide + 2 * _PAD[0] + more[0], 44.0), tall + 2 * _PAD[1] + more[1])

    def draw(self, canvas: Canvas, at: Point, size: Point) -> None:
        """Draw it."""
        node = self.node
        look = f"pic-node pic-{node.look}" if node.look else "pic-node"
        if node.href:
            canvas.open("a", "pic-a", href=node.href)
        _outline(canvas, node.shape, at, size, look)
        tall = sum(_size(kind) * LEAD for _, kind in self._lines)
        y = at[1] + size[1] / 2 - tall / 2 + (4 if node.shape == "store" else 0)
        for text, kind in self._lines:
            size_of = _size(kind)
            canvas.text(
                (at[0] + size[0] / 2, y + size_of * 1.02), text, f"pic-{kind}" if kind else "", size=size_of, anchor="middle"
            )
            y += size_of * LEAD
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
    """A box with boxes in it: its outline and its heading."""
    canvas.box(at, size, f"pic-within pic-{node.look}" if node.look else "pic-within")
    text = node.name
    room = size[0] - 20
    scale = min(1.0, room / max(width(text, SMALL), 1))
    canvas.text((at[0] + 10, at[1] + 17), text, "pic-soft", size=SMALL * max(scale, 0.8))
