"""Markdown extension that prepares tables and inline code for narrow screens, where CSS alone has too little information.

- A table that is too wide for a narrow screen gets the attribute ``data-stack``, and each of its cells the header of its column
  as ``data-th``. On a narrow screen the style sheet then stacks the cells of a row, each behind its header. The first cell is
  the subject of its row; if some rows have no first cell, ``data-stack`` is ``even``.
- Words with hyphens in inline code, such as options, are not broken. A browser may otherwise break a line after any hyphen and
  split ``--mode`` into ``--`` and ``mode``.

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

from kvmdocs.core.html import keep_hyphens

if TYPE_CHECKING:
    from markdown import Markdown

MAX_ROW_WIDTH = 48
"""The most letters of a row that fit on 360 px. A wide letter, such as a Chinese one, counts twice."""

CELL_PADDING = 5
"""The padding of a cell, in letters."""

_TAG = re.compile(r"<[^>]*>")


class ResponsiveMarkup(Treeprocessor):
    """Tree processor that marks wide tables and prevents breaks in words of inline code."""

    def run(self, root: Element) -> None:
        """Process the page."""
        blocks = {id(code) for block in root.iter("pre") for code in block}
        for element in root.iter():
            if element.tag == "table":
                self._mark_table(element)
            elif element.tag == "code" and id(element) not in blocks and not len(element):
                self._prevent_breaks(element)

    def _mark_table(self, table: Element) -> None:
        """Mark a table if it is too wide for a narrow screen.

        A table written as HTML is skipped if its rows differ in length from the header.
        """
        headers = [self._text(cell).strip() for row in table.iter("thead") for cell in row.iter("th")]
        rows = [row for body in table.iter("tbody") for row in body]
        if any(len(row) != len(headers) for row in rows):
            return
        widths = [max(map(_width, header.split()), default=0) for header in headers]
        for row in rows:
            for column, cell in enumerate(row):
                widths[column] = max(widths[column], _width(self._text(cell)))
        if sum(widths) + CELL_PADDING * len(widths) <= MAX_ROW_WIDTH:
            return
        has_subjects = all(self._text(row[0]).strip(" —–-") for row in rows)
        table.set("data-stack", "" if has_subjects else "even")
        for row in rows:
            for header, cell in zip(headers, row, strict=True):
                if header:
                    cell.set("data-th", header)

    def _prevent_breaks(self, code: Element) -> None:
        """Wrap words that must not be broken in elements.

        Inline code is stashed HTML with pymdownx, and escaped text otherwise.
        """
        text = HTML_PLACEHOLDER_RE.sub(self._raw, code.text or "")
        unbroken = keep_hyphens(text)
        if unbroken != text:
            code.text = AtomicString(self.md.htmlStash.store(unbroken))

    def _text(self, element: Element) -> str:
        """Return the visible text of an element, without tags, including those that were written as HTML."""
        return html.unescape(_TAG.sub("", HTML_PLACEHOLDER_RE.sub(self._raw, "".join(element.itertext()))))

    def _raw(self, placeholder: re.Match[str]) -> str:
        """Return the HTML that a placeholder stands for."""
        stored = self.md.htmlStash.rawHtmlBlocks[int(placeholder[1])]
        return stored if isinstance(stored, str) else placeholder[0]


def _width(text: str) -> int:
    """Return the width of a text in letters. Wide letters count twice."""
    return sum(2 if unicodedata.east_asian_width(letter) in "WF" else 1 for letter in text)


class ResponsiveExtension(Extension):
    """The Markdown extension of this module."""

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802  # Python-Markdown's name
        """Register the tree processor."""
        # After inline markup becomes elements (priority 20) and before the glossary (3) marks terms in cells.
        md.treeprocessors.register(ResponsiveMarkup(md), "kvmdocs-responsive", 4)


def makeExtension(**options: Any) -> ResponsiveExtension:  # noqa: N802  # the same
    """Create the extension. Called by Python-Markdown."""
    return ResponsiveExtension(**options)
