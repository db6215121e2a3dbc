"""Conversion of terminal escape sequences to CSS classes. Colours and font styles are kept; all other sequences are dropped.

The sequences are those of ECMA-48. SGR ("select graphic rendition") sets colours and font styles.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

_SEQUENCE = re.compile(
    r"""
      (?:\x1b\[|\x9b)(?P<parameters>[0-?]*)[ -/]*(?P<final>[@-~])?            # CSI, SGR among them
    | (?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c]*(?:\x07|\x1b\\|\x9c)  # OSC and other strings, when they end
    | \x1b[ -/]*[0-~]                                                        # character sets, keypad modes, ...
    | \x1b
    """,
    re.VERBOSE,
)

_CUBE_LEVELS = (0, 95, 135, 175, 215, 255)
_BASIC = (
    (0, 0, 0), (205, 0, 0), (0, 205, 0), (205, 205, 0), (0, 0, 238), (205, 0, 205), (0, 205, 205), (229, 229, 229),
    (127, 127, 127), (255, 0, 0), (0, 255, 0), (255, 255, 0), (92, 92, 255), (255, 0, 255), (0, 255, 255), (255, 255, 255),
)  # fmt: skip
"""RGB values of xterm's sixteen colours. They only serve to find the nearest colour; the style sheet defines what is shown."""


@dataclass(frozen=True)
class Style:
    """Appearance of text.

    Attributes:
        colour: The foreground colour, 0 to 15; None for the default.
        background: The background colour, 0 to 15; None for the default.
        flags: Names of font styles, as in `_ON`.
    """

    colour: int | None = None
    background: int | None = None
    flags: frozenset[str] = field(default_factory=frozenset)

    @property
    def classes(self) -> str:
        """The CSS classes of the style; "" for plain text."""
        names = [f"tr-{flag}" for flag in sorted(self.flags)]
        if self.colour is not None:
            names.append(f"tr-f{self.colour}")
        if self.background is not None:
            names.append(f"tr-g{self.background}")
        return " ".join(names)


Spans = tuple[tuple[str, str], ...]
"""A line as pairs of CSS classes and text."""

_PLAIN = Style()
_ON = {1: "bold", 2: "faint", 3: "italic", 4: "underline", 7: "inverse", 9: "strike"}
_OFF = {22: {"bold", "faint"}, 23: {"italic"}, 24: {"underline"}, 27: {"inverse"}, 29: {"strike"}}


def paint(lines: Iterable[str]) -> Iterator[Spans]:
    """Yield the lines of an output as spans. A colour continues on the next line until a sequence ends it."""
    style = _PLAIN
    for line in lines:
        spans: list[tuple[str, str]] = []
        last = 0
        for sequence in _SEQUENCE.finditer(line):
            _add(spans, style, line[last : sequence.start()])
            last = sequence.end()
            if sequence["final"] == "m":
                style = _select(style, sequence["parameters"])
        _add(spans, style, line[last:])
        yield tuple(spans)


def plain(spans: Spans) -> str:
    """Return the text of a line, without its styles."""
    return "".join(text for _, text in spans)


def _add(spans: list[tuple[str, str]], style: Style, text: str) -> None:
    if text:
        spans.append((style.classes, text))


def _select(style: Style, parameters: str) -> Style:
    """Apply one SGR sequence. Private sequences (``ESC [ > 4 m``) are ignored."""
    if not re.fullmatch(r"[\d;:]*", parameters):
        return style
    # int() rejects very long digit strings, and no valid parameter has more than four digits.
    groups = [[int(part[-4:] or 0) for part in group.split(":")] for group in parameters.split(";")]
    while groups:
        group = groups.pop(0)
        if group[0] in (38, 48):
            colour = _extended(group[1:]) if len(group) > 1 else _extended(_take(groups))
            style = replace(style, colour=colour) if group[0] == 38 else replace(style, background=colour)
        elif group[0] == 4 and group[1:2] == [0]:
            style = replace(style, flags=style.flags - {"underline"})
        else:
            style = _simple(style, group[0])
    return style


def _simple(style: Style, code: int) -> Style:
    if code == 0:
        return _PLAIN
    if code in _ON:
        return replace(style, flags=style.flags | {_ON[code]})
    if code in _OFF:
        return replace(style, flags=style.flags - _OFF[code])
    if code in (39, 49):
        return replace(style, colour=None) if code == 39 else replace(style, background=None)
    for base, bright in ((30, 0), (90, 8)):
        if base <= code <= base + 7:
            return replace(style, colour=code - base + bright)
        if base + 10 <= code <= base + 17:
            return replace(style, background=code - base - 10 + bright)
    return style


def _take(groups: list[list[int]]) -> list[int]:
    """Remove and return the arguments of an extended colour that is written with semicolons: ``5;n`` or ``2;r;g;b``."""
    kind = groups[0][0] if groups else 0
    count = {5: 2, 2: 4}.get(kind, 1)
    arguments, groups[:] = groups[:count], groups[count:]
    return [group[0] for group in arguments]


def _extended(arguments: list[int]) -> int | None:
    """Return which of the sixteen colours is nearest to an indexed colour (``5 n``) or an RGB colour (``2 r g b``)."""
    match arguments:
        case [5, n, *_] if n < 16:
            return n
        case [5, n, *_] if n < 232:
            red, green, blue = (n - 16) // 36, (n - 16) // 6 % 6, (n - 16) % 6
            return _nearest(_CUBE_LEVELS[red], _CUBE_LEVELS[green], _CUBE_LEVELS[blue])
        case [5, n, *_] if n < 256:
            return _nearest(*[8 + 10 * (n - 232)] * 3)
        case [2, red, green, blue] | [2, _, red, green, blue, *_]:
            return _nearest(red, green, blue)
    return None


def _nearest(red: int, green: int, blue: int) -> int:
    wanted = (red, green, blue)
    return min(range(16), key=lambda n: sum((a - b) ** 2 for a, b in zip(_BASIC[n], wanted, strict=True)))
