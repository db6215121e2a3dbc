"""Bar charts: counts, durations or amounts, with the numbers beside each bar."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kvmdocs.figures.canvas import LINE_HEIGHT, SIZE, SMALL, Canvas, widest
from kvmdocs.figures.figure import NARROW, WIDE, Figure
from kvmdocs.figures.measure import width, wrap

MIN_BAR = 1.5
"""Length in pixels of the shortest bar of a value above 0."""

_BAR_HEIGHT = 12.0
_GAP = 12.0
_MAX_LABEL = 250.0


@dataclass(frozen=True)
class Bar:
    """A row of a bar chart.

    Attributes:
        name: The name of the counted thing.
        parts: The values of its parts, drawn one after another.
        figures: The text beside the bar.
        note: An explanation of the name.
        code: True if the name is code.
    """

    name: str
    parts: tuple[float, ...]
    figures: str
    note: str = ""
    code: bool = True


def bars(figure: Figure, rows: Sequence[Bar], parts: Sequence[str], alternative: str) -> str:
    """Draw a bar chart, as HTML on one line.

    Args:
        figure: Title, description and caption.
        rows: The rows, from top to bottom.
        parts: The names of the parts of a bar, for the legend. There is no legend for a single part.
        alternative: The text alternative, as HTML.
    """
    return figure.html(_draw(rows, parts, WIDE, _beside), _draw(rows, parts, NARROW, _above), alternative)


def legend(canvas: Canvas, parts: Sequence[str], y: float) -> float:
    """Draw the legend: the names of the parts of a bar, each beside a sample of its colour.

    Returns:
        The y coordinate of its lower end.
    """
    x = 0.0
    for number, name in enumerate(parts, 1):
        entry = 18 + width(name, SMALL) + 18
        if x and x + entry > canvas.width:
            x, y = 0.0, y + SMALL * LINE_HEIGHT
        canvas.box((x, y - 9), (12, 10), f"pic-bar pic-p{number}", radius=1)
        canvas.text((x + 18, y), name, "pic-soft", size=SMALL)
        x += entry
    return y + 12


def _draw(rows: Sequence[Bar], parts: Sequence[str], total: float, row: Callable[..., float]) -> Canvas:
    longest = max((sum(bar.parts) for bar in rows), default=0) or 1
    label = min(max((_label(bar) for bar in rows), default=0.0), _MAX_LABEL)
    figures = max((width(bar.figures, SMALL) for bar in rows), default=0.0)
    canvas = Canvas(total)
    y = legend(canvas, parts, 12) if len(parts) > 1 else 0.0
    for bar in rows:
        y = row(canvas, bar, y, longest, label, figures)
    canvas.grow(y + 2)
    return canvas


def _label(bar: Bar) -> float:
    """Return the width that a row's name and note need beside the bars."""
    note = widest(wrap(bar.note, _MAX_LABEL, SMALL), SMALL) if bar.note else 0.0
    return max(width(bar.name, SIZE, code=bar.code), note)


def _beside(canvas: Canvas, bar: Bar, y: float, longest: float, label: float, figures: float) -> float:
    """Draw a row with name and note to the left of the bar. Return the y coordinate of the next row."""
    base = y + SIZE
    name = wrap(bar.name, label, SIZE, code=bar.code)
    below = canvas.lines((label, base), name, "pic-code" if bar.code else "", anchor="end")
    if bar.note:
        below = canvas.lines((label, below - 2), wrap(bar.note, label, SMALL), "pic-soft", size=SMALL, anchor="end")
    full = canvas.width - label - 20 - figures
    end = _draw_bar(canvas, bar, (label + 10, base - 10), full / longest)
    canvas.text((end + 8, base), bar.figures, "pic-soft", size=SMALL)
    return max(below - SIZE * LINE_HEIGHT + _GAP, base + _GAP)


def _above(canvas: Canvas, bar: Bar, y: float, longest: float, label: float, figures: float) -> float:
    """Draw a row with name, note and figures above the bar. Return the y coordinate of the next row."""
    del label, figures
    base = y + SIZE
    beside = width(bar.name, SIZE, code=bar.code) + width(bar.figures, SMALL) + 10 <= canvas.width
    next_ = canvas.lines((0, base), wrap(bar.name, canvas.width, SIZE, code=bar.code), "pic-code" if bar.code else "")
    if beside:
        canvas.text((canvas.width, base), bar.figures, "pic-soft", size=SMALL, anchor="end")
    small = wrap(bar.note, canvas.width, SMALL) if bar.note else []
    if not beside and small and width(small[-1] + bar.figures, SMALL) + 10 <= canvas.width:
        canvas.text(
            (canvas.width, next_ - 2 + (len(small) - 1) * SMALL * LINE_HEIGHT),
            bar.figures,
            "pic-soft",
            size=SMALL,
            anchor="end",
        )
    elif not beside:
        small = [*small, bar.figures]
    below = canvas.lines((0, next_ - 2), small, "pic-soft", size=SMALL) if small else next_ - 2
    _draw_bar(canvas, bar, (0, below - 10), canvas.width / longest)
    return below - 10 + _BAR_HEIGHT + _GAP - 2


def _draw_bar(canvas: Canvas, bar: Bar, at: tuple[float, float], scale: float) -> float:
    """Draw the bar.

    Returns:
        The x coordinate of its right end.
    """
    x, y = at
    for number, part in enumerate(bar.parts, 1):
        if part > 0:
            length = max(part * scale, MIN_BAR)
            canvas.box((x, y), (length, _BAR_HEIGHT), f"pic-bar pic-p{number}", radius=1)
            x += length
    return x
