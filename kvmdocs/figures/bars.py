"""Numbers as bars: how often, how long, how much, each row with its figures beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kvmdocs.figures.canvas import LEAD, SIZE, SMALL, Canvas, widest
from kvmdocs.figures.figure import NARROW, WIDE, Figure
from kvmdocs.figures.measure import width, wrap

LEAST = 1.5
"""Pixels of the shortest bar that is not nothing."""

_THICK = 12.0
_GAP = 12.0
_LABELS = 250.0


@dataclass(frozen=True)
class Bar:
    """A row.

    Attributes:
        name: What is counted.
        parts: The figures of its parts, which the bar puts one after another.
        figures: What stands beside it.
        note: What it is, in words.
        code: True if the name is code.
    """

    name: str
    parts: tuple[float, ...]
    figures: str
    note: str = ""
    code: bool = True


def bars(figure: Figure, rows: Sequence[Bar], parts: Sequence[str], alternative: str) -> str:
    """A picture of bars as HTML on one line.

    Args:
        figure: What is said of it.
        rows: The rows, in the order they are to be in.
        parts: What each part of a bar is; nothing is said of a single one.
        alternative: The same in words, as HTML.
    """
    return figure.html(_draw(rows, parts, WIDE, _beside), _draw(rows, parts, NARROW, _above), alternative)


def legend(canvas: Canvas, parts: Sequence[str], y: float) -> float:
    """What the parts of a bar are, each beside a piece of it.

    Returns:
        Where it ends.
    """
    x = 0.0
    for number, name in enumerate(parts, 1):
        room = 18 + width(name, SMALL) + 18
        if x and x + room > canvas.width:
            x, y = 0.0, y + SMALL * LEAD
        canvas.box((x, y - 9), (12, 10), f"pic-bar pic-p{number}", radius=1)
        canvas.text((x + 18, y), name, "pic-soft", size=SMALL)
        x += room
    return y + 12


def _draw(rows: Sequence[Bar], parts: Sequence[str], total: float, row: Callable[..., float]) -> Canvas:
    most = max((sum(one.parts) for one in rows), default=0) or 1
    label = min(max((_label(one) for one in rows), default=0.0), _LABELS)
    figures = max((width(one.figures, SMALL) for one in rows), default=0.0)
    canvas = Canvas(total)
    y = legend(canvas, parts, 12) if len(parts) > 1 else 0.0
    for one in rows:
        y = row(canvas, one, y, most, label, figures)
    canvas.grow(y + 2)
    return canvas


def _label(one: Bar) -> float:
    """How much room a row's name and note want beside the bars."""
    note = widest(wrap(one.note, _LABELS, SMALL), SMALL) if one.note else 0.0
    return max(width(one.name, SIZE, code=one.code), note)


def _beside(canvas: Canvas, one: Bar, y: float, most: float, label: float, figures: float) -> float:
    """Name and note to the left of the bar."""
    base = y + SIZE
    name = wrap(one.name, label, SIZE, code=one.code)
    below = canvas.lines((label, base), name, "pic-code" if one.code else "", anchor="end")
    if one.note:
        below = canvas.lines((label, below - 2), wrap(one.note, label, SMALL), "pic-soft", size=SMALL, anchor="end")
    room = canvas.width - label - 20 - figures
    end = _bar(canvas, one, (label + 10, base - 10), room / most)
    canvas.text((end + 8, base), one.figures, "pic-soft", size=SMALL)
    return max(below - SIZE * LEAD + _GAP, base + _GAP)


def _above(canvas: Canvas, one: Bar, y: float, most: float, label: float, figures: float) -> float:
    """Name, note and figures above the bar; the figures beside the name if there is room."""
    del label, figures
    base = y + SIZE
    beside = width(one.name, SIZE, code=one.code) + width(one.figures, SMALL) + 10 <= canvas.width
    next_ = canvas.lines((0, base), wrap(one.name, canvas.width, SIZE, code=one.code), "pic-code" if one.code else "")
    if beside:
        canvas.text((canvas.width, base), one.figures, "pic-soft", size=SMALL, anchor="end")
    small = wrap(one.note, canvas.width, SMALL) if one.note else []
    if not beside and small and width(small[-1] + one.figures, SMALL) + 10 <= canvas.width:
        canvas.text(
            (canvas.width, next_ - 2 + (len(small) - 1) * SMALL * LEAD), one.figures, "pic-soft", size=SMALL, anchor="end"
        )
    elif not beside:
        small = [*small, one.figures]
    below = canvas.lines((0, next_ - 2), small, "pic-soft", size=SMALL) if small else next_ - 2
    _bar(canvas, one, (0, below - 10), canvas.width / most)
    return below - 10 + _THICK + _GAP - 2


def _bar(canvas: Canvas, one: Bar, at: tuple[float, float], scale: float) -> float:
    """The bar itself.

    Returns:
        Where it ends.
    """
    x, y = at
    for number, part in enumerate(one.parts, 1):
        if part > 0:
            length = max(part * scale, LEAST)
            canvas.box((x, y), (length, _THICK), f"pic-bar pic-p{number}", radius=1)
            x += length
    return x
