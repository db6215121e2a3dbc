"""How wide text will be in a browser that is not there.

The site's fonts are the reader's own, so nobody can know a width; a drawing needs one that is not too small. These are the advances of DejaVu Sans,
the widest of the common ones, so other fonts leave a little room. East Asian characters are as wide as they are high.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

CODE = 0.61
"""Width of a character of a monospaced font, in its size."""

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
_CAPITAL = 0.72
_OTHER = 0.63

_UNIT = re.compile(r"\s+|[^\s]")
_NO_BEGIN = "，。、；：？！）》」』”’…·,.;:?!)]}%"
_NO_END = "（《「『“‘([{"


@lru_cache(maxsize=4096)
def width(text: str, size: float, *, code: bool = False) -> float:
    """How wide a line of text is at most, in the units of its size.

    Args:
        text: The text.
        size: The size of the font.
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
    return _WIDE.get(character, _CAPITAL if character.isupper() else _OTHER)


def wrap(text: str, room: float, size: float, *, code: bool = False) -> list[str]:
    """Cut text into lines that fit.

    A line ends where the text has a newline, at a space, or beside an East Asian character unless a mark there forbids it. A word that is
    wider than a line is cut after ``_``, ``/``, ``-`` or ``.``, and anywhere if that does not help either. Text that is not code is given
    lines of about the same width, so that no word and no character is left alone on the last.

    Args:
        text: The text.
        room: How wide a line may be.
        size: The size of the font.
        code: True for a monospaced font.
    """
    return [line for part in text.split("\n") for line in _balanced(part.strip(), room, size, code)]


def _balanced(text: str, room: float, size: float, code: bool) -> list[str]:
    lines = _wrap(text, room, size, code)
    if len(lines) == 1 or code:
        return lines
    widest = max(width(piece.strip(), size, code=code) for piece in _pieces(text))
    while room - size / 2 >= widest:
        room -= size / 2
        narrower = _wrap(text, room, size, code)
        if len(narrower) > len(lines):
            break
        lines = narrower
    return lines


def _wrap(text: str, room: float, size: float, code: bool) -> list[str]:
    lines = [""]
    for piece in _pieces(text):
        whole = lines[-1] + piece
        if width(whole.rstrip(), size, code=code) <= room:
            lines[-1] = whole
        elif width(piece.strip(), size, code=code) <= room:
            lines.append(piece.lstrip())
        else:
            lines += _cut(piece.strip(), room, size, code)
    return [line.strip() for line in lines if line.strip()] or [""]


def _pieces(text: str) -> list[str]:
    """The parts of a text between which a line may end; a space belongs to the part before it."""
    pieces = [""]
    for unit in _UNIT.findall(text):
        before = pieces[-1][-1:]
        wide = any(unicodedata.east_asian_width(one) in "WF" for one in (unit[0], before) if one)
        apart = wide and unit not in _NO_BEGIN and before not in _NO_END and not unit.isspace()
        if before and (apart or (before.isspace() and not unit.isspace())):
            pieces.append(unit)
        else:
            pieces[-1] += unit
    return pieces


def _cut(word: str, room: float, size: float, code: bool) -> list[str]:
    lines = [""]
    for part in re.findall(r"[^_/.-]*[_/.-]?", word):
        for piece in [part] if width(part, size, code=code) <= room else list(part):
            if lines[-1] and width(lines[-1] + piece, size, code=code) > room:
                lines.append("")
            lines[-1] += piece
    return lines
