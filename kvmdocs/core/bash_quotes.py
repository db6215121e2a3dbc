"""Quoting in a piece of bash: which kind of quotes each character is in (bash(1), section QUOTING)."""

from __future__ import annotations

import re
from enum import Enum


class Quoting(Enum):
    """Kind of quotes around a character."""

    NONE = "none"
    SINGLE = "single"
    """``'…'``: nothing is expanded."""
    ANSI = "ansi"
    """``$'…'``: only backslash escapes are expanded."""
    DOUBLE = "double"
    """``"…"``, or a here-document with an unquoted delimiter: parameters are expanded, a tilde is not."""
    LITERAL = "literal"
    """A comment, or a here-document with a quoted delimiter: nothing is expanded, and no quote can end it."""


_OUTSIDE = re.compile(
    r"""
      (?P<ansi>\$'(?:\\.|[^'\\])*'?)
    | (?P<single>'[^']*'?)
    | (?P<comment>(?:(?<![^\s;|&()]))\#[^\n]*)
    | <<<
    | <<(?P<tabs>-?)[ \t]*(?P<delimiter>(?:\\.|'[^'\n]*'|"[^"\n]*"|[^\s;|&()<>'"\\])+)
    | (?P<mark>\$?\(\(?|[)"`\n])
    | \\.
    | .
    """,
    re.VERBOSE | re.DOTALL,
)
_IN_DOUBLE = re.compile(r'(?P<mark>\$\(\(?|["`])|\\.|.', re.DOTALL)


def quoting(text: str) -> list[Quoting]:
    """Return the quoting of each character.

    A quotation mark has the quoting of the text around it. A single quote inside ``"${…}"`` counts as a literal character.
    """
    kinds: list[Quoting] = []
    # The open constructs, the outermost first: `"`, a backquote, `(` of a command, `+` for each bracket of arithmetic.
    stack: list[str] = []
    here: list[tuple[str, bool]] = []
    while len(kinds) < len(text):
        inside = stack[-1:] == ['"']
        outer = Quoting.DOUBLE if inside else Quoting.NONE
        token = (_IN_DOUBLE if inside else _OUTSIDE).match(text, len(kinds))
        assert token is not None  # `.` matches every character
        groups = token.groupdict()
        if mark := groups["mark"]:
            _nest(stack, mark)
            kinds += [outer] * len(mark)
            if mark == "\n" and here:
                kinds += _here_documents(text[len(kinds) :], here)
                here = []
        elif groups.get("single") or groups.get("ansi"):
            opening = 2 if groups["ansi"] else 1
            kind = Quoting.ANSI if groups["ansi"] else Quoting.SINGLE
            closing = len(token[0]) > opening and token[0].endswith("'")
            kinds += [outer] * opening + [kind] * (len(token[0]) - opening - closing) + [outer] * closing
        else:
            if groups.get("delimiter") and stack[-1:] != ["+"]:
                here.append((groups["delimiter"], bool(groups["tabs"])))
            kinds += [Quoting.LITERAL if groups.get("comment") else outer] * len(token[0])
    return kinds


def _nest(stack: list[str], mark: str) -> None:
    """Open or close what a mark stands for."""
    top = stack[-1] if stack else ""
    if mark == "\n":
        return
    if mark in ('"', "`"):
        if top == mark:
            stack.pop()
        else:
            stack.append(mark)
    elif mark == ")":
        if top in ("(", "+"):  # a pattern of `case` may have no opening bracket
            stack.pop()
    else:
        stack += ["+"] * 2 if mark.endswith("((") else ["+" if top == "+" else "("]


def _here_documents(text: str, here: list[tuple[str, bool]]) -> list[Quoting]:
    """Return the quoting of the here-documents at the beginning of a text.

    Args:
        text: What follows the line that announces them.
        here: Delimiter of each as written, and whether tabs before it are ignored (``<<-``).
    """
    kinds: list[Quoting] = []
    lines = iter(text.splitlines(keepends=True))
    for delimiter, tabs in here:
        bare = re.sub(r"""\\(.)|['"]""", r"\1", delimiter)
        kind = Quoting.DOUBLE if bare == delimiter else Quoting.LITERAL
        for line in lines:
            kinds += [kind] * len(line)
            if (line.lstrip("\t") if tabs else line).rstrip("\n") == bare:
                break
    return kinds
