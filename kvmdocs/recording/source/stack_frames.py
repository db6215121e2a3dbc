"""Finding stack frames in what debuggers and symbolisers print: a function, and the file and line it is said to be at.

Pure text: nothing here knows a source tree. The forms, with who prints them:

- ``#3  0x… in func (args…) at path:line``: gdb, also behind ``hit Breakpoint 1,`` and wrapped over several lines
- ``in func at path:line``: gdb's ``info breakpoints``; ``func at path:line``: ``addr2line -p``, Linux's ``faddr2line``
- ``func (path:line)``: Linux's ``decode_stacktrace.sh``, drgn (with a column), gdb's ``info frame``
- ``at path:line func+0x12/0x34``: the kernel's own warnings
- ``func+0x12/0x34 path:line``, or ``func path:line`` at the beginning of a line: for lists that recipes make themselves
- ``path:line: func: Assertion``: assert() of the C library
- ``func at ffffffff81000000 [kvm]`` and below it ``path: line``: ``bt -l`` of crash
- ``Line 12 of "path" … <func+4>``: gdb's ``info line``
- ``Breakpoint 1 at 0x…: file path, line 12.``: gdb's ``break``; it does not say which function
- ``path:line:text``: no frame, but what ``grep -n`` prints, and as good: the text of the line
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PART = r"[^\s\"'`():<>|,;=]"
PATH = rf"(?<!{_PART}){_PART}*\.[A-Za-z]{{1,4}}(?:\.inc)?"
"""A source file as programs name it: a whole word, for a long word must not be tried at each of its letters."""

PLACE = re.compile(
    rf"(?P<path>{PATH})(?P<colon>: ?)(?P<line>\d+)(?!\w)"
    rf"|(?P<path2>{PATH}), line (?P<line2>\d+)(?!\w)"
    rf'|Line (?P<line3>\d+) of "(?P<path3>{PATH})"'
)
"""A file and a line in a text, in any of these forms: what a page makes a link of."""

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
"""Brackets, those of a call with its function, and texts and characters, in which a bracket means nothing."""
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
    """What a text says of one frame.

    Attributes:
        function: The function's name as printed; None for a form that names none, "" where the text should name one and this module
            cannot read it.
        path: The file as printed.
        line: The line.
        source: The text of that line, where the debugger prints it below; None elsewhere.
        quoted: True for a line that is only quoted, by ``grep`` if the text is the line's.
    """

    function: str | None
    path: str
    line: int
    source: str | None = None
    quoted: bool = False


def find(text: str) -> list[Frame]:
    """All frames in an output, in the order in which they are printed, each as often as it is there."""
    found = {**_loose(text), **_plain(text)}
    for begin, place, frame in _calls(text):
        # An argument may be a text that reads like a frame.
        found = {start: other for start, other in found.items() if not begin <= start < place}
        found[place] = frame
    # Debug information has line 0 for what no line of the source makes.
    return [found[start] for start in sorted(found) if found[start].line]


def _calls(text: str) -> Iterator[tuple[int, int, Frame]]:
    """Frames with arguments: where each begins, where its file is named, and the frame."""
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
    """Frames of the forms that are one pattern each."""
    return {
        match.start("path"): _frame(match["function"], match)
        for form in (_INFO_LINE, *reversed(_OTHERS))
        for match in form.finditer(text)
    }


def _loose(text: str) -> dict[int, Frame]:
    """Files and lines of frames whose function is not said, or not in a way that is known here."""
    unread = {match.start("path"): _frame("", match) for match in _LOOSE.finditer(text)}
    asked = {match.start("path"): _frame(None, match) for match in _BREAK.finditer(text)}
    quoted = {
        match.start("path"): Frame(None, match["path"], int(match["line"]), match["text"], quoted=True)
        for match in _QUOTED.finditer(text)
    }
    return unread | asked | quoted


def _frame(function: str | None, place: re.Match[str]) -> Frame:
    below = _SOURCE.match(place.string, place.end("line"))
    same = below is not None and below["line"] == place["line"]
    return Frame(function, place["path"], int(place["line"]), below["text"] if below and same else None)


def spots(text: str) -> Iterator[tuple[int, int, str, int]]:
    """Every file and line in a line of text: where it begins and ends, the file as printed and the line."""
    for match in PLACE.finditer(text):
        path = match["path"] or match["path2"] or match["path3"]
        line = match["line"] or match["line2"] or match["line3"]
        yield match.start(), match.end(), path, int(line)
