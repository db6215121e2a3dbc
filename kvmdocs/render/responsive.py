"""What a page needs to fit a telephone, known while it is still Markdown: a Markdown extension.

Two things, for which a style sheet alone knows too little:

- A table whose longest cells, or words of its heads, do not fit a narrow screen side by side gets the mark ``data-stack``, and each of
  its cells the head of its column as ``data-th``. The style sheet then sets the cells of a row one below the other where the
  screen is narrow, each behind its head. The first is what the row is about, unless there are rows without it: then the mark is ``even``.
- Words of code with hyphens, such as options, keep together. A browser may break a line after any hyphen, and makes
  ``--`` and ``mode`` of ``--mode``.

In ``mkdocs.yml``, under ``markdown_extensions``: ``kvmdocs.render.responsive: {}``.
"""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from markdown.util import HTML_PLACEHOLDER_RE, AtomicString

from kvmdocs.core.html import together

if TYPE_CHECKING:
    from markdown import Markdown

FITS = 48
"""Letters of a row that fits on 360 px; a wide one, such as a Chinese one, counts twice."""

SPACE = 5
"""Letters that the space around a cell takes."""

_TAG = re.compile(r"<[^>]*>")


class Narrow(Treeprocessor):
    """Marks tables and words of code."""

    def run(self, root: Element) -> None:
        """Mark them."""
        blocks = {id(code) for block in root.iter("pre") for code in block}
        for element in root.iter():
            if element.tag == "table":
                self._stack(element)
            elif element.tag == "code" and id(element) not in blocks and not len(element):
                self._keep_together(element)

    def _stack(self, table: Element) -> None:
        """Mark a table that a narrow screen does not hold; one that is written as HTML may have another form, and stays as it is."""
        heads = [self._text(head).strip() for top in table.iter("thead") for head in top.iter("th")]
        rows = [row for body in table.iter("tbody") for row in body]
        if any(len(row) != len(heads) for row in rows):
            return
        widths = [max(map(_width, head.split()), default=0) for head in heads]
        for row in rows:
            for column, cell in enumerate(row):
                widths[column] = max(widths[column], _width(self._text(cell)))
        if sum(widths) + SPACE * len(widths) <= FITS:
            return
        subject = all(self._text(row[0]).strip(" —–-") for row in rows)
        table.set("data-stack", "" if subject else "even")
        for row in rows:
            for head, cell in zip(heads, row, strict=True):
                if head:
                    cell.set("data-th", head)

    def _keep_together(self, code: Element) -> None:
        """Put what keeps together into elements of its own; pymdownx's inline code is HTML already, Markdown's own is escaped text."""
        text = HTML_PLACEHOLDER_RE.sub(self._raw, code.text or "")
        kept = together(text)
        if kept != text:
            code.text = AtomicString(self.md.htmlStash.store(kept))

    def _text(self, element: Element) -> str:
        """What an element shows, whether its tags were written as Markdown or as HTML."""
        return html.unescape(_TAG.sub("", HTML_PLACEHOLDER_RE.sub(self._raw, "".join(element.itertext()))))

    def _raw(self, found: re.Match[str]) -> str:
        """The HTML that a placeholder stands for."""
        stored = self.md.htmlStash.rawHtmlBlocks[int(found[1])]
        return stored if isinstance(stored, str) else found[0]


def _width(text: str) -> int:
    """The width of a text in letters of a line."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


class NarrowExtension(Extension):
    """See the module."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802  # Python-Markdown's name
        """Register what marks them."""
        # After inline markup has become elements (20), and before the glossary (3) marks terms in the cells.
        md.treeprocessors.register(Narrow(md), "kvmdocs-narrow", 4)


def makeExtension(**options: Any) -> NarrowExtension:  # noqa: N802  # the same
    """What Python-Markdown calls."""
    return NarrowExtension(**options)
