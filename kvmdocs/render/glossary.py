"""Terms explained where they are first met: a Markdown extension that takes its explanations from the site's own glossary page.

The glossary is a guide like any other. A heading of the third level is an entry; its terms stand in it between commas or in brackets,
and the first sentence below it is what a reader is shown who points at the term on another page. So an explanation is
written once, and has a page where it can be linked to and read without a mouse.

In ``mkdocs.yml``, under ``markdown_extensions``::

    kvmdocs.render.glossary:
      page: docs/en/glossary.md

Only the first time that a page has a term is marked, and never in headings, links and code. Python-Markdown's own `abbr` marks every time,
and needs a word's end around a term, which Chinese does not write.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree.ElementTree import Element

from markdown.extensions import Extension
from markdown.treeprocessors import Treeprocessor
from markdown.util import HTML_PLACEHOLDER_RE, AtomicString

from kvmdocs.core.errors import Evidence, GuideError, Place
from kvmdocs.core.settings import find_root

if TYPE_CHECKING:
    from markdown import Markdown

_ENTRY = re.compile(r"^### (?P<terms>.+?)\s*\{\s*#(?P<anchor>[\w-]+)\s*\}\s*$")
_BETWEEN = re.compile(r"\s*[,、，()（）]\s*")
_SENTENCE = re.compile(r"(?<=。)|(?<=\.)\s+(?=[A-Z`])")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_LATIN = "A-Za-z0-9_"
_TAG = re.compile(r"<(?P<end>/?)(?P<name>[a-z][a-z0-9]*)", re.IGNORECASE)
SPARED = frozenset(
    {"a", "abbr", "button", "code", "h1", "h2", "h3", "h4", "h5", "h6", "kbd", "pre", "script", "style", "summary"}
)
"""Elements in which nothing is marked."""


@dataclass(frozen=True)
class Term:
    """An entry of the glossary.

    Attributes:
        terms: What it explains, under every name it has.
        anchor: Where it stands on its page.
        text: Its first sentence, without markup.
    """

    terms: tuple[str, ...]
    anchor: str
    text: str


def entries(page: Path) -> list[Term]:
    """The entries of a glossary.

    Raises:
        GuideError: The page cannot be read, an entry has no text, or a term has two entries.
    """
    try:
        lines = page.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise GuideError(f"the glossary {page} cannot be read: {error}", Evidence(place=Place(str(page)))) from error
    found: list[Term] = []
    known: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not (heading := _ENTRY.match(line)):
            continue
        place = Place(str(page), number)
        text = next((below for below in lines[number:] if below.strip()), "")
        if not text or text.startswith("#"):
            raise GuideError(f"{place}: the entry has no text", Evidence(place=place, advice="say below it what it means"))
        terms = tuple(term.strip("`") for term in _BETWEEN.split(heading["terms"]) if term)
        for term in terms:
            if term in known:
                raise GuideError(f"{place}: {term!r} has an entry at line {known[term]} too", Evidence(place=place))
            known[term] = number
        sentence = _SENTENCE.split(_LINK.sub(r"\1", text))[0]
        found.append(Term(terms, heading["anchor"], re.sub(r"[`*]", "", sentence)))
    return found


def pattern(terms: list[str]) -> re.Pattern[str]:
    """What finds terms in a text: the longest first, a Latin one only as a word of its own, or several of it, and not in a path."""
    parts = []
    for term in sorted(terms, key=len, reverse=True):
        before = rf"(?<![{_LATIN}/])" if re.match(rf"[{_LATIN}]", term) else ""
        after = rf"s?(?![{_LATIN}/]|\.\w)" if re.search(rf"[{_LATIN}]$", term) else ""
        parts.append(before + re.escape(term) + after)
    return re.compile("|".join(parts))


class Marker(Treeprocessor):
    """Marks the terms of a page."""

    def __init__(self, md: Markdown, glossary: list[Term]) -> None:
        super().__init__(md)
        self._entries = {term: entry for entry in glossary for term in entry.terms}
        self._pattern = re.compile(f"{HTML_PLACEHOLDER_RE.pattern}|{pattern(list(self._entries)).pattern}")
        self._seen: set[str] = set()
        self._inside = 0

    def run(self, root: Element) -> None:
        """Mark them, unless the page is the glossary itself."""
        self._seen = set()
        anchors = {element.get("id") for element in root if element.tag == "h3"}
        if self._entries and not {entry.anchor for entry in self._entries.values()} <= anchors:
            self._mark(root)

    def _mark(self, element: Element) -> None:
        if element.tag in SPARED:
            return
        outside = self._inside
        text, marked = self._split(element.text)
        children = list(element)
        element.text = text
        element[:] = marked
        for child in children:
            self._mark(child)
            element.append(child)
            child.tail, marked = self._split(child.tail)
            element.extend(marked)
        self._inside = outside  # a tag that nobody closed ends with what it stands in

    def _split(self, text: str | None) -> tuple[str | None, list[Element]]:
        """A text up to its first term, and an element with the text behind it for each term."""
        if not text or isinstance(text, AtomicString):
            return text, []
        marked: list[Element] = []
        head, last = text, 0
        for found in self._pattern.finditer(text):
            if found[1]:
                self._pass(int(found[1]))
                continue
            entry = self._entries.get(found[0]) or self._entries[found[0][:-1]]
            if self._inside or entry.anchor in self._seen:
                continue
            self._seen.add(entry.anchor)
            between = text[last : found.start()]
            if marked:
                marked[-1].tail = between
            else:
                head = between
            element = Element("abbr", {"title": entry.text})
            element.text = AtomicString(found[0])
            marked.append(element)
            last = found.end()
        if marked:
            marked[-1].tail = text[last:]
        return head, marked

    def _pass(self, number: int) -> None:
        """Note a tag that was written as HTML, which stands in the text as a number, for whether it begins or ends what is spared."""
        raw = self.md.htmlStash.rawHtmlBlocks[number]
        tag = _TAG.match(raw) if isinstance(raw, str) else None
        if tag and tag["name"].lower() in SPARED:
            self._inside = max(0, self._inside - 1) if tag["end"] else self._inside + 1


class GlossaryExtension(Extension):
    """See the module."""

    def __init__(self, **options: Any) -> None:
        self.config = {"page": ["", "The glossary, from the project's folder; empty for none."]}
        super().__init__(**options)

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802  # Python-Markdown's name
        """Register what marks terms.

        Raises:
            GuideError: The glossary cannot be read.
        """
        page = self.getConfig("page")
        if page:
            # After inline markup has become elements (20) and before those are written (0); the table of contents (5) sees no marks.
            md.treeprocessors.register(Marker(md, entries(find_root() / page)), "kvmdocs-glossary", 3)


def makeExtension(**options: Any) -> GlossaryExtension:  # noqa: N802  # the same
    """What Python-Markdown calls."""
    return GlossaryExtension(**options)
