"""SVG drawing, built shape by shape. Looks are CSS classes; the style sheet `picture.css` gives them the theme's colours."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import accumulate
from xml.etree import ElementTree as ET

from kvmdocs.figures.measure import width

Point = tuple[float, float]

SIZE = 13.0
"""Font size, in pixels of an unscaled drawing."""
SMALL = 11.5
"""Font size of less important text, in pixels."""
LINE_HEIGHT = 1.35
"""Distance between base lines, as a multiple of the font size."""

_CLEARANCE = 4.0
"""Pixels between a text and a line. A closer line is interrupted for the text."""

LOOKS = 6
"""Number of distinct looks: the CSS classes ``pic-1`` to ``pic-6``."""

# Inside a drawing these characters mean nothing in HTML, but the page passes through Markdown again, where they may be syntax.
_MARKDOWN = str.maketrans({character: f"&#{ord(character)};" for character in "`~*{}[]\\|!\n\t"})


class Canvas:
    """A drawing.

    Attributes:
        root: The ``svg`` element.
        width: The width in pixels.
        height: The height in pixels.
    """

    def __init__(self, width: float, height: float = 0.0) -> None:
        self.root = ET.Element("svg")
        self._at = [self.root]
        self.width = width
        self.height = height
        self.grow(height)

    def grow(self, height: float) -> None:
        """Set the height, which is often known only after everything is drawn."""
        self.height = height
        box = f"0 0 {number(self.width)} {number(height)}"
        self.root.attrib |= {"viewBox": box, "width": number(self.width), "height": number(height)}

    def add(self, tag: str, look: str = "", **attributes: float | str) -> ET.Element:
        """Add an element to the innermost open element.

        Args:
            tag: The element's name.
            look: The CSS classes.
            **attributes: The attributes; ``_`` in a name stands for ``-``.
        """
        named = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        # Material's instant navigation assigns to the property `href` of every element that has it. In an SVG <a> the property
        # is read-only, and instant navigation would fail.
        if "href" in named:
            named["xlink:href"] = named.pop("href")
        values = {name: visible(value) if isinstance(value, str) else number(value) for name, value in named.items()}
        return ET.SubElement(self._at[-1], tag, ({"class": look} if look else {}) | values)

    def sink(self, element: ET.Element) -> None:
        """Move a top-level element below all others."""
        self.root.remove(element)
        self.root.insert(0, element)

    def open(self, tag: str, look: str = "", **attributes: float | str) -> None:
        """Add an element and open it: following elements are added to it until `close`."""
        self._at.append(self.add(tag, look, **attributes))

    def close(self) -> None:
        """Close the innermost open element."""
        self._at.pop()

    def text(
        self,
        at: Point,
        text: str,
        look: str = "",
        *,
        size: float = SIZE,
        anchor: str = "start",
        href: str = "",
        title: str = "",
    ) -> None:
        """Draw a line of text.

        Args:
            at: The start, middle or end of the base line, as `anchor` says.
            text: The text.
            look: The CSS classes.
            size: The font size in pixels.
            anchor: ``start``, ``middle`` or ``end``.
            href: The target of a link; "" for no link.
            title: The tooltip of the link.
        """
        if href:
            self.open("a", "pic-a", href=href)
            if title:
                self.add("title").text = visible(title)
        more = {} if anchor == "start" else {"text-anchor": anchor}
        element = self.add("text", look, x=at[0], y=at[1], font_size=size)
        element.attrib |= more
        element.text = visible(text)
        if href:
            self.close()

    def lines(self, at: Point, lines: Sequence[str], look: str = "", *, size: float = SIZE, anchor: str = "start") -> float:
        """Draw lines of text, the first with its base line at a point.

        Returns:
            The y coordinate of the base line of the next line.
        """
        x, y = at
        for line in lines:
            self.text((x, y), line, look, size=size, anchor=anchor)
            y += size * LINE_HEIGHT
        return y

    def path(self, points: Sequence[Point], look: str, *, radius: float = 6.0) -> None:
        """Draw a line through points, with rounded corners."""
        self.add("path", look, d=rounded(points, radius))

    def arrow(self, points: Sequence[Point], look: str = "pic-line", *, start: bool = False, end: bool = True) -> None:
        """Draw a line through points with an arrow head at its end, at its start or at both."""
        ends = list(points)
        heads = []
        if end:
            ends[-1], head = _head(points[-2], points[-1])
            heads.append(head)
        if start:
            ends[0], head = _head(points[1], points[0])
            heads.append(head)
        self.path(ends, look)
        for head in heads:
            self.add("path", look.replace("pic-line", "pic-head").replace("pic-dash", "").strip(), d=head)

    def upright(self, x: float, ends: tuple[float, float], look: str) -> None:
        """Draw a vertical line below everything drawn so far, interrupted where a text with a halo covers it.

        Args:
            x: The x coordinate.
            ends: The y coordinates of its upper and lower end.
            look: The CSS classes.
        """
        texts = self._texts_on(x)
        begins = accumulate([ends[0], *(below for _, below in texts)], max)
        pieces = zip(begins, [*(above for above, _ in texts), ends[1]], strict=True)
        line = "".join(f"M{number(x)} {number(begin)}V{number(end)}" for begin, end in pieces if begin < end)
        self.sink(self.add("path", look, d=line))

    def _texts_on(self, x: float) -> list[tuple[float, float]]:
        """Return the upper and lower end of each text that covers a vertical line, from top to bottom."""
        texts: list[tuple[float, float]] = []
        for text in self.root.iter("text"):
            size, look = float(text.get("font-size", SIZE)), text.get("class", "")
            wide = width(text.text or "", size, code="pic-code" in look)
            left = float(text.get("x", 0)) - wide * {"middle": 0.5, "end": 1.0}.get(text.get("text-anchor", ""), 0.0)
            if "pic-halo" in look and left - _CLEARANCE < x < left + wide + _CLEARANCE:
                base = float(text.get("y", 0))
                texts.append((base - size, base + size / 2))
        return sorted(texts)

    def box(self, at: Point, size: Point, look: str, *, radius: float = 5.0) -> ET.Element:
        """Draw a rectangle, given its upper left corner and its size."""
        return self.add("rect", look, x=at[0], y=at[1], width=size[0], height=size[1], rx=radius)

    def html(self, name: str, describe: str, *, links: bool, ident: str) -> str:
        """Return the drawing as HTML on one line.

        Args:
            name: The title.
            describe: A description in one or two sentences.
            links: True if the drawing has links. It then does not have the role `img`, which hides its content from screen
                readers.
            ident: An identifier that is unique on the page.
        """
        title, description = ET.Element("title", {"id": f"{ident}-t"}), ET.Element("desc", {"id": f"{ident}-d"})
        title.text, description.text = visible(name), visible(describe)
        self.root[0:0] = [title, description]
        self.root.attrib |= {
            "role": "group" if links else "img",
            "aria-labelledby": f"{ident}-t",
            "aria-describedby": f"{ident}-d",
        }
        if links:
            self.root.set("xmlns:xlink", "http://www.w3.org/1999/xlink")
        # An <svg> in HTML needs no namespace declaration.
        return ET.tostring(self.root, "unicode").translate(_MARKDOWN)


def number(value: float) -> str:
    """Format a number with at most one decimal; differences below a tenth of a pixel are invisible."""
    return f"{value:.1f}".removesuffix(".0") if value else "0"


def visible(text: str) -> str:
    """Replace characters that XML does not allow."""
    return re.sub(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def widest(lines: Sequence[str], size: float = SIZE, *, code: bool = False) -> float:
    """Return the width of the widest of some lines."""
    return max((width(line, size, code=code) for line in lines), default=0.0)


def _head(before: Point, tip: Point) -> tuple[Point, str]:
    """Return the point where the line of an arrow ends, and the arrow head at `tip` as the ``d`` of a path."""
    length = math.dist(before, tip) or 1.0
    dx, dy = (tip[0] - before[0]) / length, (tip[1] - before[1]) / length
    back = (tip[0] - 7 * dx, tip[1] - 7 * dy)
    left, right = (back[0] - 4 * dy, back[1] + 4 * dx), (back[0] + 4 * dy, back[1] - 4 * dx)
    return back, "M{} {}L{} {}L{} {}z".format(*(number(value) for point in (tip, left, right) for value in point))


def rounded(points: Sequence[Point], radius: float) -> str:
    """Return a line through points, with rounded corners, as the ``d`` of a path."""
    path = [f"M{number(points[0][0])} {number(points[0][1])}"]
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near = min(radius, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        (x1, y1), (x2, y2) = _toward(corner, before, near), _toward(corner, after, near)
        bend = (x1, y1), corner, (x2, y2)
        path.append("L{} {}Q{} {} {} {}".format(*(number(value) for point in bend for value in point)))
    path.append(f"L{number(points[-1][0])} {number(points[-1][1])}")
    return "".join(path)


def _toward(origin: Point, other: Point, distance: float) -> Point:
    length = math.dist(origin, other) or 1.0
    return (
        origin[0] + (other[0] - origin[0]) * distance / length,
        origin[1] + (other[1] - origin[1]) * distance / length,
    )
