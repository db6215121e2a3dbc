"""Where a page has the lines that the site adds to it: under its title, or under the sentence that says what it is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.structure.pages import Page


def under_title(html: str, line: str, page: Page) -> str:
    """A page's HTML with a line under its title, or before all else where it has none.

    Args:
        html: The page's main part.
        line: HTML.
        page: The page; with ``lead: true`` at the head of its guide its first paragraph comes before such lines.
    """
    before, end, after = html.partition("</p>" if page.meta.get("lead") is True else "</h1>")
    return f"{before}{end}{line}{after}" if end else f"{line}\n{html}"
