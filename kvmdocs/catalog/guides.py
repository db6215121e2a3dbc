"""Guides and their blocks: find every ``python exec="on"`` block of a Markdown file, with its line.

What markdown-exec executes is a block (`kvmdocs.catalog.fences`), unless it stands in an HTML comment or in indented code.
"""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from kvmdocs.catalog.fences import Fence, comment_lines, find_fences, without_front_matter

_OPENING = re.compile(r"^(?P<indent>[ \t>]*(?:[-*+][ \t]+|\d+[.)][ \t]+)*)(?P<fence>`{3,}|~{3,})(?P<info>[^`]*)$")
"""Matches a line that an author may mean as the opening of a fence, also behind a bullet, where Markdown takes none."""


@dataclass(frozen=True)
class Block:
    """An executable block of a guide.

    Attributes:
        guide: The guide whose page executes it.
        line: The line of the opening fence in the file that it is written in, counted from 1.
        code: Its Python code.
        session: Name of the session whose variables it shares, or "".
        source: markdown-exec's option for the source beside the output, or "".
        result: markdown-exec's option for the language of the output, or "".
        number: Its number on the page, counted from 0.
        file: The file that it is written in: the guide, or one that the guide includes.
    """

    guide: Path
    line: int
    code: str
    session: str = ""
    source: str = ""
    result: str = ""
    number: int = 0
    file: Path = Path()

    def padded(self) -> str:
        """Return the code after empty lines, so that its line numbers are those of the file."""
        return "\n" * self.line + self.code


def read_guide(path: Path) -> str:
    """Return the text of a guide as MkDocs reads it.

    Raises:
        UnicodeDecodeError: It is not UTF-8.
    """
    return path.read_text("utf-8-sig")


def find_blocks(guide: Path) -> list[Block]:
    """Return all executable Python blocks of a guide, in order.

    Raises:
        UnicodeDecodeError: The guide is not UTF-8.
    """
    return blocks_of(guide, read_guide(guide))


def blocks_of(guide: Path, text: str) -> list[Block]:
    """Return all executable Python blocks of a guide's text, in order. Examples in indented code count, too."""
    fences = [fence for fence in find_fences(text) if fence.is_python]
    return [block_of(guide, fence, guide, fence.line, number) for number, fence in enumerate(fences)]


def block_of(guide: Path, fence: Fence, file: Path, line: int, number: int) -> Block:
    """Return the block of a fence that markdown-exec executes.

    Args:
        guide: The guide of the page.
        fence: The fence.
        file: The file that it is written in.
        line: Its line there.
        number: Its number on the page.
    """
    options = fence.options or {}
    return Block(guide, line, fence.code, options["session"], options["source"], options["result"], number, file)


def is_executed(options: Mapping[str, str]) -> bool:
    """Check whether markdown-exec executes a fence with these options."""
    return options.get("exec", "no").lower() not in {"", "no", "off", "false", "0"}


def python_fences(text: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line, counted from 1, and the options of each line that opens a Python fence, or is meant to."""
    for number, line in lines_to_read(text):
        opening = _OPENING.match(line)
        if opening and (options := options_of(opening["info"])):
            yield number, options


def lines_to_read(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number and the text of each line outside of fences and comments, and of each line that opens a fence."""
    lines = without_front_matter(text).split("\n")
    for fence in find_fences(text):
        first = fence.line - 1 if fence.commented else fence.line
        lines[first : fence.end] = [""] * (fence.end - first)
    return ((number, line) for number, line in enumerate(lines, 1) if line)


def unexecuted(text: str) -> Iterator[tuple[int, str]]:
    """Yield each line that is written as the opening of a block but opens none, and why.

    The page would show the block's source.
    """
    opened = {fence.line for fence in find_fences(text) if fence.options is not None}
    commented = _commented(text)
    for number, line in lines_to_read(text):
        opening = _OPENING.match(line)
        if not opening or number in opened or number in commented or not is_executed(options_of(opening["info"])):
            continue
        if opening["indent"].strip(" \t>"):
            yield number, "its fence stands on the line of a bullet or number: begin it on a line of its own, indented"
        elif _OPENING.match(line.strip()) and not _is_closed(text, number, opening["fence"]):
            yield number, "its fence is never closed: end it with a line of as many of the same characters, indented alike"
        else:
            yield number, "its options are not those of a block, or its lines are indented less than its fence"


def _commented(text: str) -> set[int]:
    return comment_lines(text, find_fences(text))


def _is_closed(text: str, number: int, fence: str) -> bool:
    closing = re.compile(rf"^[ \t>]*{re.escape(fence[0])}{{{len(fence)}}}[ \t]*$")
    return any(closing.match(line) for line in text.split("\n")[number:])


def outside_blocks(text: str) -> Iterator[tuple[int, str]]:
    """Yield the number, counted from 1, and the text of each line of a guide outside of all fences."""
    lines = text.split("\n")
    inside = {number for fence in find_fences(text) for number in range(fence.line, fence.end + 1)}
    return ((number, line) for number, line in enumerate(lines, 1) if number not in inside)


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


def shows(source: str) -> bool:
    """Check whether a block calls ``show()`` of something. A block that cannot be parsed counts: reading it names the error."""
    try:
        return bool(_shows(ast.parse(source)))
    except SyntaxError:
        return ".show" in source


def only_shows(source: str) -> bool:
    """Check whether a block prints nothing but transcripts: it calls ``show()``, never with ``render``, and never ``print``."""
    try:
        tree = ast.parse(source)
    except SyntaxError:
        return False
    calls = _shows(tree)
    # A keyword argument without a name is `**options`, which may contain `render`.
    renders = any(keyword.arg in {None, "render"} for call in calls for keyword in call.keywords)
    prints = any(isinstance(node, ast.Name) and node.id == "print" for node in ast.walk(tree))
    return bool(calls) and not renders and not prints


def _shows(tree: ast.AST) -> list[ast.Call]:
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "show"
    ]
