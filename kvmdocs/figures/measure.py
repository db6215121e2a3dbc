"""Estimates of text widths, and line wrapping.

The site uses the reader's own fonts, so exact widths are unknown; a drawing needs upper bounds. The values are the advances of
DejaVu Sans, the widest of the common fonts, so text in other fonts leaves some space. East Asian characters are as wide as they
are high.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

CODE = 0.61
"""Width of a character in a monospaced font, as a multiple of the font size."""

_NARROW = {
    ".": 0.32,
    ",": 0.32,
    ":": 0.34,
    ";": 0.34,
    "'": 0.28,
    "|": 0.34,
    "!": 0.4,
    "i": 0.28,
    "j": 0.28,
    "l": 0.28,
    "I": 0.3,
}
_NARROW |= dict.fromkeys('()[]{}ftr-/\\ "`', 0.4)
_WIDE = {"m": 0.98, "w": 0.82, "M": 0.87, "W": 0.99, "@": 1.0, "%": 0.95, "→": 0.84, "…": 1.0, "—": 1.0}
_UPPERCASE = 0.72
_DEFAULT = 0.63

_UNIT = re.compile(r"\s+|[^\s]")
_NO_LINE_START = "，。、；：？！）》」』”’…·,.;:?!)]}%"
_NO_LINE_END = "（《「『“‘([{"


@lru_cache(maxsize=4096)
def width(text: str, size: float, *, code: bool = False) -> float:
    """Return an upper bound of the width of a line of text, in the unit of `size`.

    Args:
        text: The text.
        size: The font size.
        code: True for a monospaced font.
    """
    return size * sum(_advance(character, code) for character in text)


def _advance(character: str, code: bool) -> float:
    if unicodedata.east_asian_width(character) in "WF":
        return 1.0
    if code:
        return CODE
    if character in _NARROW:
        return _NARROW[character]
    return _WIDE.get(character, _UPPERCASE if character.isupper() else _DEFAULT)


def wrap(text: str, max_width: float, size: float, *, code: bool = False) -> list[str]:
    """Wrap text into lines.

    Lines are broken at newlines, at spaces, and beside East Asian characters unless punctuation there forbids it. A word that
    is wider than a line is broken after ``_``, ``/``, ``-`` or ``.``, and anywhere if it is still too wide. The lines of text
    that is not code are balanced, so that no single word or character is left on the last line.

    Args:
        text: The text.
        max_width: The maximum width of a line.
        size: The font size.
        code: True for a monospaced font.
    """
    return [line for part in text.split("\n") for line in _balanced(part.strip(), max_width, size, code)]


def _balanced(text: str, max_width: float, size: float, code: bool) -> list[str]:
    lines = _wrap(text, max_width, size, code)
    if len(lines) == 1 or code:
        return lines
    widest = max(width(piece.strip(), size, code=code) for piece in _pieces(text))
    while max_width - size / 2 >= widest:
        max_width -= size / 2
        narrower = _wrap(text, max_width, size, code)
        if len(narrower) > len(lines):
            break
        lines = narrower
    return lines


def _wrap(text: str, max_width: float, size: float, code: bool) -> list[str]:
    lines = [""]
    for piece in _pieces(text):
        extended = lines[-1] + piece
        if width(extended.rstrip(), size, code=code) <= max_width:
            lines[-1] = extended
        elif width(piece.strip(), size, code=code) <= max_width:
            lines.append(piece.lstrip())
        else:
            lines += _break_word(piece.strip(), max_width, size, code)
    return [line.strip() for line in lines if line.strip()] or [""]


def _pieces(text: str) -> list[str]:
    """Split text where a line may be broken. A space belongs to the piece before it."""
    pieces = [""]
    for unit in _UNIT.findall(text):
        before = pieces[-1][-1:]
        wide = any(unicodedata.east_asian_width(one) in "WF" for one in (unit[0], before) if one)
        breakable = wide and unit not in _NO_LINE_START and before not in _NO_LINE_END and not unit.isspace()
        if before and (breakable or (before.isspace() and not unit.isspace())):
            pieces.append(unit)
        else:
            pieces[-1] += unit
    return pieces


def _break_word(word: str, max_width: float, size: float, code: bool) -> list[str]:
    lines = [""]
    for part in re.findall(r"[^_/.-]*[_/.-]?", word):
        for piece in [part] if width(part, size, code=code) <= max_width else list(part):
            if lines[-1] and width(lines[-1] + piece, size, code=code) > max_width:
                lines.append("")
            lines[-1] += piece
    return lines
