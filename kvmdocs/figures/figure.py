"""Figure in a page: drawings for wide and narrow pages, title, description, caption, and a text alternative."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from kvmdocs.core.html import attribute, escape, prose
from kvmdocs.core.words import Language, words
from kvmdocs.figures.canvas import Canvas

WIDE = 760.0
"""Maximum width in pixels of a drawing for a wide page."""
NARROW = 326.0
"""Width in pixels of a drawing for a narrow page: a telephone's 360 pixels less the page's margins."""


@dataclass(frozen=True)
class Cell:
    """A cell of a table.

    Attributes:
        text: The text, with code in backticks.
        href: The target of a link; "" for no link.
        right: True to align the text to the right, as for numbers.
    """

    text: str
    href: str = ""
    right: bool = False


@dataclass(frozen=True)
class Figure:
    """Title, description and caption of a figure.

    Attributes:
        title: The title.
        describe: A description in one or two sentences, for readers who cannot see the figure.
        language: The language of the page.
        caption: A line below the figure, with code in backticks.
    """

    title: str
    describe: str
    language: Language = Language.EN
    caption: str = ""

    def html(self, wide: Canvas, narrow: Canvas | None, alternative: str, *, links: bool = False) -> str:
        """Return the figure as HTML on one line.

        Args:
            wide: The drawing for wide pages.
            narrow: The drawing for narrow pages; None if `wide` fits there, too.
            alternative: The text alternative, as HTML.
            links: True if the drawings have links.
        """
        labels = words(self.language)
        drawings = [("pic-wide" if narrow else "pic-only", wide), *([("pic-narrow", narrow)] if narrow else [])]
        boxes = "".join(self._box(look, drawing, links) for look, drawing in drawings)
        caption = f"<figcaption>{prose(self.caption)}</figcaption>" if self.caption else ""
        text = f'<details class="pic-text"><summary>{escape(labels.as_text)}</summary>{alternative}</details>'
        return f'<figure class="pic">{boxes}{caption}{text}</figure>'

    def _box(self, look: str, drawing: Canvas, links: bool) -> str:
        ident = hashlib.sha256(f"{look}{self.title}{self.describe}{drawing.width}x{drawing.height}".encode()).hexdigest()[:10]
        # Only a drawing wider than a telephone may have to be scrolled, and must then be reachable with the keyboard.
        scrolls = look != "pic-wide" and drawing.width > NARROW + 4
        focus = f' tabindex="0" role="group" aria-label="{attribute(self.title)}"' if scrolls else ""
        svg = drawing.html(self.title, self.describe, links=links, ident=f"pic-{ident}")
        return f'<div class="pic-box {look}" data-search-exclude{focus}>{svg}</div>'


def table(heads: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a table as HTML on one line.

    Args:
        heads: The names of the columns.
        rows: The cells of each row.
    """
    # Material wraps any table without a class in a scrolling box that the keyboard does not reach.
    head = "".join(f'<th scope="col">{prose(name)}</th>' for name in heads)
    body = "".join(f"<tr>{''.join(_cell(cell) for cell in row)}</tr>" for row in rows)
    rows_html = f"<thead><tr>{head}</tr></thead><tbody>{body}</tbody>"
    return f'<div class="pic-table" tabindex="0"><table class="pic-words">{rows_html}</table></div>'


def _cell(cell: Cell) -> str:
    side = ' class="pic-right"' if cell.right else ""
    text = prose(cell.text)
    return f"<td{side}>" + (f'<a href="{attribute(cell.href)}">{text}</a>' if cell.href else text) + "</td>"
