"""Sizes and durations as text.

`parse_size` and `parse_time` in `kvmdocs.recording.signature` do the reverse.
"""

from __future__ import annotations

from dataclasses import dataclass

_SIZE_UNITS = ("B", "KiB", "MiB", "GiB", "TiB")


@dataclass(frozen=True)
class DurationForms:
    """Templates of a duration in one language.

    Attributes:
        seconds: Template below a minute, with ``{s}``.
        minutes: Template below an hour, with ``{m}`` and ``{s}``.
        hours: Template from an hour on, with ``{h}`` and ``{m}``.
    """

    seconds: str = "{s} s"
    minutes: str = "{m} min {s} s"
    hours: str = "{h} h {m} min"


_ENGLISH = DurationForms()


def size(count: float) -> str:
    """Return a number of bytes in the largest binary unit that leaves at least one, such as ``1.5 MiB``.

    The number has one decimal below 100, without ``.0``. It is rounded before the unit is chosen: one byte less than 1 MiB is
    ``1 MiB``.
    """
    value, unit = float(count), 0
    text = f"{value:.0f}"
    while float(text) >= 1024 and unit < len(_SIZE_UNITS) - 1:
        value, unit = value / 1024, unit + 1
        text = f"{value:.1f}".removesuffix(".0") if value < 99.95 else f"{value:.0f}"
    return f"{text} {_SIZE_UNITS[unit]}"


def duration(seconds: float, forms: DurationForms = _ENGLISH) -> str:
    """Return a duration, such as ``0.4 s``, ``12 s``, ``3 min 5 s`` or ``1 h 2 min``.

    The value is rounded before the unit is chosen: 59.6 s is ``1 min 0 s``.

    Args:
        seconds: The duration in seconds.
        forms: The language's templates; English if not given.
    """
    if seconds < 9.95:
        return forms.seconds.format(s=f"{seconds:.1f}")
    whole = round(seconds)
    if whole < 60:
        return forms.seconds.format(s=whole)
    if whole < 3600:
        return forms.minutes.format(m=whole // 60, s=whole % 60)
    minutes = round(seconds / 60)
    return forms.hours.format(h=minutes // 60, m=minutes % 60)
