"""Fences of a guide, found by the parser that renders it: the preprocessor of pymdownx.superfences.

So a block of the page, of the tests and of the plan is the same block, however it is indented, quoted or nested. The validator
is markdown-exec's own: what it would execute is executable here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown import Markdown
    from pymdownx.superfences import SuperFencesBlockPreprocessor

_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)", re.DOTALL)
_INLINE_CODE = re.compile(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)")
_FRONT_MATTER = re.compile(r"\A---[ \t]*\n.*?^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


@dataclass(frozen=True)
class Fence:
    """A fence of a guide, from its opening to its closing line.

    Attributes:
        line: Line of the opening, counted from 1.
        end: Line of the closing.
        language: Its language, or "".
        indent: Columns before the opening, quotation marks included.
        code: Its content, without indentation and quotation marks.
        options: Options of markdown-exec if it would execute the fence; None otherwise.
        commented: True if it stands in an HTML comment.
    """

    line: int
    end: int
    language: str
    indent: int
    code: str
    options: dict[str, Any] | None = field(default=None, compare=False)
    commented: bool = False

    @property
    def is_python(self) -> bool:
        """True if it is an executable block in Python."""
        return self.options is not None and self.language in ("python", "py") and not self.commented


@lru_cache(maxsize=256)
def find_fences(text: str) -> tuple[Fence, ...]:
    """Return the fences of a guide's text, in order.

    Args:
        text: The text, with front matter.
    """
    if "```" not in text and "~~~" not in text:
        return ()
    text = without_front_matter(text)
    found = _scan(text.expandtabs(4).split("\n"))
    comments = comment_lines(text, found)
    return tuple(
        Fence(one.line, one.end, one.language, one.indent, one.code, one.options, one.line in comments) for one in found
    )


def without_front_matter(text: str) -> str:
    """Return a guide's text with empty lines in place of its front matter."""
    return _FRONT_MATTER.sub(lambda found: "\n" * found[0].count("\n"), text, count=1)


def without_commented_fences(text: str) -> str:
    """Return a guide's text without the HTML comments that contain executable fences.

    superfences looks for fences before anything looks for comments, so markdown-exec would execute them. The lines keep their
    numbers.
    """
    lines = text.split("\n")
    for fence in find_fences(text):
        if fence.commented and fence.options is not None:
            lines[fence.line - 1 : fence.end] = [""] * (fence.end - fence.line + 1)
    return "\n".join(lines)


def comment_lines(text: str, fences: Sequence[Fence]) -> set[int]:
    """Return the numbers of the lines in HTML comments. A comment does not begin inside a fence or in inline code."""
    lines = [_INLINE_CODE.sub("", line) for line in text.split("\n")]
    for fence in fences:
        lines[fence.line - 1 : fence.end] = [""] * (fence.end - fence.line + 1)
    plain = "\n".join(lines)
    numbers: set[int] = set()
    for comment in _COMMENT.finditer(plain):
        first = plain.count("\n", 0, comment.start()) + 1
        numbers.update(range(first, first + comment[0].count("\n") + 1))
    return numbers


def _scan(lines: list[str]) -> list[Fence]:
    """Return the fences that superfences finds in lines. Comments are not looked at."""
    finder = _finder()
    finder.found = []
    finder.run(lines)
    found: list[Fence] = finder.found
    return found


@cache
def _finder() -> Any:
    """Return a preprocessor that notes fences in its list `found` and replaces nothing."""
    # Imported late: the import takes time, and commands that read no guide do not need it.
    from markdown import Markdown
    from markdown_exec import formatters
    from pymdownx.superfences import SuperFencesBlockPreprocessor

    class Finder(SuperFencesBlockPreprocessor):  # type: ignore[misc]  # pymdownx has no types
        """The preprocessor of superfences, with what it does to a fence replaced."""

        found: list[Fence]

        def run(self, lines: list[str]) -> list[str]:
            """Find the fences in lines."""
            self.clear()
            self.stack: list[Any] = []
            self.relaxed_headers = False
            self.attr_list = False
            self.search_nested(lines)
            return lines

        def process_nested_block(self, ws: str, content: str, start: int, end: int) -> None:
            """Note a complete fence."""
            del ws, content
            options = self.options if _EXECUTABLE in self.options else None
            code = self.rebuild_block(self.code)
            self.found.append(Fence(start + 1, end, self.lang or "", self.ws_virtual_len, code, options))
            self.clear()

    fences = [{"name": name, "class": name, "format": _no_format, "validator": _validate} for name in formatters]
    config = {"pymdownx.superfences": {"custom_fences": fences}}
    markdown = Markdown(extensions=["pymdownx.superfences"], extension_configs=config)
    original: SuperFencesBlockPreprocessor = markdown.preprocessors["fenced_code_block"]
    original.get_hl_settings()  # its validator of fences that are not executed reads them
    finder = Finder(markdown)
    finder.config, finder.extension, finder.codehilite_conf = original.config, original.extension, {}
    return finder


_EXECUTABLE = "kvmdocs_executable"


def _validate(language: str, inputs: dict[str, str], options: dict[str, Any], attrs: dict[str, Any], md: Markdown) -> bool:
    """Ask markdown-exec whether it would execute a fence, and mark the fence if so."""
    from markdown_exec import validator

    # A validator removes what it knows from the inputs, and superfences asks the next one with what is left.
    if not validator(language, inputs, options, attrs, md):
        return False
    options[_EXECUTABLE] = True
    return True


def _no_format(*_: Any, **__: Any) -> str:
    return ""
