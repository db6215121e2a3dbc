"""Parser of stack frames in the output of debuggers and symbolisers: a function, its file and line.

It works on text alone, without a source tree. The forms, with the programs that print them:

- ``#3  0x… in func (args…) at path:line``: gdb, also behind ``hit Breakpoint 1,`` and wrapped over several lines
- ``in func at path:line``: gdb's ``info breakpoints``; ``func at path:line``: ``addr2line -p``, Linux's ``faddr2line``
- ``func (path:line)``: Linux's ``decode_stacktrace.sh``, drgn (with a column), gdb's ``info frame``
- ``at path:line func+0x12/0x34``: the kernel's own warnings
- ``func+0x12/0x34 path:line``, or ``func path:line`` at the beginning of a line: for lists that recipes make themselves
- ``path:line: func: Assertion``: assert() of the C library
- ``func at ffffffff81000000 [kvm]`` and below it ``path: line``: ``bt -l`` of crash
- ``Line 12 of "path" … <func+4>``: gdb's ``info line``
- ``Breakpoint 1 at 0x…: file path, line 12.``: gdb's ``break``, without the function
- ``path:line:text``: ``grep -n``. It is not a frame, but the text of the line can be checked
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PART = r"[^\s\"'`():<>|,;=]"
PATH = rf"(?<!{_PART}){_PART}*\.[A-Za-z]{{1,4}}(?:\.inc)?"
"""Path of a source file in a text. It must be a whole word, so that a long word is not tried at each of its letters."""

PLACE = re.compile(
    rf"(?P<path>{PATH})(?P<colon>: ?)(?P<line>\d+)(?!\w)"
    rf"|(?P<path2>{PATH}), line (?P<line2>\d+)(?!\w)"
    rf'|Line (?P<line3>\d+) of "(?P<path3>{PATH})"'
)
"""File and line in a text, in any of these forms. Pages turn them into links."""

_NAME = r"[A-Za-z_$][\w.$]*"
_OFFSET = r"(?:\+(?:0x[0-9a-f]+|\d+)(?:/0x[0-9a-f]+)?)?"
_MARK = re.compile(
    rf"""
      "(?:\\.|[^"\\\n])*"|'(?:\\[0-7]{{1,3}}|\\.|[^'\\])'
    | (?P<open>(?:(?<![\w.$])(?P<function>{_NAME})\s+)?\()
    | (?P<close>\))
    """,
    re.VERBOSE,
)
"""Brackets, with the function if they enclose its arguments; and strings and characters, in which brackets have no meaning."""
_AT = re.compile(rf"\s+at (?P<path>{PATH}):(?P<line>\d+)(?=[\s),]|$)")
_OTHERS = tuple(
    re.compile(form.replace("NAME", rf"(?<![\w.$])(?P<function>{_NAME})").replace("PATH", rf"(?P<path>{PATH})"), re.MULTILINE)
    for form in (
        rf"NAME{_OFFSET}\s+at PATH:(?P<line>\d+)(?![\d!])",
        r"\sat PATH:(?P<line>\d+) NAME\+0x[0-9a-f]+/",
        rf"NAME{_OFFSET} \((?:{PATH}:\d+ )*PATH:(?P<line>\d+)(?::\d+)?(?: \(?discriminator \d+\)?)?\)",
        r"NAME\+0x[0-9a-f]+/0x[0-9a-f]+(?: \[\w+\])? PATH:(?P<line>\d+)",
        r"^NAME[ \t]+PATH:(?P<line>\d+)\b",
        r"PATH:(?P<line>\d+): NAME: Assertion ",
        r"NAME at [0-9a-f]{8,16}(?: \[\w+\])?\s*\n\s*PATH: (?P<line>\d+)",
    )
)
_INFO_LINE = re.compile(rf'Line (?P<line>\d+) of "(?P<path>{PATH})"[^"]*?<(?P<function>{_NAME})(?:\+\d+)?>')
_BREAK = re.compile(rf"reakpoint \d+ at 0x[0-9a-f]+: file (?P<path>{PATH}), line (?P<line>\d+)\.")
_LOOSE = re.compile(rf"\sat (?P<path>{PATH}):(?P<line>\d+)(?=\s|$)")
_QUOTED = re.compile(rf"^(?P<path>{PATH}):(?P<line>\d+):(?P<text>.*)$", re.MULTILINE)
_SOURCE = re.compile(r"\n(?P<line>\d+)\t(?P<text>.*)")


@dataclass(frozen=True)
class Frame:
    """One frame in a text.

    Attributes:
        function: Name of the function as printed; None for a form without a function, "" if the function cannot be parsed.
        path: The file as printed.
        line: The line.
        source: Text of that line, if the debugger prints it below; otherwise None.
        quoted: True for a line that ``grep`` may have quoted. It counts if the text is that of the line.
    """

    function: str | None
    path: str
    line: int
    source: str | None = None
    quoted: bool = False


def find(text: str) -> list[Frame]:
    """Return all frames in an output, in order, including repeated ones."""
    frames = {**_loose(text), **_plain(text)}
    for begin, place, frame in _calls(text):
        # An argument may be a string that looks like a frame.
        frames = {start: other for start, other in frames.items() if not begin <= start < place}
        frames[place] = frame
    # In debug information, line 0 means that no line of the source corresponds.
    return [frames[start] for start in sorted(frames) if frames[start].line]


def _calls(text: str) -> Iterator[tuple[int, int, Frame]]:
    """Yield frames with arguments: start of the frame, start of its file's name, and the frame."""
    opened: list[re.Match[str]] = []
    for mark in _MARK.finditer(text):
        if mark["open"]:
            opened.append(mark)
        elif mark["close"] and opened:
            call = opened.pop()
            place = _AT.match(text, mark.end()) if call["function"] else None
            if place:
                yield call.start(), place.start("path"), _frame(call["function"], place)


def _plain(text: str) -> dict[int, Frame]:
    """Return the frames whose form is a single pattern."""
    return {
        match.start("path"): _frame(match["function"], match)
        for form in (_INFO_LINE, *reversed(_OTHERS))
        for match in form.finditer(text)
    }


def _loose(text: str) -> dict[int, Frame]:
    """Return files and lines of frames whose function is not printed, or cannot be parsed."""
    unparsed = {match.start("path"): _frame("", match) for match in _LOOSE.finditer(text)}
    breakpoints = {match.start("path"): _frame(None, match) for match in _BREAK.finditer(text)}
    quoted = {
        match.start("path"): Frame(None, match["path"], int(match["line"]), match["text"], quoted=True)
        for match in _QUOTED.finditer(text)
    }
    return unparsed | breakpoints | quoted


def _frame(function: str | None, place: re.Match[str]) -> Frame:
    below = _SOURCE.match(place.string, place.end("line"))
    same = below is not None and below["line"] == place["line"]
    return Frame(function, place["path"], int(place["line"]), below["text"] if below and same else None)


def spots(text: str) -> Iterator[tuple[int, int, str, int]]:
    """Yield every file and line in a line of text: start, end, the file as printed, and the line."""
    for match in PLACE.finditer(text):
        path = match["path"] or match["path2"] or match["path3"]
        line = match["line"] or match["line2"] or match["line3"]
        yield match.start(), match.end(), path, int(line)
