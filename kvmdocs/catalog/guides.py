"""Guides and their blocks: finding every ``python exec="on"`` block of a Markdown file, with its line.

The form is that of pymdownx.superfences with markdown-exec: a fence of three or more backticks or tildes, indented or
not, closed by a fence of the same kind that is at least as long. A block inside a longer fence is an example, not a block.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from textwrap import dedent

_FENCE = re.compile(r"^(?P<indent>[ \t>]*)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
_TRUE = {"yes", "on", "true", "1"}


@dataclass(frozen=True)
class Block:
    """An executable block of a guide.

    Attributes:
        guide: The Markdown file.
        line: The line of the opening fence, counted from 1.
        code: The Python in it.
        session: Name of the session whose names it shares, or "".
    """

    guide: Path
    line: int
    code: str
    session: str = ""

    def source(self) -> str:
        """The code with as many empty lines before it as put it on its lines in the guide."""
        return "\n" * self.line + self.code


def find_blocks(guide: Path) -> list[Block]:
    """All executable Python blocks of a guide, in order.

    Raises:
        UnicodeDecodeError: The guide is not UTF-8.
    """
    return blocks_of(guide, guide.read_text("utf-8"))


def blocks_of(guide: Path, text: str) -> list[Block]:
    """The same for a guide whose text is known."""
    return list(_blocks(guide, text.removesuffix("\n").split("\n")))


def _blocks(guide: Path, lines: list[str]) -> Iterator[Block]:
    for number, opening, end in _lines(lines):
        if opening and "exec" in opening["info"] and is_executed(options := options_of(opening["info"])):
            body = lines[number + 1 : end]
            yield Block(guide, number + 1, dedent("\n".join(_unquoted(body, opening["indent"]))), options.get("session", ""))


def is_executed(options: Mapping[str, str]) -> bool:
    """Whether a fence with these options is a block."""
    return options.get("exec", "").lower() in _TRUE


def python_fences(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Line, counted from 1, and options of each fence of Python in a guide, executable or not."""
    for number, opening, _ in _lines(text.split("\n")):
        if opening and (options := options_of(opening["info"])):
            yield number + 1, options


def outside_blocks(text: str) -> Iterator[tuple[int, str]]:
    """Number, counted from 1, and text of each line of a guide that lies in no fence, executable or not."""
    lines = text.split("\n")
    return ((number + 1, lines[number]) for number, opening, _ in _lines(lines) if not opening)


def _lines(lines: list[str]) -> Iterator[tuple[int, re.Match[str] | None, int]]:
    """Each line that lies in no fence, counted from 0: what opens a fence there and the line of its end, or None and the line itself."""
    number = 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        end = _closing(lines, number, opening["fence"]) if opening else number
        yield number, opening, end
        number = end + 1


def _closing(lines: list[str], opening: int, fence: str) -> int:
    """The line of the closing fence; past the last line when there is none."""
    closing = re.compile(rf"^[ \t>]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$")
    for number in range(opening + 1, len(lines)):
        if closing.match(lines[number]):
            return number
    return len(lines)


def _unquoted(body: list[str], indent: str) -> list[str]:
    """Lines of a block inside a quotation without its marks."""
    if ">" not in indent:
        return body
    return [re.sub(r"^[ \t]*(> ?)+", "", line) for line in body]


@lru_cache
def options_of(info: str) -> dict[str, str]:
    """Options of a fence of Python, ``python exec="on"``, also in braces with a leading dot; none if it is of something else."""
    try:
        words = shlex.split(info.strip().strip("{}"))
    except ValueError:
        return {}
    if not words or words[0].lstrip(".") not in ("python", "py"):
        return {}
    return dict(word.split("=", 1) for word in words[1:] if "=" in word)
