"""Escaping of text for HTML that passes through Markdown.

Python-Markdown reads the output of a block with all of the site's extensions. So the results here have no newline, every
character that may start Markdown is a character reference, and characters that a terminal would interpret or hide (control
characters, overrides of the writing direction) are visible.
"""

from __future__ import annotations

import re

from kvmdocs.core.control_characters import UNSEEN, seen

_MARKUP = "&<>\"'`~*{}[]\\#|!"
_ESCAPED = str.maketrans({character: f"&#{ord(character)};" for character in _MARKUP} | {"\n": "&#10;", "\t": "&#9;"})
_ESCAPED.update(str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"}))

_UNBREAKABLE = re.compile(r"(?<!\S)(?=\S*-)\S{2,28}(?!\S)")
"""Words with a hyphen in code that no line should break, unless they are too long for a phone."""

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


def escape(text: str) -> str:
    """Return `text` as HTML on one line, with invisible and control characters in a box of their own.

    Args:
        text: Any text; newlines and tabs become character references.
    """
    parts = []
    last = 0
    for match in UNSEEN.finditer(text):
        parts.append(text[last : match.start()].translate(_ESCAPED))
        parts.append(f'<i class="tr-ctl">{seen(match[0]).translate(_ESCAPED)}</i>')
        last = match.end()
    parts.append(text[last:].translate(_ESCAPED))
    return "".join(parts)


def attribute(text: str) -> str:
    """Return `text` for an attribute in double quotes. A browser decodes it to exactly the same characters.

    NUL and lone surrogates cannot be written in HTML; they become U+FFFD.
    """
    return _CONTROL.sub(_reference, text.translate(_ESCAPED))


def prose(text: str) -> str:
    """Return an author's sentence as HTML: escaped, with `code` in backticks as its only markup."""
    parts = re.split(r"(`+)(.+?)\1", re.sub(r"\s+", " ", text.strip()))
    # re.split gives text, fence, code, text, fence, code, ..., text
    html = [escape(parts[0])]
    for code, after in zip(parts[2::3], parts[3::3], strict=True):
        html += [f"<code>{keep_hyphens(escape(code.strip()))}</code>", escape(after)]
    return "".join(html)


def keep_hyphens(html: str) -> str:
    """Return code as HTML in which words with a hyphen are not broken at the end of a line.

    A browser may break after any hyphen, for example ``--mode`` into ``--`` and ``mode``. Code with tags is returned unchanged,
    because tags contain hyphens.
    """
    return html if "<" in html else _UNBREAKABLE.sub(r'<span class="kd-nb">\g<0></span>', html)


def _reference(match: re.Match[str]) -> str:
    code = ord(match[0])
    # HTML reads &#128; to &#159; as windows-1252, so those controls are written literally; but U+0085 breaks the line.
    if code == 0 or 0xD800 <= code <= 0xDFFF:
        return "\ufffd"
    return match[0] if 0x80 <= code <= 0x9F and code != 0x85 else f"&#{code};"
