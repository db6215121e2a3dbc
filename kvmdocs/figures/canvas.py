"""An SVG that is written shape by shape. Looks are classes, which the style sheet `picture.css` gives colours of the theme."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from itertools import accumulate
from xml.etree import ElementTree as ET

from kvmdocs.figures.measure import width

Point = tuple[float, float]

SIZE = 13.0
"""Size of text, in pixels of a drawing that is shown as large as it is."""
SMALL = 11.5
LEAD = 1.35
"""From one line of text to the next, in sizes."""

_CLEAR = 4.0
"""Pixels from a text to a line that need not be interrupted for it."""

LOOKS = 6
"""How many looks there are to tell things apart: the classes ``pic-1`` to ``pic-6``."""

# In HTML these begin or end nothing inside a drawing, but to Markdown, which reads the page once more, they may.
_MARKDOWN = str.maketrans({character: f"&#{ord(character)};" for character in "`~*{}[]\\|!\n\t"})


class Canvas:
    """A drawing.

    Attributes:
        root: The ``svg`` element.
        width: How wide it is, in pixels.
        height: How high.
    """

    def __init__(self, width: float, height: float = 0.0) -> None:
        self.root = ET.Element("svg")
        self._at = [self.root]
        self.width = width
        self.height = height
        self.grow(height)

    def grow(self, height: float) -> None:
        """Give the drawing its height, which is often known only when all is drawn."""
        self.height = height
        box = f"0 0 {number(self.width)} {number(height)}"
        self.root.attrib |= {"viewBox": box, "width": number(self.width), "height": number(height)}

    def add(self, tag: str, look: str = "", **attributes: float | str) -> ET.Element:
        """Add an element where the drawing stands.

        Args:
            tag: Its name.
            look: Its classes.
            **attributes: Its attributes; ``_`` in a name stands for ``-``.
        """
        named = {name.rstrip("_").replace("_", "-"): value for name, value in attributes.items()}
        # The theme writes to `href` of whatever has one, which an <a> of SVG does not allow: instant navigation would end there.
        if "href" in named:
            named["xlink:href"] = named.pop("href")
        given = {name: visible(value) if isinstance(value, str) else number(value) for name, value in named.items()}
        return ET.SubElement(self._at[-1], tag, ({"class": look} if look else {}) | given)

    def sink(self, element: ET.Element) -> None:
        """Put an element of the drawing itself below all others."""
        self.root.remove(element)
        self.root.insert(0, element)

    def open(self, tag: str, look: str = "", **attributes: float | str) -> None:
        """Add an element, and what follows into it until `close`."""
        self._at.append(self.add(tag, look, **attributes))

    def close(self) -> None:
        """Go back to where the last `open` was."""
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
        """A line of text.

        Args:
            at: Where its base line begins, is in the middle, or ends.
            text: The text.
            look: Its classes.
            size: The size of its font.
            anchor: ``start``, ``middle`` or ``end``.
            href: Where it leads.
            title: What is said of that.
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
        """Lines of text, the first of which has its base line at a point.

        Returns:
            The base line of the line that would follow.
        """
        x, y = at
        for line in lines:
            self.text((x, y), line, look, size=size, anchor=anchor)
            y += size * LEAD
        return y

    def path(self, points: Sequence[Point], look: str, *, radius: float = 6.0) -> None:
        """A line through points, with round corners."""
        self.add("path", look, d=rounded(points, radius))

    def arrow(self, points: Sequence[Point], look: str = "pic-line", *, start: bool = False, end: bool = True) -> None:
        """A line through points with an arrow head at its end, at its start or at both."""
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
        """An upright line below all that is drawn already, interrupted where a text with a halo lies over it.

        Args:
            x: Where it is.
            ends: Where it begins and ends, from the top.
            look: Its classes.
        """
        texts = self._texts_on(x)
        begins = accumulate([ends[0], *(below for _, below in texts)], max)
        ways = zip(begins, [*(above for above, _ in texts), ends[1]], strict=True)
        line = "".join(f"M{number(x)} {number(begin)}V{number(end)}" for begin, end in ways if begin < end)
        self.sink(self.add("path", look, d=line))

    def _texts_on(self, x: float) -> list[tuple[float, float]]:
        """Upper and lower end of each text over an upright line, from top to bottom."""
        found: list[tuple[float, float]] = []
        for text in self.root.iter("text"):
            size, look = float(text.get("font-size", SIZE)), text.get("class", "")
            wide = width(text.text or "", size, code="pic-code" in look)
            left = float(text.get("x", 0)) - wide * {"middle": 0.5, "end": 1.0}.get(text.get("text-anchor", ""), 0.0)
            if "pic-halo" in look and left - _CLEAR < x < left + wide + _CLEAR:
                base = float(text.get("y", 0))
                found.append((base - size, base + size / 2))
        return sorted(found)

    def box(self, at: Point, size: Point, look: str, *, radius: float = 5.0) -> ET.Element:
        """A rectangle by its upper left corner and its size."""
        return self.add("rect", look, x=at[0], y=at[1], width=size[0], height=size[1], rx=radius)

    def html(self, name: str, describe: str, *, links: bool, ident: str) -> str:
        """The drawing as HTML on one line.

        Args:
            name: What it is a picture of.
            describe: What it shows, in a sentence or two.
            links: True if there are links in it. What has the role of an image hides all in it from a screen reader.
            ident: An identifier that the page has only once.
        """
        title, told = ET.Element("title", {"id": f"{ident}-t"}), ET.Element("desc", {"id": f"{ident}-d"})
        title.text, told.text = visible(name), visible(describe)
        self.root[0:0] = [title, told]
        self.root.attrib |= {
            "role": "group" if links else "img",
            "aria-labelledby": f"{ident}-t",
            "aria-describedby": f"{ident}-d",
        }
        if links:
            self.root.set("xmlns:xlink", "http://www.w3.org/1999/xlink")
        # No namespace of its own: this stands in HTML, whose parser knows what `svg` is.
        return ET.tostring(self.root, "unicode").translate(_MARKDOWN)


def number(value: float) -> str:
    """A number with one decimal at most: a tenth of a pixel is nothing."""
    return f"{value:.1f}".removesuffix(".0") if value else "0"


def visible(text: str) -> str:
    """Text without what XML cannot hold."""
    return re.sub(r"[^\t\n\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)


def widest(lines: Sequence[str], size: float = SIZE, *, code: bool = False) -> float:
    """How wide the widest of some lines is."""
    return max((width(line, size, code=code) for line in lines), default=0.0)


def _head(before: Point, tip: Point) -> tuple[Point, str]:
    """An arrow head at `tip`: where its line has to end, and the head itself as a path."""
    length = math.dist(before, tip) or 1.0
    dx, dy = (tip[0] - before[0]) / length, (tip[1] - before[1]) / length
    back = (tip[0] - 7 * dx, tip[1] - 7 * dy)
    left, right = (back[0] - 4 * dy, back[1] + 4 * dx), (back[0] + 4 * dy, back[1] - 4 * dx)
    return back, "M{} {}L{} {}L{} {}z".format(*(number(value) for point in (tip, left, right) for value in point))


def rounded(points: Sequence[Point], radius: float) -> str:
    """A line through points with round corners, as the ``d`` of a path."""
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
