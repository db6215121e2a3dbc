"""A page as Markdown, for programs that read: its prose, and its transcripts as text.

It is made of the page's HTML, so it has what the page has, whatever made that: blocks, snippets, pictures (their words), tables.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html.parser import HTMLParser

LONGEST = 40
"""Lines of folded output that are told; of more it is said how many they are."""

_VOID = {"area", "base", "br", "col", "hr", "img", "input", "link", "meta", "source", "wbr"}
_UNSAID = {"svg", "script", "style", "button", "input", "label", "template"}
_UNSAID_LOOKS = {"headerlink", "tabbed-labels", "tr-page-script", "tr-script", "tr-python", "tr-made", "tr-anchor", "tr-peek",
                 "tr-copy"}  # fmt: skip
"""What a page has for its looks, or what it says a second time."""
_INLINE = {"a", "abbr", "b", "br", "cite", "code", "del", "em", "i", "img", "ins", "kbd", "mark", "q", "s", "small", "span", "strong", "sub", "sup",
           "time", "u", "var", "wbr"}  # fmt: skip
_MARKS = {"b": "**", "strong": "**", "em": "*", "i": "*"}


@dataclass
class _Node:
    """An element; its text is among its children."""

    tag: str
    given: dict[str, str] = field(default_factory=dict)
    below: list[_Node | str] = field(default_factory=list)

    @property
    def looks(self) -> set[str]:
        return set(self.given.get("class", "").split())

    @property
    def unsaid(self) -> bool:
        return self.tag in _UNSAID or not _UNSAID_LOOKS.isdisjoint(self.looks)

    def elements(self) -> list[_Node]:
        return [one for one in self.below if isinstance(one, _Node) and not one.unsaid]

    def find(self, told: Callable[[_Node], bool]) -> Iterator[_Node]:
        """The elements below that are meant, outermost only."""
        for one in self.elements():
            if told(one):
                yield one
            else:
                yield from one.find(told)

    def text(self) -> str:
        """All of its text, prompts and the numbers of notes included."""
        if self.unsaid:
            return ""
        if "tr-mark" in self.looks:
            return f"  ← ({''.join(one for one in self.below if isinstance(one, str))})"
        inside = "".join(one if isinstance(one, str) else one.text() for one in self.below)
        return self.given.get("data-ps", "") + ("\n" if self.tag == "br" else inside)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.root = _Node("")
        self._open = [self.root]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        node = _Node(tag, {name: value or "" for name, value in attrs})
        self._open[-1].below.append(node)
        if tag not in _VOID:
            self._open.append(node)

    def handle_endtag(self, tag: str) -> None:
        for depth in range(len(self._open) - 1, 0, -1):
            if self._open[depth].tag == tag:
                del self._open[depth:]
                return

    def handle_data(self, data: str) -> None:
        self._open[-1].below.append(data)


_SPARED = re.compile(
    r"<svg\b.*?</svg>"
    r'|<div class="tabbed-block tr-(?:script|python)" data-search-exclude>.*?</div>'
    r'|<div class="tr-peek" data-close="[^"]*" data-search-exclude>.*?</div>'
    r'|(?<=<div class="tr-cmd") data-copy="[^"]*"',
    re.DOTALL,
)
"""What need not be read, since nothing of it is said: most of a page. No <div> is in those that are left out (`kvmdocs.render.tabs`, `kvmdocs.render.places`)."""


def as_markdown(html: str) -> str:
    """A page's content as Markdown.

    Args:
        html: The HTML between the page's header and its footer. Links to pages of the site lead to their Markdown.
    """
    reader = _Reader()
    reader.feed(_SPARED.sub("", html))
    reader.close()
    return "\n\n".join(_blocks(reader.root)) + "\n"


def _blocks(node: _Node) -> Iterator[str]:
    """The blocks of text in an element, each without an empty line around it; text and inline elements side by side are one."""
    beside: list[_Node | str] = []
    for one in node.below:
        if isinstance(one, str) or one.tag in _INLINE:
            beside.append(one)
        elif not one.unsaid:
            yield from _told(beside)
            beside = []
            yield from _block(one)
    yield from _told(beside)


def _told(beside: Sequence[_Node | str]) -> Iterator[str]:
    text = _inline(beside).strip()
    if text:
        yield text


def _block(node: _Node) -> Iterator[str]:
    kind = next((_LOOKS[look] for look in sorted(node.looks) if look in _LOOKS), None) or _TAGS.get(node.tag, _blocks)
    for text in kind(node):
        if text.strip():
            yield text.strip("\n")


def _inline(nodes: Sequence[_Node | str]) -> str:
    parts = []
    for one in nodes:
        if isinstance(one, str):
            parts.append(re.sub(r"\s+", " ", one))
        elif one.unsaid:
            continue
        elif one.tag == "code":
            parts.append(f"`{one.text()}`")
        elif one.tag == "br":
            parts.append("\n")
        elif "tr-item" in one.looks:
            parts.append(f"{_inline(one.below)} · ")
        else:
            inside = _inline(one.below)
            mark = _MARKS.get(one.tag, "")
            parts.append(_link(one, inside) if one.tag == "a" else f"{mark}{inside}{mark}" if inside.strip() else inside)
    return "".join(parts)


def _link(node: _Node, text: str) -> str:
    href = node.given.get("href", "")
    if not text.strip() or not href:
        return text
    if "://" not in href:
        href = re.sub(r"\.html(?=#|$)", ".html.md", href)
    return f"[{text}]({href})"


def _heading(node: _Node) -> Iterator[str]:
    yield f"{'#' * int(node.tag[1])} {_inline(node.below).strip()}"


def _paragraph(node: _Node) -> Iterator[str]:
    yield from _told(node.below)


def _fenced(text: str) -> str:
    longest = max((len(found) for found in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return f"{fence}\n{text.strip(chr(10))}\n{fence}"


def _code(node: _Node) -> Iterator[str]:
    yield _fenced(node.text())


def _items(node: _Node) -> Iterator[str]:
    number = int(node.given.get("start") or 1)
    lines = []
    for one in node.elements():
        sign = f"{one.given.get('value') or number}. " if node.tag == "ol" else "- "
        number += 1
        lines.append(_hanging(sign, "\n".join(_blocks(one))))
    yield "\n".join(lines)


def _hanging(sign: str, text: str) -> str:
    """Text behind a sign, further lines as far in."""
    return sign + text.replace("\n", "\n" + " " * len(sign))


def _terms(node: _Node) -> Iterator[str]:
    for one in node.find(lambda below: below.tag in {"dt", "dd"}):
        text = "\n".join(_blocks(one))
        yield f"**{text}**" if one.tag == "dt" else _hanging(":   ", text)


def _table(node: _Node) -> Iterator[str]:
    rows = [
        [" ".join(" ".join(_blocks(cell)).split()).replace("|", "\\|") for cell in row.elements()]
        for row in node.find(lambda below: below.tag == "tr")
    ]
    if rows:
        lines = [f"| {' | '.join(row)} |" for row in rows]
        yield "\n".join([lines[0], f"|{'---|' * len(rows[0])}", *lines[1:]])


def _details(node: _Node) -> Iterator[str]:
    for one in node.elements():
        yield from [f"**{_inline(one.below).strip()}**"] if one.tag == "summary" else _block(one)


def _quote(node: _Node) -> Iterator[str]:
    yield _hanging("> ", "\n\n".join(_blocks(node))).replace("\n  ", "\n> ")


def _run(node: _Node) -> Iterator[str]:
    """Steps typed at one prompt: who they were typed to, and steps in one box as far as nothing is said between them."""
    boxes: list[str] = []
    for one in node.elements():
        if "tr-bar" in one.looks:
            yield f"*{''.join(badge.text() for badge in one.find(lambda below: 'tr-badge' in below.looks))}*"
            continue
        box, behind = _step(one) if "tr-step" in one.looks else ([], [*_block(one)])
        boxes += box
        if behind:
            yield from [_fenced("\n".join(boxes))] if boxes else []
            boxes = []
            yield from behind
    if boxes:
        yield _fenced("\n".join(boxes))


def _step(node: _Node) -> tuple[list[str], list[str]]:
    """What stands in a step's box, and what is said behind it."""
    boxes: list[str] = []
    behind: list[str] = []
    notes: list[str] = []
    for one in node.elements():
        if "tr-facts" in one.looks:
            boxes.append("".join(f"[{fact.text()}]\n" for fact in one.elements()).rstrip("\n"))
        elif "tr-cmd" in one.looks or "tr-out" in one.looks:
            boxes.append(one.text().removesuffix("\n"))
        elif "tr-long" in one.looks:
            boxes += _long(one)
        elif "tr-notes" in one.looks:
            notes += [f"({item.given.get('value', '')}) {_inline(item.below).strip()}" for item in one.elements()]
        else:
            behind += _block(one)
    return boxes, [*behind, *(["\n".join(notes)] if notes else [])]


def _long(node: _Node) -> Iterator[str]:
    """A long output: what is folded away is told if it is not too much."""
    for one in node.elements():
        summary = next(one.find(lambda below: below.tag == "summary"), None) if one.tag == "details" else None
        if summary is not None:
            text = "\n".join(below.text() for below in one.elements() if below.tag != "summary")
            yield text if text.count("\n") < LONGEST else summary.text()
        else:
            yield one.text().strip("\n")


def _session(node: _Node) -> Iterator[str]:
    """Of tabs that show the same the first."""
    yield from _block(next(node.find(lambda below: "tabbed-block" in below.looks), _Node("")))


def _stamp(node: _Node) -> Iterator[str]:
    for one in node.find(lambda below: below.tag == "summary"):
        yield f"*{re.sub(r'[*]+', '', _inline(one.below)).strip(' ·')}*"


def _title(node: _Node) -> Iterator[str]:
    yield f"**{_inline(node.below).strip()}**"


_TAGS: dict[str, Callable[[_Node], Iterator[str]]] = {
    **{f"h{level}": _heading for level in range(1, 7)},
    "p": _paragraph, "pre": _code, "ul": _items, "ol": _items, "dl": _terms, "table": _table, "details": _details, "blockquote": _quote,
}  # fmt: skip
_LOOKS: dict[str, Callable[[_Node], Iterator[str]]] = {
    "tr-run": _run, "tr-tabs": _session, "tr-stamp": _stamp, "admonition-title": _title,
}  # fmt: skip
