"""Text that can never become markup, neither in HTML nor in the Markdown that HTML passes through.

What a block prints is read by Python-Markdown with all of the site's extensions. So everything leaves here without a newline
and with every character that starts a piece of Markdown written as a character reference, and what a
terminal would obey or hide (control characters, overrides of the writing direction) is made visible.
"""

from __future__ import annotations

import re

from kvmdocs.core.control_characters import UNSEEN, seen

_MARKUP = "&<>\"'`~*{}[]\\#|!"
_ESCAPED = str.maketrans({character: f"&#{ord(character)};" for character in _MARKUP} | {"\n": "&#10;", "\t": "&#9;"})
_ESCAPED.update(str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}))

_KEEPS = re.compile(r"(?<!\S)(?=\S*-)\S{2,28}(?!\S)")
"""Words with a hyphen in code that no line should break, unless they are too long for a telephone."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def escape(text: str) -> str:
    """`text` as HTML on one line, with invisible and control characters shown in a box of their own.

    Args:
        text: Any text; newlines and tabs survive as character references.
    """
    parts = []
    last = 0
    for found in UNSEEN.finditer(text):
        parts.append(text[last : found.start()].translate(_ESCAPED))
        parts.append(f'<i class="tr-ctl">{seen(found[0]).translate(_ESCAPED)}</i>')
        last = found.end()
    parts.append(text[last:].translate(_ESCAPED))
    return "".join(parts)


def attribute(text: str) -> str:
    """`text` for an attribute in double quotes: a browser that reads it gets exactly the same characters back.

    Two kinds cannot be written in HTML at all: NUL and lone surrogates. They become U+FFFD.
    """
    return _CONTROL.sub(_reference, text.translate(_ESCAPED))


def prose(text: str) -> str:
    """A sentence by an author: escaped, with `code` in backticks as its only markup."""
    parts = re.split(r"(`+)(.+?)\1", re.sub(r"\s+", " ", text.strip()))
    # re.split gives text, fence, code, text, fence, code, ..., text
    html = [escape(parts[0])]
    for code, after in zip(parts[2::3], parts[3::3], strict=True):
        html += [f"<code>{together(escape(code.strip()))}</code>", escape(after)]
    return "".join(html)


def together(html: str) -> str:
    """Code as HTML, with each word with a hyphen in an element that is not broken at the end of a line.

    A browser may break after any hyphen, and makes ``--`` and ``mode`` of ``--mode``. Code that has tags already is left alone:
    there are hyphens in them.
    """
    return html if "<" in html else _KEEPS.sub(r'<span class="kd-nb">\g<0></span>', html)


def _reference(found: re.Match[str]) -> str:
    code = ord(found[0])
    # HTML reads &#128; to &#159; as windows-1252, so those controls stand for themselves; a line break of Unicode must not.
    if code == 0 or 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return found[0] if 0x80 <= code <= 0x9F and code != 0x85 else f"&#{code};"
