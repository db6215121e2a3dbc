"""Conversion of a page to Markdown for programs such as language models: prose, and transcripts as text.

The source is the page's HTML, so the result includes all that the page has: output of blocks, snippets, tables and, for
pictures, their text alternatives.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

MAX_FOLDED_LINES = 40
"""The most lines of a fold that are included. Of a longer fold, only the number of lines is."""

_VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
_SKIPPED_TAGS = {"svg", "script", "style", "button", "input", "label", "template"}
_SKIPPED_CLASSES = {
    "headerlink", "tabbed-labels", "tr-anchor", "tr-copy", "tr-made", "tr-page-script", "tr-peek", "tr-python", "tr-script",
}  # fmt: skip
"""CSS classes of elements that are decoration or repeat other content."""
_INLINE = {
    "a", "abbr", "b", "br", "cite", "code", "del", "em", "i", "img", "ins", "kbd", "mark", "q", "s", "small", "span", "strong",
    "sub", "sup", "time", "u", "var", "wbr",
}  # fmt: skip
_EMPHASIS = {"b": "**", "strong": "**", "em": "*", "i": "*"}


@dataclass
class _Node:
    """An HTML element; its children are elements and text."""

    tag: str
    attributes: dict[str, str] = field(default_factory=dict)
    children: list[_Node | str] = field(default_factory=list)

    @property
    def classes(self) -> set[str]:
        return set(self.attributes.get("class", "").split())

    @property
    def skipped(self) -> bool:
        return self.tag in _SKIPPED_TAGS or not _SKIPPED_CLASSES.isdisjoint(self.classes)

    def elements(self) -> list[_Node]:
        return [one for one in self.children if isinstance(one, _Node) and not one.skipped]

    def find(self, matches: Callable[[_Node], bool]) -> Iterator[_Node]:
        """Yield the descendants that match, without those inside another match."""
        for one in self.elements():
            if matches(one):
                yield one
            else:
                yield from one.find(matches)

    def text(self) -> str:
        """Return all text in the element, including prompts and the numbers of notes."""
        if self.skipped:
            return ""
        if "tr-mark" in self.classes:
            return f"  ← ({''.join(one for one in self.children if isinstance(one, str))})"
        text = "".join(one if isinstance(one, str) else one.text() for one in self.children)
        return self.attributes.get("data-ps", "") + ("\n" if self.tag == "br" else text)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = _Node("")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = _Node(tag, {name: value or "" for name, value in attrs})
        self._open[-1].children.append(node)
        if tag not in _VOID:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        for depth in range(len(self._open) - 1, 0, -1):
            if self._open[depth].tag == tag:
                del self._open[depth:]
                return

    def handle_data(self, data: str) -> None:
        self._open[-1].children.append(data)


_SKIPPED_HTML = re.compile(
    r"<svg\b.*?</svg>"
    r'|<div class="tabbed-block tr-(?:script|python)" data-search-exclude>.*?</div>'
    r'|<div class="tr-peek" data-close="[^"]*" data-search-exclude>.*?</div>'
    r'|(?<=<div class="tr-cmd") data-copy="[^"]*"',
    re.DOTALL,
)
"""Matches skipped elements, most of a page's HTML, so that they need not be parsed.

They contain no nested <div> (see `tabs` and `places`).
"""


def as_markdown(html: str) -> str:
    """Convert a page's content to Markdown. Links to pages of the site are changed to their Markdown versions.

    Args:
        html: The HTML between the page's header and its footer.
    """
    reader = _Reader()
    reader.feed(_SKIPPED_HTML.sub("", html))
    reader.close()
    return "\n\n".join(_blocks(reader.root)) + "\n"


def _blocks(node: _Node) -> Iterator[str]:
    """Yield the blocks of an element, without blank lines around them. Consecutive text and inline elements form one block."""
    inline: list[_Node | str] = []
    for child in node.children:
        if isinstance(child, str) or child.tag in _INLINE:
            inline.append(child)
        elif not child.skipped:
            yield from _inline_block(inline)
            inline = []
            yield from _block(child)
    yield from _inline_block(inline)


def _inline_block(nodes: Sequence[_Node | str]) -> Iterator[str]:
    text = _inline(nodes).strip()
    if text:
        yield text


def _block(node: _Node) -> Iterator[str]:
    by_class = next((_BY_CLASS[name] for name in sorted(node.classes) if name in _BY_CLASS), None)
    convert = by_class or _BY_TAG.get(node.tag, _blocks)
    for text in convert(node):
        if text.strip():
            yield text.strip("\n")


def _inline(nodes: Sequence[_Node | str]) -> str:
    parts = []
    for one in nodes:
        if isinstance(one, str):
            parts.append(re.sub(r"\s+", " ", one))
        elif one.skipped:
            continue
        elif one.tag == "code":
            parts.append(f"`{one.text()}`")
        elif one.tag == "br":
            parts.append("\n")
        elif "tr-item" in one.classes:
            parts.append(f"{_inline(one.children)} · ")
        else:
            text = _inline(one.children)
            mark = _EMPHASIS.get(one.tag, "")
            parts.append(_link(one, text) if one.tag == "a" else f"{mark}{text}{mark}" if text.strip() else text)
    return "".join(parts)


def _link(node: _Node, text: str) -> str:
    href = node.attributes.get("href", "")
    if not text.strip() or not href:
        return text
    if "://" not in href:
        href = re.sub(r"\.html(?=#|$)", ".html.md", href)
    return f"[{text}]({href})"


def _heading(node: _Node) -> Iterator[str]:
    yield f"{'#' * int(node.tag[1])} {_inline(node.children).strip()}"


def _paragraph(node: _Node) -> Iterator[str]:
    yield from _inline_block(node.children)


def _fenced(text: str) -> str:
    longest = max((len(backticks) for backticks in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text.strip(chr(10))}\n{fence}"


def _code(node: _Node) -> Iterator[str]:
    yield _fenced(node.text())


def _items(node: _Node) -> Iterator[str]:
    number = int(node.attributes.get("start") or 1)
    lines = []
    for one in node.elements():
        marker = f"{one.attributes.get('value') or number}. " if node.tag == "ol" else "- "
        number += 1
        lines.append(_indented(marker, "\n".join(_blocks(one))))
    yield "\n".join(lines)


def _indented(marker: str, text: str) -> str:
    """Put text behind a list marker and indent its further lines accordingly."""
    return marker + text.replace("\n", "\n" + " " * len(marker))


def _terms(node: _Node) -> Iterator[str]:
    for one in node.find(lambda node: node.tag in {"dt", "dd"}):
        text = "\n".join(_blocks(one))
        yield f"**{text}**" if one.tag == "dt" else _indented(":   ", text)


def _table(node: _Node) -> Iterator[str]:
    rows = [
        [" ".join(" ".join(_blocks(cell)).split()).replace("|", "\\|") for cell in row.elements()]
        for row in node.find(lambda node: node.tag == "tr")
    ]
    if rows:
        lines = [f"| {' | '.join(row)} |" for row in rows]
        yield "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]])


def _details(node: _Node) -> Iterator[str]:
    for one in node.elements():
        yield from [f"**{_inline(one.children).strip()}**"] if one.tag == "summary" else _block(one)


def _quote(node: _Node) -> Iterator[str]:
    yield _indented("> ", "\n\n".join(_blocks(node))).replace("\n  ", "\n> ")


def _run(node: _Node) -> Iterator[str]:
    """Yield the name of a prompt and the steps typed at it.

    Consecutive steps share a code block unless there is text between them.
    """
    boxes: list[str] = []
    for one in node.elements():
        if "tr-bar" in one.classes:
            yield f"*{''.join(badge.text() for badge in one.find(lambda node: 'tr-badge' in node.classes))}*"
            continue
        box, after = _step(one) if "tr-step" in one.classes else ([], [*_block(one)])
        boxes += box
        if after:
            yield from [_fenced("\n".join(boxes))] if boxes else []
            boxes = []
            yield from after
    if boxes:
        yield _fenced("\n".join(boxes))


def _step(node: _Node) -> tuple[list[str], list[str]]:
    """Return the lines of a step's code block, and the blocks after it."""
    boxes: list[str] = []
    after: list[str] = []
    notes: list[str] = []
    for one in node.elements():
        if "tr-facts" in one.classes:
            boxes.append("".join(f"[{fact.text()}]\n" for fact in one.elements()).rstrip("\n"))
        elif "tr-cmd" in one.classes or "tr-out" in one.classes:
            boxes.append(one.text().removesuffix("\n"))
        elif "tr-long" in one.classes:
            boxes += _long(one)
        elif "tr-notes" in one.classes:
            notes += [f"({item.attributes.get('value', '')}) {_inline(item.children).strip()}" for item in one.elements()]
        else:
            after += _block(one)
    return boxes, [*after, *(["\n".join(notes)] if notes else [])]


def _long(node: _Node) -> Iterator[str]:
    """Yield the parts of a long output. Folds of more than `MAX_FOLDED_LINES` are replaced by their summary."""
    for one in node.elements():
        summary = next(one.find(lambda node: node.tag == "summary"), None) if one.tag == "details" else None
        if summary is not None:
            text = "\n".join(child.text() for child in one.elements() if child.tag != "summary")
            yield text if text.count("\n") < MAX_FOLDED_LINES else summary.text()
        else:
            yield one.text().strip("\n")


def _session(node: _Node) -> Iterator[str]:
    """Yield the blocks of the first tab; the others repeat it."""
    yield from _block(next(node.find(lambda node: "tabbed-block" in node.classes), _Node("")))


def _stamp(node: _Node) -> Iterator[str]:
    for one in node.find(lambda node: node.tag == "summary"):
        yield f"*{re.sub(r'[*]+', '', _inline(one.children)).strip(' ·')}*"


def _title(node: _Node) -> Iterator[str]:
    yield f"**{_inline(node.children).strip()}**"


_BY_TAG: dict[str, Callable[[_Node], Iterator[str]]] = {
    **{f"h{level}": _heading for level in range(1, 7)},
    "p": _paragraph, "pre": _code, "ul": _items, "ol": _items, "dl": _terms, "table": _table, "details": _details,
    "blockquote": _quote,
}  # fmt: skip
_BY_CLASS: dict[str, Callable[[_Node], Iterator[str]]] = {
    "tr-run": _run, "tr-tabs": _session, "tr-stamp": _stamp, "admonition-title": _title,
}  # fmt: skip
