"""Guides and their blocks: find every ``python exec="on"`` block of a Markdown file, with its line.

The syntax is that of pymdownx.superfences with markdown-exec: a fence of three or more backticks or tildes, indented or not,
closed by a fence of the same character that is at least as long. A block inside a longer fence is an example and is not
executed.
"""

from __future__ import annotations

import ast
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
        code: Its Python code.
        session: Name of the session whose variables it shares, or "".
    """

    guide: Path
    line: int
    code: str
    session: str = ""

    def source(self) -> str:
        """Return the code after empty lines, so that its line numbers are those of the guide."""
        return "\n" * self.line + self.code


def find_blocks(guide: Path) -> list[Block]:
    """Return all executable Python blocks of a guide, in order.

    Raises:
        UnicodeDecodeError: The guide is not UTF-8.
    """
    return blocks_of(guide, guide.read_text("utf-8"))


def blocks_of(guide: Path, text: str) -> list[Block]:
    """Return all executable Python blocks of a guide's text, in order."""
    return list(_blocks(guide, text.removesuffix("\n").split("\n")))


def _blocks(guide: Path, lines: list[str]) -> Iterator[Block]:
    for number, opening, end in _lines(lines):
        if opening and "exec" in opening["info"] and is_executed(options := options_of(opening["info"])):
            body = lines[number + 1 : end]
            yield Block(guide, number + 1, dedent("\n".join(_unquoted(body, opening["indent"]))), options.get("session", ""))


def is_executed(options: Mapping[str, str]) -> bool:
    """Check whether a fence with these options is an executable block."""
    return options.get("exec", "").lower() in _TRUE


def python_fences(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line, counted from 1, and the options of each Python fence of a guide, executable or not."""
    for number, opening, _ in _lines(text.split("\n")):
        if opening and (options := options_of(opening["info"])):
            yield number + 1, options


def outside_blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number, counted from 1, and the text of each line of a guide outside of all fences."""
    lines = text.split("\n")
    return ((number + 1, lines[number]) for number, opening, _ in _lines(lines) if not opening)


def _lines(lines: list[str]) -> Iterator[tuple[int, re.Match[str] | None, int]]:
    """Yield each line outside of all fences, counted from 0, and each opening fence.

    For an opening fence, yield its line, its match and the line of its closing fence; for another line, its number, None and
    its number.
    """
    number = 0
    while number < len(lines):
        opening = _FENCE.match(lines[number])
        end = _closing(lines, number, opening["fence"]) if opening else number
        yield number, opening, end
        number = end + 1


def _closing(lines: list[str], opening: int, fence: str) -> int:
    """Return the line of the closing fence, or the number of lines if there is none."""
    closing = re.compile(rf"^[ \t>]*{re.escape(fence[0])}{{{len(fence)},}}[ \t]*$")
    for number in range(opening + 1, len(lines)):
        if closing.match(lines[number]):
            return number
    return len(lines)


def _unquoted(body: list[str], indent: str) -> list[str]:
    """Remove the quotation marks from the lines of a block inside a block quotation."""
    if ">" not in indent:
        return body
    return [re.sub(r"^[ \t]*(> ?)+", "", line) for line in body]


@lru_cache
def options_of(info: str) -> dict[str, str]:
    """Return the options of a Python fence: ``python exec="on"``, also in braces with a leading dot. Others have none."""
    try:
        words = shlex.split(info.strip().strip("{}"))
    except ValueError:
        return {}
    if not words or words[0].lstrip(".") not in ("python", "py"):
        return {}
    return dict(word.split("=", 1) for word in words[1:] if "=" in word)


def only_shows(source: str) -> bool:
    """Check whether a block prints nothing but transcripts: it calls ``show()``, never with ``render``, and never ``print``."""
    try:
        nodes = list(ast.walk(ast.parse(source)))
    except SyntaxError:
        return False
    shows = [
        node
        for node in nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "show"
    ]
    # A keyword argument without a name is `**options`, which may contain `render`.
    renders = any(keyword.arg in {None, "render"} for call in shows for keyword in call.keywords)
    prints = any(isinstance(node, ast.Name) and node.id == "print" for node in nodes)
    return bool(shows) and not renders and not prints
