"""Timelines: one row per time span, on a common axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from kvmdocs.figures.canvas import LINE_HEIGHT, SIZE, SMALL, Canvas
from kvmdocs.figures.figure import NARROW, WIDE, Figure
from kvmdocs.figures.measure import width, wrap

_BAR_HEIGHT = 12.0
_GAP = 11.0
_MAX_LABEL = 250.0
_MIN_BAR = 2.0


@dataclass(frozen=True)
class Span:
    """A time span.

    Attributes:
        name: The name of the activity.
        start: The start, in the unit of the axis.
        end: The end, in the unit of the axis.
        figures: The text beside the bar.
        look: The number of its look, from 1 to `LOOKS`.
    """

    name: str
    start: float
    end: float
    figures: str
    look: int = 1


def timeline(figure: Figure, spans: Sequence[Span], unit: str, alternative: str) -> str:
    """Draw a timeline, as HTML on one line.

    Args:
        figure: Title, description and caption.
        spans: The time spans, from top to bottom.
        unit: The unit of the axis.
        alternative: The text alternative, as HTML.
    """
    return figure.html(_draw(spans, unit, WIDE, beside=True), _draw(spans, unit, NARROW, beside=False), alternative)


def ticks(end: float, max_ticks: int) -> list[float]:
    """Return round values for the ticks of an axis from 0 to `end`.

    Args:
        end: The end of the axis.
        max_ticks: The maximum number of ticks after the one at 0.
    """
    rough = end / max_ticks or 1.0
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * 0.999)
    return [step * index for index in range(int(end / step + 1.001))]


def _draw(spans: Sequence[Span], unit: str, total: float, *, beside: bool) -> Canvas:
    end = max((span.end for span in spans), default=1.0) or 1.0
    label = min(max((width(span.name, SIZE) for span in spans), default=0.0), _MAX_LABEL) + 12 if beside else 0.0
    # The last bar needs space for its figures.
    figures = max((width(span.figures, SMALL) for span in spans), default=0.0) + 8 if beside else 0.0
    scale = (total - label - figures) / end
    canvas = Canvas(total)
    y = 24.0
    for span in spans:
        y = _row(canvas, span, y, (label, scale), beside=beside)
    canvas.grow(y + 4)
    _axis(canvas, (label, scale), end, unit, 8 if beside else 4)
    return canvas


def _axis(canvas: Canvas, place: tuple[float, float], end: float, unit: str, max_ticks: int) -> None:
    left, scale = place
    for index, tick in enumerate(ticks(end, max_ticks)):
        x = left + tick * scale
        canvas.upright(x, (18, canvas.height), "pic-grid")
        text = f"{tick:g}" + (f" {unit}" if not index else "")
        half = width(text, SMALL) / 2
        anchor = "start" if not index else "middle" if x + half <= canvas.width else "end"
        canvas.text((x, 12), text, "pic-soft", size=SMALL, anchor=anchor)


def _row(canvas: Canvas, span: Span, y: float, place: tuple[float, float], *, beside: bool) -> float:
    left, scale = place
    base = y + SIZE
    start, length = left + span.start * scale, max((span.end - span.start) * scale, _MIN_BAR)
    look = f"pic-bar pic-{span.look}"
    if beside:
        below = canvas.lines((0, base), wrap(span.name, left - 12, SIZE)) - SIZE * LINE_HEIGHT
        canvas.box((start, base - 10), (length, _BAR_HEIGHT), look, radius=1)
        canvas.text((start + length + 8, base), span.figures, "pic-soft pic-halo", size=SMALL)
        return below + _GAP
    canvas.text((canvas.width, base), span.figures, "pic-soft pic-halo", size=SMALL, anchor="end")
    names = wrap(span.name, canvas.width - width(span.figures, SMALL) - 10, SIZE)
    below = canvas.lines((0, base), names, "pic-halo") - SIZE * LINE_HEIGHT
    canvas.box((start, below + 6), (length, _BAR_HEIGHT), look, radius=1)
    return below + 6 + _BAR_HEIGHT + _GAP
