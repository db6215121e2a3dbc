"""Insertion of lines into a page: under its title, or under its lead paragraph."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page


def insert_under_title(html: str, line: str, page: Page) -> str:
    """Return a page's HTML with a line under its title, or at the top if it has no title.

    Args:
        html: The main part of the page.
        line: The line, as HTML.
        page: The page; ``lead: true`` in its front matter puts the line under the first paragraph.
    """
    before, end, after = html.partition("</p>" if page.meta.get("lead") is True else "</h1>")
    return f"{before}{end}{line}{after}" if end else f"{line}\n{html}"
