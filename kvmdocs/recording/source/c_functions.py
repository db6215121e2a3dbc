"""Which function a line of C or of assembly lies in.

A compiler's parser would need every header and option of the build, and parsers made for editors lose their way where a macro makes
a function. Here a file is cut where C itself cuts it: into what stands side by side at the outermost level. What counts is
which of these pieces a line lies in, and whether its head, all before the body, names the function. Of macros it needs to know only that what
they make is named after their arguments: ``SYSCALL_DEFINE3(ioctl, …)`` makes ``__do_sys_ioctl``.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

NAMING = 4
"""How many identifiers among a macro's arguments may be what it names its function after."""

PASTED = 4
"""Characters of an identifier from which it is recognised also at the beginning of a longer word of a name."""

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
# Labels that begin with a dot are the assembler's own and no functions.
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
"""Macros that say something of a function that is there already, mostly on the very next line."""
_SUFFIXES = (".c", ".h", ".inc", ".cc", ".cpp")


@dataclass(frozen=True)
class Extent:
    """What stands at the outermost level of a source file: a function, a declaration, a macro that makes something.

    Attributes:
        first: Its first line, counted from 1.
        last: Its last line.
        names: What its head calls like a function: the function itself, and macros around or instead of it.
        given: Arguments of these macros that are identifiers.
        inline: True when its head asks the compiler to put it into its callers.
    """

    first: int
    last: int
    names: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    inline: bool = False

    def makes(self, function: str) -> bool:
        """Whether it defines a function: by its name, or by a macro that is given a part of the name."""
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
    """Whether a name is made of another and something before or behind it: ``ioctl`` in ``__do_sys_ioctl``."""
    part = part.strip("_")
    # What macros paste behind a name may follow it without a break; a short one could then be found in any name.
    end = "" if len(part) >= PASTED else "(?![A-Za-z0-9])"
    return len(part) > 1 and re.search(rf"(?<![A-Za-z0-9]){re.escape(part)}{end}", name) is not None


def plain_name(function: str) -> str:
    """A function's name as its source has it: without what compilers add to the names of copies and parts of it."""
    return _COMPILERS.sub("", function)


def extents(path: str, text: str) -> list[Extent]:
    """What a source file consists of, in the order of its lines.

    Args:
        path: Its name; it decides whether this is C or assembly.
        text: What it holds.
    """
    if path.endswith((".S", ".s")):
        return list(_assembly(text))
    return list(_c(text)) if path.endswith(_SUFFIXES) else list(_lines(text))


def around(found: list[Extent], line: int) -> Extent | None:
    """What a line lies in; None between two of them."""
    index = bisect_right(found, line, key=lambda extent: extent.first) - 1
    return found[index] if index >= 0 and line <= found[index].last else None


@dataclass(frozen=True)
class _Token:
    kind: str
    text: str
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    line, last = 1, 0
    for found in _TOKEN.finditer(text):
        line += text.count("\n", last, found.start())
        last = found.start()
        kind = found.lastgroup or ""
        if kind != "comment":
            yield _Token(kind, found[0], line)


def _c(text: str) -> Iterator[Extent]:
    """Cut C at its outermost level."""
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
    """How deep in brackets what follows a directive is: every branch of an ``#if`` begins where the first did."""
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
    """Whether a piece is a macro with its arguments and nothing else, and the token begins another piece on a new line."""
    whole = len(piece) > 2 and piece[0].kind == "name" and piece[1].text == "(" and piece[-1].text == ")"
    return whole and token.kind == "name" and token.line > piece[-1].line


def _extent(piece: list[_Token]) -> Extent:
    outermost = dict(_outermost(piece))
    head = piece[: outermost.get("{", len(piece))]
    # A table of values is no function, whatever its head names.
    if outermost.get("=", len(head)) < len(head):
        return Extent(piece[0].line, piece[-1].line)
    names = [token.text for token, after in pairwise(head) if token.kind == "name" and after.text == "("]
    inline = any("inline" in token.text.lower() for token in head if token.kind == "name" and token.text not in names)
    return Extent(piece[0].line, piece[-1].line, tuple(names), tuple(_given(head)), inline)


def _outermost(piece: list[_Token]) -> Iterator[tuple[str, int]]:
    """The marks that no bracket encloses, the last first, and where each is."""
    depth = 0
    found = []
    for index, token in enumerate(piece):
        depth -= token.text in {")", "]", "}"}
        if not depth:
            found.append((token.text, index))
        depth += token.text in {"(", "[", "{"}
    return reversed(found)


def _given(head: list[_Token]) -> list[str]:
    """Identifiers that a macro in a function's place is given.

    Such a macro is all of the head, or makes the name: then its arguments are followed by those of the function.
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


def _assembly(text: str) -> Iterator[Extent]:
    """Cut assembly at its labels and at the macros that stand for them; a label inside a function counts beside the function."""
    last = text.count("\n") + 1
    outer = ""
    names: tuple[str, ...] = ()
    since, counted, line = 1, 0, 1
    for found in _LABEL.finditer(text):
        line += text.count("\n", counted, found.start(found.lastgroup or 0))
        counted = found.start(found.lastgroup or 0)
        if names:
            yield Extent(since, line if found["end"] else line - 1, names)
        if found["end"]:
            outer, names = "", ()
            continue
        name = found["begun"] or found["label"]
        inside = outer and (found["label"] or "INNER" in found[0] or "LABEL" in found[0])
        outer = outer if inside else name if found["begun"] else ""
        names, since = ((outer, name) if inside else (name,)), line
    if names:
        yield Extent(since, last, names)


def _lines(text: str) -> Iterator[Extent]:
    """A list of which every line makes a function, as QEMU's ``trace-events`` are."""
    for number, line in enumerate(text.splitlines(), 1):
        names = tuple(re.findall(r"^(?:[a-z-]+ )*(\w+)\(", line))
        if names:
            yield Extent(number, number, names, names)
