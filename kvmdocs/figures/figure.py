"""A picture as it stands in a page: the drawing, for wide and for narrow pages, what it is called, and the same in words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from kvmdocs.core.html import attribute, escape, prose
from kvmdocs.core.words import Language, words
from kvmdocs.figures.canvas import Canvas

WIDE = 760.0
"""How wide a drawing for a wide page is at most, in pixels."""
NARROW = 326.0
"""How wide one for a narrow page is: a telephone's 360 pixels less the page's margins."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: Its text, with code in backticks.
        href: Where it leads.
        right: True for a number.
    """

    text: str
    href: str = ""
    right: bool = False


@dataclass(frozen=True)
class Figure:
    """What is said of a picture.

    Attributes:
        title: What it is a picture of.
        describe: What it shows, in a sentence or two, for who does not see it.
        language: The language of the renderer's own words.
        caption: A line below it, with code in backticks.
    """

    title: str
    describe: str
    language: Language = Language.EN
    caption: str = ""

    def html(self, wide: Canvas, narrow: Canvas | None, alternative: str, *, links: bool = False) -> str:
        """The figure as HTML on one line.

        Args:
            wide: The drawing for a wide page.
            narrow: That for a narrow one; None if the other fits there too.
            alternative: The same in words, as HTML.
            links: True if there are links in the drawings.
        """
        say = words(self.language)
        drawings = [("pic-wide" if narrow else "pic-only", wide), *([("pic-narrow", narrow)] if narrow else [])]
        boxes = "".join(self._box(look, drawing, links) for look, drawing in drawings)
        caption = f"<figcaption>{prose(self.caption)}</figcaption>" if self.caption else ""
        told = f'<details class="pic-text"><summary>{escape(say.as_text)}</summary>{alternative}</details>'
        return f'<figure class="pic">{boxes}{caption}{told}</figure>'

    def _box(self, look: str, drawing: Canvas, links: bool) -> str:
        ident = hashlib.sha256(f"{look}{self.title}{self.describe}{drawing.width}x{drawing.height}".encode()).hexdigest()[:10]
        # Only what is wider than a telephone may have to be scrolled, and must then be reached by the keyboard.
        scrolls = look != "pic-wide" and drawing.width > NARROW + 4
        reach = f' tabindex="0" role="group" aria-label="{attribute(self.title)}"' if scrolls else ""
        svg = drawing.html(self.title, self.describe, links=links, ident=f"pic-{ident}")
        return f'<div class="pic-box {look}" data-search-exclude{reach}>{svg}</div>'


def table(heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """A table as HTML on one line.

    Args:
        heads: The names of the columns.
        rows: The cells of each row.
    """
    # With a class of its own: Material makes any other table scroll in a box that the keyboard does not reach.
    head = "".join(f'<th scope="col">{prose(name)}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    return f'<div class="pic-table" tabindex="0"><table class="pic-words"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _cell(cell: Cell) -> str:
    side = ' class="pic-right"' if cell.right else ""
    text = prose(cell.text)
    return f"<td{side}>" + (f'<a href="{attribute(cell.href)}">{text}</a>' if cell.href else text) + "</td>"
