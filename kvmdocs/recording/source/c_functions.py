"""Functions in C and assembly, by line.

A compiler's parser would need every header and option of the build, and the parsers of editors fail where a macro creates a
function. Here a file is split into its declarations at the outermost level. All that is needed is the piece that contains a
line, and whether its head, the part before the body, names the function. For macros it is enough to know that what they define
is named after their arguments: ``SYSCALL_DEFINE3(ioctl, …)`` defines ``__do_sys_ioctl``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

NAMING = 4
"""Number of leading identifiers among a macro's arguments that may be part of the function's name."""

PASTED = 4
"""Smallest length in characters of an identifier that is also recognised at the beginning of a longer word of a name."""

_TOKEN = re.compile(
    r"""
      (?P<comment>/\*.*?(?:\*/|\Z)|//(?:\\\n|[^\n])*)
    | (?P<directive>^[ \t]*\#(?:\\\r?\n|/\*.*?\*/|[^\n])*)
    | (?P<text>"(?:\\.|[^"\\\n])*"?|'(?:\\.|[^'\\\n])*'?)
    | (?P<name>[\w$]+)
    | (?P<mark>\#\#|[(){}\[\];,=])
    """,
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
# Labels that begin with a dot are local to the assembler and not functions.
_LABEL = re.compile(
    r"""^[ \t]*(?:
      (?P<end>SYM_\w*END|END|ENDPROC)[ \t]*\([ \t]*(?P<ended>[\w.$]+)
    | (?:[A-Z_0-9]*(?:SYM|ENTRY|START|LABEL|FUNC|CODE)\w*)[ \t]*\([ \t]*(?P<begun>[A-Za-z_.$][\w.$]*)
    | (?P<label>[A-Za-z_$][\w.$]*):
    )""",
    re.VERBOSE | re.MULTILINE,
)
_COMPILERS = re.compile(r"\.(?:isra|constprop|part|cold|lto_priv|localalias|llvm)\b.*")
_ABOUT = re.compile(r"EXPORT_|MODULE_|NOKPROBE_SYMBOL|ALLOW_ERROR_INJECTION|STACK_FRAME_|BTF_ID|\w*(?:init|exit|initcall)\b")
"""Macros that refer to an existing function, mostly on the next line."""
_SUFFIXES = (".c", ".h", ".inc", ".cc", ".cpp")


@dataclass(frozen=True)
class FunctionSpan:
    """Piece of a source file at the outermost level: a function, a declaration, or a macro that defines something.

    Attributes:
        first: First line, counted from 1.
        last: Last line.
        names: Names in its head that are followed by a bracket: the function itself, and macros around or instead of it.
        given: Arguments of these macros that are identifiers.
        inline: True if its head asks the compiler to inline it.
    """

    first: int
    last: int
    names: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    inline: bool = False

    def makes(self, function: str) -> bool:
        """Check whether the piece defines a function: by its name, or by a macro with a part of the name as an argument."""
        if function in self.names:
            return True
        about = bool(self.names) and _ABOUT.match(self.names[0])
        return any(is_part(given, function) and not (about and given == function) for given in self.given)

    def __str__(self) -> str:
        name = f"`{self.names[-1]}`" if self.names else "a declaration"
        if self.given:
            name = f"`{self.names[0]}({self.given[0]}, …)`"
        return f"{name}, lines {self.first} to {self.last}"


def is_part(part: str, name: str) -> bool:
    """Check whether a name consists of a part and a prefix or suffix: ``ioctl`` in ``__do_sys_ioctl``."""
    part = part.strip("_")
    # A macro may paste a suffix without a separator. A short part would then match in any name.
    end = "" if len(part) >= PASTED else "(?![A-Za-z0-9])"
    return len(part) > 1 and re.search(rf"(?<![A-Za-z0-9]){re.escape(part)}{end}", name) is not None


def plain_name(function: str) -> str:
    """Return a function's name as in its source, without the suffixes that compilers add to copies and parts of it."""
    return _COMPILERS.sub("", function)


def function_spans(path: str, text: str) -> list[FunctionSpan]:
    """Return the pieces of a source file in the order of their lines.

    Args:
        path: Name of the file; it determines whether this is C or assembly.
        text: Content of the file.
    """
    if path.endswith((".S", ".s")):
        return list(_assembly(text))
    return list(_c(text)) if path.endswith(_SUFFIXES) else list(_lines(text))


def span_at(pieces: list[FunctionSpan], line: int) -> FunctionSpan | None:
    """Return the piece that contains a line, or None if the line is between two pieces."""
    index = bisect_right(pieces, line, key=lambda extent: extent.first) - 1
    return pieces[index] if index >= 0 and line <= pieces[index].last else None


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    line, last = 1, 0
    for match in _TOKEN.finditer(text):
        line += text.count("\n", last, match.start())
        last = match.start()
        kind = match.lastgroup or ""
        if kind != "comment":
            yield _Token(kind, match[0], line)


def _c(text: str) -> Iterator[FunctionSpan]:
    """Split C at its outermost level."""
    depth = 0
    before: list[int] = []
    piece: list[_Token] = []
    for token in _tokens(text):
        if token.kind == "directive":
            depth = _directive(token.text, depth, before)
            continue
        if not depth and piece and _begins_anew(piece, token):
            yield _extent(piece)
            piece = []
        if token.text == "{" and len(piece) == 2 and piece[0].text == "extern":
            piece = []  # extern "C" { … }, around all of a header
            continue
        if token.text in "([{" and token.kind == "mark":
            depth += 1
        elif token.text in ")]}" and token.kind == "mark":
            depth = max(0, depth - 1)
        if piece or token.text != ";":
            piece.append(token)
        if not depth and token.text in {";", "}"} and piece:
            yield _extent(piece)
            piece = []
    if piece:
        yield _extent(piece)


def _directive(text: str, depth: int, before: list[int]) -> int:
    """Return the depth of brackets after a directive. Every branch of an ``#if`` begins at the depth of the first."""
    word = re.match(r"\s*#\s*(\w*)", text)
    name = word[1] if word else ""
    if name.startswith("if"):
        before.append(depth)
    elif name.startswith("el") and before:
        return before[-1]
    elif name == "endif" and before:
        before.pop()
    return depth


def _begins_anew(piece: list[_Token], token: _Token) -> bool:
    """Check whether a piece is only a macro with its arguments, and the token begins another piece on a new line."""
    whole = len(piece) > 2 and piece[0].kind == "name" and piece[1].text == "(" and piece[-1].text == ")"
    return whole and token.kind == "name" and token.line > piece[-1].line


def _extent(piece: list[_Token]) -> FunctionSpan:
    outermost = dict(_outermost(piece))
    head = piece[: outermost.get("{", len(piece))]
    # A table of values is not a function, whatever its head names.
    if outermost.get("=", len(head)) < len(head):
        return FunctionSpan(piece[0].line, piece[-1].line)
    names = [token.text for token, after in pairwise(head) if token.kind == "name" and after.text == "("]
    inline = any("inline" in token.text.lower() for token in head if token.kind == "name" and token.text not in names)
    return FunctionSpan(piece[0].line, piece[-1].line, tuple(names), tuple(_given(head)), inline)


def _outermost(piece: list[_Token]) -> Iterator[tuple[str, int]]:
    """Yield the marks outside of all brackets, the last first, each with its index."""
    depth = 0
    marks = []
    for index, token in enumerate(piece):
        depth -= token.text in {")", "]", "}"}
        if not depth:
            marks.append((token.text, index))
        depth += token.text in {"(", "[", "{"}
    return reversed(marks)


def _given(head: list[_Token]) -> list[str]:
    """Return the identifiers among the arguments of a macro that takes the place of a function.

    Such a macro is the whole head, or it makes the name and the function's own arguments follow.
    """
    opened = next((index for index, token in enumerate(head) if token.text == "("), len(head))
    depth = 0
    for index in range(opened, len(head)):
        depth += {"(": 1, ")": -1}.get(head[index].text, 0)
        if not depth:
            rest = head[index + 1 :]
            alone = opened == 1 and (not rest or rest[0].text == ";")
            if alone or (rest and rest[0].text == "("):
                inside = [token.text for token in head[opened:index] if token.kind == "name" and not token.text.isdecimal()]
                return inside[:NAMING]
            break
    return []


def _assembly(text: str) -> Iterator[FunctionSpan]:
    """Split assembly at its labels and at the macros that define them.

    A label inside a function is a piece of its own, which names the function as well.
    """
    last = text.count("\n") + 1
    outer = ""
    names: tuple[str, ...] = ()
    since, counted, line = 1, 0, 1
    for match in _LABEL.finditer(text):
        line += text.count("\n", counted, match.start(match.lastgroup or 0))
        counted = match.start(match.lastgroup or 0)
        if names:
            yield FunctionSpan(since, line if match["end"] else line - 1, names)
        if match["end"]:
            outer, names = "", ()
            continue
        name = match["begun"] or match["label"]
        inside = outer and (match["label"] or "INNER" in match[0] or "LABEL" in match[0])
        outer = outer if inside else name if match["begun"] else ""
        names, since = ((outer, name) if inside else (name,)), line
    if names:
        yield FunctionSpan(since, last, names)


def _lines(text: str) -> Iterator[FunctionSpan]:
    """Split a list in which every line defines a function, such as QEMU's ``trace-events``."""
    for number, line in enumerate(text.splitlines(), 1):
        names = tuple(re.findall(r"^(?:[a-z-]+ )*(\w+)\(", line))
        if names:
            yield FunctionSpan(number, number, names, names)
