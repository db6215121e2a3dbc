"""Characters that a terminal obeys, that turn the direction of writing, or that UTF-8 cannot hold, found and made visible.

What a command prints is not the engine's: it may set the title of a window, write the clipboard, clear the screen, or make a line look like another
one. Whatever shows such text to a person asks here which characters those are.
"""

from __future__ import annotations

import re

CONTROLS = "\x00-\x08\x0b-\x1f\x7f-\x9f"
"""C0 without tab and line feed, DEL and C1: what a terminal obeys. As the inside of a regular expression's brackets, like the others."""
TURNS = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Marks, embeddings, overrides and isolates of the bidirectional algorithm (UAX 9): with them text reads otherwise than it is."""
BREAKS = "\u2028\u2029"
"""Line ends that are none for a shell."""
LONE = "\ud800-\udfff"
"""Surrogates: Python's way to hold bytes that are not UTF-8."""

OVERRIDING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Finds one of those that prose in no script needs: an embedding, an override or an isolate."""

TURNING = re.compile(f"[{TURNS}]")
"""Finds one character that turns the direction of writing."""

UNSEEN = re.compile(f"[{CONTROLS}{TURNS}{BREAKS}{LONE}\u200b\u2060\ufeff\ufff9-\ufffb]")
"""Finds one character that a reader does not see, or sees as something else."""

UNSAFE = re.compile(f"[{CONTROLS}{TURNS}{BREAKS}{LONE}]")
"""Finds one character that must not reach a terminal as it is."""

_COLOUR = r"\x1b\[[0-9;:]*m"
_COLOURS = re.compile(_COLOUR)
_SHOWN = re.compile(f"(?P<colour>{_COLOUR})|{UNSAFE.pattern}")

# A line of GitHub's and Azure's logs that begins so is a command to them; GitHub does not mind blanks before it. `##[` counts anywhere.
_TO_PIPELINE = re.compile(
    r"^(?P<blanks>[^\S\n]*)(?=::(?:add-mask|add-matcher|add-path|debug|echo|endgroup|error|group|internal-set-repo-path|notice"
    r"|remove-matcher|save-state|set-env|set-output|stop-commands|warning)\b)|#(?P<sharp>#)(?=\w*\[)",
    re.MULTILINE | re.IGNORECASE,
)


def picture(character: str) -> str:
    r"""Visible text for a character that cannot be seen: ``^[`` as a terminal shows it, ``<U+202E>``, ``\udcff``."""
    code = ord(character)
    if code < 0x20 or code == 0x7F:
        return f"^{chr(code ^ 0x40)}"
    return f"\\u{code:04x}" if 0xD800 <= code <= 0xDFFF else f"<U+{code:04X}>"


def seen(character: str) -> str:
    """Visible text for a character that a reader does not see, without any that a shell obeys: ``^[``, ``U+202E``."""
    code = ord(character)
    return f"^{chr(code ^ 0x40)}" if code < 0x20 or code == 0x7F else f"U+{code:04X}"


def as_seen(text: str) -> str:
    """`text` with all that a reader does not see made visible: what is copied is what is shown."""
    return UNSEEN.sub(lambda found: seen(found[0]), text)


def in_ascii_quotes(text: str) -> str:
    r"""`text` as one word of bash that holds nothing unseen, such as ``$'a\u202eb'``; bash makes the same characters of it, and the same bytes."""

    def escaped(found: re.Match[str]) -> str:
        code = ord(found[0])
        if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, as Python holds it
            return f"\\x{code - 0xDC00:02x}"
        return f"\\x{code:02x}" if code < 0x80 else f"\\u{code:04x}"

    quoted = text.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\t", "\\t")
    return f"$'{UNSEEN.sub(escaped, quoted)}'"


def neutral(text: str) -> str:
    """`text` for a person's terminal, or the log of a pipeline: nothing in it is obeyed there but colours.

    Colours (``ESC [ … m``) stay, and end with the text; all else that a terminal obeys becomes visible. Doing it again changes nothing.
    """
    shown = _SHOWN.sub(lambda found: found[0] if found["colour"] else picture(found[0]), text) if UNSAFE.search(text) else text
    if "::" in shown or "##" in shown:
        shown = _TO_PIPELINE.sub(lambda found: f"{found['blanks']}\\" if found["sharp"] is None else r"#\#", shown)
    last = shown.rfind("\x1b[")
    if last >= 0 and not re.match(r"\x1b\[0*m", shown[last:]):
        end = len(shown) - len(shown.rstrip("\n"))
        shown = f"{shown[: len(shown) - end]}\x1b[0m{shown[len(shown) - end :]}"
    return shown


def uncoloured(text: str) -> str:
    """The same without the colours."""
    return neutral(_COLOURS.sub("", text))


def in_utf8(text: str) -> str:
    r"""`text` as UTF-8 can hold it: a lone surrogate becomes its number, ``\udcff``."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
