"""Composition diagrams: the parts of a whole, a meter for each part, and the partner outside that it works for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from kvmdocs.figures.canvas import LINE_HEIGHT, SIZE, SMALL, Canvas
from kvmdocs.figures.figure import NARROW, WIDE, Figure
from kvmdocs.figures.measure import width, wrap

_PADDING = 12.0
_HEADING = 28.0
_ROW_HEIGHT = 44.0
_METER_WIDTH = 110.0
_PARTNER_WIDTH = 160.0
_GAP = 40.0


@dataclass(frozen=True)
class Part:
    """A part of a whole.

    Attributes:
        name: The name, shown as code.
        note: The part's purpose.
        figures: Numbers about the part, as text.
        share: The filled share of the part's meter, from 0 to 1.
        partner: The name of the partner outside that it works for; "" for none.
        look: The number of the part's look, from 1 to `LOOKS`.
    """

    name: str
    note: str
    figures: str
    share: float
    partner: str = ""
    look: int = 1


def parts(figure: Figure, heading: str, rows: Sequence[Part], alternative: str) -> str:
    """Draw a whole and its parts, as HTML on one line.

    Args:
        figure: Title, description and caption.
        heading: The name of the whole.
        rows: The parts. Parts with the same partner must be consecutive.
        alternative: The text alternative, as HTML.
    """
    return figure.html(_wide(heading, rows), _narrow(heading, rows), alternative)


def _wide(heading: str, rows: Sequence[Part]) -> Canvas:
    """Draw the parts in a frame, and to the right of it their partners, each as high as its parts."""
    frame = WIDE - _PARTNER_WIDTH - _GAP
    canvas = Canvas(WIDE, _HEADING + _ROW_HEIGHT * len(rows) + 10)
    canvas.box((1, 1), (frame - 2, canvas.height - 2), "pic-within")
    canvas.text((_PADDING, 19), heading, "pic-soft", size=SMALL)
    top = _HEADING
    for partner, group in groupby(rows, key=lambda part: part.partner):
        members = list(group)
        for number, part in enumerate(members):
            y = top + _ROW_HEIGHT * number
            _part(canvas, part, y, frame)
            if partner:
                middle = y + _ROW_HEIGHT / 2 - 3
                canvas.path([(frame - _PADDING, middle), (frame + _GAP, middle)], "pic-line")
        if partner:
            tall = _ROW_HEIGHT * len(members) - 10
            canvas.box((frame + _GAP, top + 2), (_PARTNER_WIDTH - 2, tall), "pic-node")
            lines = wrap(partner, _PARTNER_WIDTH - 20, SIZE)
            first = top + 2 + tall / 2 - (len(lines) - 1) * SIZE * LINE_HEIGHT / 2 + 4.5
            canvas.lines((frame + _GAP + _PARTNER_WIDTH / 2, first), lines, anchor="middle")
        top += _ROW_HEIGHT * len(members)
    return canvas


def _part(canvas: Canvas, part: Part, y: float, frame: float) -> None:
    """Draw the box of a part: name and note at the left, figures above the meter at the right."""
    canvas.box((_PADDING, y), (frame - 2 * _PADDING, _ROW_HEIGHT - 7), f"pic-node pic-{part.look}")
    canvas.text((2 * _PADDING, y + 16), part.name, "pic-code")
    canvas.text((2 * _PADDING, y + 31), part.note, "pic-soft", size=SMALL)
    left = frame - 2 * _PADDING - _METER_WIDTH
    canvas.text((left, y + 16), part.figures, "pic-soft", size=SMALL)
    _meter(canvas, part, (left, y + 23), _METER_WIDTH)


def _narrow(heading: str, rows: Sequence[Part]) -> Canvas:
    """Draw the parts one below the other, each with its partner's name."""
    inner = NARROW - 4 * _PADDING + 12
    canvas = Canvas(NARROW)
    y = canvas.lines((_PADDING, 19), wrap(heading, NARROW - 2 * _PADDING, SMALL), "pic-soft", size=SMALL) - 4
    for part in rows:
        note = wrap(part.note + (f" → {part.partner}" if part.partner else ""), inner, SMALL)
        beside = width(part.name, SIZE, code=True) + width(part.figures, SMALL) + 10 <= inner
        tall = 34 + len(note) * SMALL * LINE_HEIGHT + (0 if beside else SMALL * LINE_HEIGHT)
        canvas.box((_PADDING - 4, y), (NARROW - 2 * _PADDING + 8, tall), f"pic-node pic-{part.look}")
        x = 2 * _PADDING - 6
        canvas.text((x, y + 17), part.name, "pic-code")
        below = y + 17 + SMALL * LINE_HEIGHT
        if beside:
            canvas.text((x + inner, y + 17), part.figures, "pic-soft", size=SMALL, anchor="end")
        else:
            canvas.text((x, below), part.figures, "pic-soft", size=SMALL)
            below += SMALL * LINE_HEIGHT
        below = canvas.lines((x, below), note, "pic-soft", size=SMALL)
        _meter(canvas, part, (x, below - 9), inner)
        y += tall + 7
    canvas.grow(y + 4)
    canvas.sink(canvas.box((1, 1), (NARROW - 2, canvas.height - 2), "pic-within"))
    return canvas


def _meter(canvas: Canvas, part: Part, at: tuple[float, float], length: float) -> None:
    canvas.box(at, (length, 5), "pic-empty", radius=2)
    if part.share > 0:
        canvas.box(at, (max(length * min(part.share, 1.0), 2), 5), f"pic-bar pic-{part.look}", radius=2)
