"""A whole and its parts, how much each part does, and whom it works for outside."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

from kvmdocs.figures.canvas import LEAD, SIZE, SMALL, Canvas
from kvmdocs.figures.figure import NARROW, WIDE, Figure
from kvmdocs.figures.measure import width, wrap

_PAD = 12.0
_HEAD = 28.0
_ROW = 44.0
_METER = 110.0
_PARTNER = 160.0
_GAP = 40.0


@dataclass(frozen=True)
class Part:
    """A part.

    Attributes:
        name: Its name, which is code.
        note: What it does.
        figures: Figures about it.
        share: How much of its bar is filled, from 0 to 1.
        partner: Whom it works for outside; "" for nobody in particular.
        look: Which of the looks `LOOKS` it has.
    """

    name: str
    note: str
    figures: str
    share: float
    partner: str = ""
    look: int = 1


def parts(figure: Figure, heading: str, rows: Sequence[Part], alternative: str) -> str:
    """A whole and its parts as HTML on one line.

    Args:
        figure: What is said of it.
        heading: What the whole is.
        rows: Its parts; those with one partner follow each other.
        alternative: The same in words, as HTML.
    """
    return figure.html(_wide(heading, rows), _narrow(heading, rows), alternative)


def _wide(heading: str, rows: Sequence[Part]) -> Canvas:
    """The parts in a frame, and their partners to the right of it, each as high as its parts."""
    frame = WIDE - _PARTNER - _GAP
    canvas = Canvas(WIDE, _HEAD + _ROW * len(rows) + 10)
    canvas.box((1, 1), (frame - 2, canvas.height - 2), "pic-within")
    canvas.text((_PAD, 19), heading, "pic-soft", size=SMALL)
    top = _HEAD
    for partner, group in groupby(rows, key=lambda part: part.partner):
        those = list(group)
        for number, part in enumerate(those):
            y = top + _ROW * number
            _part(canvas, part, y, frame)
            if partner:
                middle = y + _ROW / 2 - 3
                canvas.path([(frame - _PAD, middle), (frame + _GAP, middle)], "pic-line")
        if partner:
            tall = _ROW * len(those) - 10
            canvas.box((frame + _GAP, top + 2), (_PARTNER - 2, tall), "pic-node")
            lines = wrap(partner, _PARTNER - 20, SIZE)
            first = top + 2 + tall / 2 - (len(lines) - 1) * SIZE * LEAD / 2 + 4.5
            canvas.lines((frame + _GAP + _PARTNER / 2, first), lines, anchor="middle")
        top += _ROW * len(those)
    return canvas


def _part(canvas: Canvas, part: Part, y: float, frame: float) -> None:
    """A part in its box: name and note at the left, figures over a bar at the right."""
    canvas.box((_PAD, y), (frame - 2 * _PAD, _ROW - 7), f"pic-node pic-{part.look}")
    canvas.text((2 * _PAD, y + 16), part.name, "pic-code")
    canvas.text((2 * _PAD, y + 31), part.note, "pic-soft", size=SMALL)
    left = frame - 2 * _PAD - _METER
    canvas.text((left, y + 16), part.figures, "pic-soft", size=SMALL)
    _meter(canvas, part, (left, y + 23), _METER)


def _narrow(heading: str, rows: Sequence[Part]) -> Canvas:
    """The parts one below the other, each with its partner's name."""
    inner = NARROW - 4 * _PAD + 12
    canvas = Canvas(NARROW)
    y = canvas.lines((_PAD, 19), wrap(heading, NARROW - 2 * _PAD, SMALL), "pic-soft", size=SMALL) - 4
    for part in rows:
        note = wrap(part.note + (f" → {part.partner}" if part.partner else ""), inner, SMALL)
        beside = width(part.name, SIZE, code=True) + width(part.figures, SMALL) + 10 <= inner
        tall = 34 + len(note) * SMALL * LEAD + (0 if beside else SMALL * LEAD)
        canvas.box((_PAD - 4, y), (NARROW - 2 * _PAD + 8, tall), f"pic-node pic-{part.look}")
        x = 2 * _PAD - 6
        canvas.text((x, y + 17), part.name, "pic-code")
        below = y + 17 + SMALL * LEAD
        if beside:
            canvas.text((x + inner, y + 17), part.figures, "pic-soft", size=SMALL, anchor="end")
        else:
            canvas.text((x, below), part.figures, "pic-soft", size=SMALL)
            below += SMALL * LEAD
        below = canvas.lines((x, below), note, "pic-soft", size=SMALL)
        _meter(canvas, part, (x, below - 9), inner)
        y += tall + 7
    canvas.grow(y + 4)
    canvas.sink(canvas.box((1, 1), (NARROW - 2, canvas.height - 2), "pic-within"))
    return canvas


def _meter(canvas: Canvas, part: Part, at: tuple[float, float], room: float) -> None:
    canvas.box(at, (room, 5), "pic-empty", radius=2)
    if part.share > 0:
        canvas.box(at, (max(room * min(part.share, 1.0), 2), 5), f"pic-bar pic-{part.look}", radius=2)
