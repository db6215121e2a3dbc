"""A page's badge as an SVG of its own, for use elsewhere: it can count on no style sheet and on no font."""

from __future__ import annotations

import unicodedata

from kvmdocs.core.html import attribute, escape
from kvmdocs.site.status.data import PageRow, State
from kvmdocs.site.status.words import StatusWords, counted, recipes

COLOURS = {
    State.CURRENT: "#1d6b3a",
    State.RECORDED: "#1f51b5",
    State.SKIPPED: "#7a5200",
    State.NONE: "#5d574d",
    State.RUNNING: "#5d574d",
    State.STALE: "#7a5200",
    State.BLOCKED: "#b3261e",
    State.FAILED: "#b3261e",
}
"""What is behind the right half; white on each of them has a contrast of more than 4.5 to 1."""

LETTER = 6.5
"""Width of a letter at 11 pixels in the fonts that browsers have for "sans-serif", on the average; a Chinese one takes 11."""
ROOM = 8
"""On both sides of a text."""


def badge_svg(page: PageRow, say: StatusWords) -> str:
    """The badge of a page: how many recipes it shows, and how they stand."""
    left, right = recipes(len(page.recipes), say), counted(page.counts, say)
    first, second = _width(left), _width(right)
    total = first + second + 4 * ROOM
    middle = first + 2 * ROOM
    label = attribute(f"{left}: {right}")

    def text(told: str, across: float, length: float) -> str:
        # Whatever font there is, the text takes the room that was made for it.
        return f'<text x="{across:g}" y="14" textLength="{length:g}">{escape(told)}</text>'

    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total:g}" height="20" role="img" aria-label="{label}">'
        f'<title>{escape(f"{left}: {right}")}</title><clipPath id="r"><rect width="{total:g}" height="20" rx="3"/></clipPath>'
        f'<g clip-path="url(#r)"><rect width="{middle:g}" height="20" fill="#3a3732"/>'
        f'<rect x="{middle:g}" width="{total - middle:g}" height="20" fill="{COLOURS[page.state]}"/></g>'
        f'<g fill="#fff" font-family="Verdana,\'DejaVu Sans\',\'Noto Sans CJK SC\',sans-serif" font-size="11">'
        f"{text(left, ROOM, first)}{text(right, middle + ROOM, second)}</g></svg>\n"
    )


def _width(text: str) -> float:
    return sum(11.0 if unicodedata.east_asian_width(letter) in "WF" else LETTER for letter in text)
