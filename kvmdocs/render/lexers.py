"""Syntax highlighting of commands, files and the output of debuggers and monitors.

Pygments has lexers for shells and JSON, but none for gdb sessions and QEMU's monitor. Those defined here are also registered
with Pygments as ``gdb`` and ``hmp``, for fenced blocks in guides.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from pygments.lexer import Lexer, RegexLexer, bygroups
from pygments.lexers import get_lexer_for_filename
from pygments.lexers.data import JsonLexer
from pygments.lexers.shell import BashLexer
from pygments.lexers.special import TextLexer
from pygments.token import (
    Comment,
    Generic,
    Keyword,
    Literal,
    Name,
    Number,
    Operator,
    Punctuation,
    String,
    Text,
    Token,
    is_token_subtype,
)
from pygments.util import ClassNotFound

from kvmdocs.core.model import Where
from kvmdocs.render.ansi import Spans


def _groups(*kinds: Any) -> Any:
    """Call `bygroups`, whose stub has no types."""
    return bygroups(*kinds)  # type: ignore[no-untyped-call]


_HEX = r"\b0x[0-9a-fA-F]+\b"
_PLACE = r"[\w./+-]*\w\.(?:c|h|S|s|cc|cpp|hpp|inc|rs|py)"


class GdbLexer(RegexLexer):
    """Lexer for gdb sessions, with or without prompts: frames, source locations, addresses, values and commands."""

    name = "gdb session"
    aliases: ClassVar[list[str]] = ["gdb"]
    filenames: ClassVar[list[str]] = []
    flags = re.MULTILINE

    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [
            (r"^(\(gdb\) ?)([\w-]*)", _groups(Generic.Prompt, Keyword)),
            (r"^(#\d+)(\s+)", _groups(Keyword.Type, Text)),
            (
                r"^((?:Temporary )?(?:[Bb]reakpoint|[Ww]atchpoint|Catchpoint|Hardware watchpoint))( )(\d+)",
                _groups(Generic.Strong, Text, Keyword.Type),
            ),
            (
                r"^(Thread)( )(\d+(?:\.\d+)?)( )(\"[^\"\n]*\")",
                _groups(Generic.Strong, Text, Keyword.Type, Text, String),
            ),
            (r"^(\$\d+)( = )", _groups(Name.Variable, Operator)),
            (r"^(\d+)(\t)(.*)$", _groups(Number, Text, Text)),
            (rf"({_PLACE})(:)(\d+)", _groups(Name.Namespace, Punctuation, Keyword.Type)),
            (_HEX, Number.Hex),
            (r'"(?:\\.|[^"\\\n])*"', String),
            (r"(<)([\w.@+-]+)(>)", _groups(Punctuation, Name.Variable, Punctuation)),
            (r"([A-Za-z_]\w*)(?= \()", Name.Function),
            (r"([A-Za-z_]\w*)(=)(?=[^=\s])", _groups(Name.Attribute, Operator)),
            (r"\[[^\]\n]*\]$", Comment),
            (r"\b\d+\b", Number),
            (r"\w+|\s+|.", Text),
        ]
    }


class MonitorLexer(RegexLexer):
    """Lexer for sessions of QEMU's human monitor, with or without prompts."""

    name = "QEMU monitor"
    aliases: ClassVar[list[str]] = ["hmp", "qemu-monitor"]
    filenames: ClassVar[list[str]] = []
    flags = re.MULTILINE

    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [
            (r"^(\(qemu\) ?)([\w-]*)", _groups(Generic.Prompt, Keyword)),
            (r"^([\w-]+)(?= |$)(?!:)", Keyword),
            (r'"(?:\\.|[^"\\\n])*"', String),
            (r"\b[0-9a-f]{16}-[0-9a-f]{16}\b", Number.Hex),
            (_HEX, Number.Hex),
            (r"\([^()\n]*\)", Comment),
            (r"([\w./-]+)(=)", _groups(Name.Attribute, Operator)),
            (r"([\w./-]+)(:)(?= )", _groups(Name.Attribute, Punctuation)),
            (r"\b\d+\b", Number),
            (r"\w+|\s+|.", Text),
        ]
    }


class MonitorOutputLexer(RegexLexer):
    """Lexer for the output of QEMU's human monitor: names and their values."""

    name = "QEMU monitor output"
    flags = re.MULTILINE
    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [
            (r'"(?:\\.|[^"\\\n])*"', String),
            (r"\b[0-9a-f]{16}-[0-9a-f]{16}\b", Number.Hex),
            (_HEX, Number.Hex),
            (r"\([^()\n]*\)", Comment),
            (r"([\w./-]+)( ?)(=)", _groups(Name.Attribute, Text, Operator)),
            (r"([\w./-]+)(:)(?=\s)", _groups(Name.Attribute, Punctuation)),
            (r"\b\d+\b", Number),
            (r"\w+|\s+|.", Text),
        ]
    }


class GdbCommandLexer(RegexLexer):
    """Lexer for gdb commands: the command, and source locations and values in its arguments."""

    name = "gdb command"
    flags = re.MULTILINE
    tokens: ClassVar[dict[str, list[object]]] = {
        "root": [
            (r"^\s*[\w-]+", Keyword, "arguments"),
            (r"\s+|.", Text),
        ],
        "arguments": [
            (r"\n", Text, "#pop"),
            (rf"({_PLACE})(:)(\w+)", _groups(Name.Namespace, Punctuation, Name.Function)),
            (r'"(?:\\.|[^"\\\n])*"', String),
            (_HEX, Number.Hex),
            (r"\$\w+", Name.Variable),
            (r"\b\d+\b", Number),
            (r"#.*$", Comment),
            (r"\w+|[^\S\n]+|.", Text),
        ],
    }


_CLASSES = (
    (Token.Generic.Prompt, "k"),
    (Generic.Strong, "k"),
    (Comment, "c"),
    (Keyword.Type, "n"),
    (Keyword, "k"),
    (Name.Builtin, "k"),
    (String, "s"),
    (Number, "n"),
    (Literal, "s"),
    (Name.Function, "f"),
    (Name.Namespace, "p"),
    (Name.Variable, "v"),
    (Name.Tag, "a"),
    (Name.Attribute, "a"),
    (Operator, "o"),
    (Punctuation, "o"),
)
"""The letter in the CSS class of each kind of token. Subtypes come before their supertypes."""

_OPTION = re.compile(r"-{1,2}[A-Za-z][\w.+-]*\Z")


def highlight_command(command: str, where: Where) -> list[Spans]:
    """Return the lines of a command, highlighted for the program that reads it."""
    return _lines(command, _COMMAND_LEXERS.get(where, _SHELL), options=where not in (Where.GDB, Where.HMP, Where.QMP))


def highlight_output(line: str, where: Where) -> Spans:
    """Highlight one line of output from gdb or a monitor. Output of shells stays plain."""
    lexer = _OUTPUT_LEXERS.get(where)
    return _lines(line, lexer)[0] if lexer and line else (("", line),)


def highlight_file(name: str, text: str) -> list[Spans]:
    """Return the lines of a file, highlighted by the type that its name implies."""
    try:
        lexer = get_lexer_for_filename(name, stripnl=False, ensurenl=False)
    except ClassNotFound:
        lexer = _SHELL if re.match(r"#!.*sh\b", text) else _TEXT
    return _lines(text, lexer)


def highlight_shell(script: str) -> list[Spans]:
    """Return the highlighted lines of a shell script."""
    return _lines(script, _SHELL, options=True)


def _lines(text: str, lexer: Lexer, *, options: bool = False) -> list[Spans]:
    """Split tokens at line ends. With `options`, also highlight command-line options."""
    # Some lexers recognise a comment only if a newline follows. The extra line is removed at the end.
    tokens = list(_tokens(text + "\n", lexer))
    if "".join(value for _, value in tokens) != text + "\n":  # a lexer that changes the text is not used
        tokens = [("", text + "\n")]
    lines: list[list[tuple[str, str]]] = [[]]
    for name, value in tokens:
        letter = "a" if options and not name and _OPTION.match(value) else name
        for number, part in enumerate(value.split("\n")):
            if number:
                lines.append([])
            if part:
                lines[-1].append((f"tr-{letter}" if letter else "", part))
    return [tuple(line) for line in lines[:-1]]


def _tokens(text: str, lexer: Lexer) -> Iterator[tuple[str, str]]:
    # get_tokens() would turn CR into LF and drop a byte order mark; get_tokens_unprocessed() leaves the text unchanged.
    for _, kind, value in lexer.get_tokens_unprocessed(text):
        yield next((letter for parent, letter in _CLASSES if is_token_subtype(kind, parent)), ""), value


_SHELL = BashLexer(stripnl=False, ensurenl=False)
_TEXT = TextLexer(stripnl=False, ensurenl=False)
_JSON = JsonLexer(stripnl=False, ensurenl=False)
_MONITOR = MonitorLexer(stripnl=False, ensurenl=False)
_COMMAND_LEXERS: dict[Where, Lexer] = {
    Where.GDB: GdbCommandLexer(stripnl=False, ensurenl=False),
    Where.HMP: _MONITOR,
    Where.QMP: _JSON,
}
_OUTPUT_LEXERS: dict[Where, Lexer] = {
    Where.GDB: GdbLexer(stripnl=False, ensurenl=False),
    Where.HMP: MonitorOutputLexer(stripnl=False, ensurenl=False),
    Where.QMP: _JSON,
}
