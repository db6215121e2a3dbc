"""Characters that a terminal interprets, that change the direction of writing, or that UTF-8 cannot encode.

Output of a command is untrusted: it may set a window's title, write the clipboard, clear the screen, or make a line look like
another one. Code that shows such text to a person uses this module to make these characters visible.
"""

from __future__ import annotations

import re

CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
"""C0 without tab and line feed, DEL and C1: terminals interpret them. Like the constants below, the inside of a regular
expression's brackets.
"""
BIDI = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX 9): they make text read differently."""
LINE_SEPARATORS = "\u2028\u2029"
"""Line and paragraph separators of Unicode, which a shell does not treat as line ends."""
SURROGATES = "\ud800-\udfff"
"""Surrogates: Python's representation of bytes that are not UTF-8."""

OVERRIDING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Pattern for an embedding, an override or an isolate, which prose needs in no script."""

TURNING = re.compile(f"[{BIDI}]")
"""Pattern for a character that changes the direction of writing."""

UNSEEN = re.compile(f"[{CONTROLS}{BIDI}{LINE_SEPARATORS}{SURROGATES}\u200b\u2060\ufeff\ufff9-\ufffb]")
"""Pattern for a character that a reader does not see, or mistakes for another one."""

UNSAFE = re.compile(f"[{CONTROLS}{BIDI}{LINE_SEPARATORS}{SURROGATES}]")
"""Pattern for a character that must not reach a terminal unchanged."""

_COLOUR = r"\x1b\[[0-9;:]*m"
_COLOURS = re.compile(_COLOUR)
_SHOWN = re.compile(f"(?P<colour>{_COLOUR})|{UNSAFE.pattern}")

# GitHub and Azure execute log lines that begin like this. GitHub allows blanks before it. `##[` works anywhere in a line.
_TO_PIPELINE = re.compile(
    r"^(?P<blanks>[^\S\n]*)(?=::(?:add-mask|add-matcher|add-path|debug|echo|endgroup|error|group|internal-set-repo-path|notice"
    r"|remove-matcher|save-state|set-env|set-output|stop-commands|warning)\b)|#(?P<sharp>#)(?=\w*\[)",
    re.MULTILINE | re.IGNORECASE,
)


def picture(character: str) -> str:
    r"""Return visible text for a character that cannot be seen: ``^[`` as a terminal shows it, ``<U+202E>``, ``\udcff``."""
    code = ord(character)
    if code < 0x20 or code == 0x7F:
        return f"^{chr(code ^ 0x40)}"
    return f"\\u{code:04x}" if 0xD800 <= code <= 0xDFFF else f"<U+{code:04X}>"


def seen(character: str) -> str:
    """Return visible text, without characters that are special to a shell, for one that cannot be seen: ``^[``, ``U+202E``."""
    code = ord(character)
    return f"^{chr(code ^ 0x40)}" if code < 0x20 or code == 0x7F else f"U+{code:04X}"


def make_visible(text: str) -> str:
    """Return `text` with invisible characters made visible, so that a copy of it is what is shown."""
    return UNSEEN.sub(lambda match: seen(match[0]), text)


def in_ascii_quotes(text: str) -> str:
    r"""Return `text` as one word of bash without invisible characters, such as ``$'a\u202eb'``.

    Bash decodes it to the same characters, and to the same bytes.
    """

    def escaped(match: re.Match[str]) -> str:
        code = ord(match[0])
        if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8
            return f"\\x{code - 0xDC00:02x}"
        return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"

    quoted = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\t", "\\t")
    return f"$'{UNSEEN.sub(escaped, quoted)}'"


def sanitize(text: str) -> str:
    """Return `text` in a form that is safe for a terminal and for the log of a CI pipeline. Only colours stay in effect.

    Colours (``ESC [ … m``) are kept and reset at the end. All other control characters become visible. The function is
    idempotent.
    """
    shown = _SHOWN.sub(lambda match: match[0] if match["colour"] else picture(match[0]), text) if UNSAFE.search(text) else text
    if "::" in shown or "##" in shown:
        shown = _TO_PIPELINE.sub(lambda match: f"{match['blanks']}\\" if match["sharp"] is None else r"#\#", shown)
    last = shown.rfind("\x1b[")
    if last >= 0 and not re.match(r"\x1b\[0*m", shown[last:]):
        end = len(shown) - len(shown.rstrip("\n"))
        shown = f"{shown[: len(shown) - end]}\x1b[0m{shown[len(shown) - end :]}"
    return shown


def strip_colours(text: str) -> str:
    """Return `text` as `sanitize` does, without colours."""
    return sanitize(_COLOURS.sub("", text))


def in_utf8(text: str) -> str:
    r"""Return `text` with each lone surrogate, which UTF-8 cannot encode, replaced by its number, ``\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
