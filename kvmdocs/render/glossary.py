"""Markdown extension that explains terms at their first occurrence on a page, with texts from the site's glossary page.

The glossary is a guide like any other. A level-3 heading is an entry. It lists the entry's terms, separated by commas or in
brackets. The first sentence below it is shown to a reader who points at the term on another page. So each explanation is
written once, can be linked to, and can be read without a mouse.

In ``mkdocs.yml``, under ``markdown_extensions``::

    kvmdocs.render.glossary:
      page: docs/en/glossary.md

Only the first occurrence of a term on a page is marked, and none in headings, links and code. Python-Markdown's `abbr` marks
every occurrence and requires word boundaries around a term, which Chinese does not have.
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
_SEPARATOR = re.compile(r"\s*[,、，()（）]\s*")
_SENTENCE = re.compile(r"(?<=。)|(?<=\.)\s+(?=[A-Z`])")
_LINK = re.compile(r"\[([^\]]+)\]\([^)]*\)")
_LATIN = "A-Za-z0-9_"
_TAG = re.compile(r"<(?P<end>/?)(?P<name>[a-z][a-z0-9]*)", re.IGNORECASE)
UNMARKED_TAGS = frozenset(
    {"a", "abbr", "button", "code", "h1", "h2", "h3", "h4", "h5", "h6", "kbd", "pre", "script", "style", "summary"}
)
"""Elements in which no term is marked."""


@dataclass(frozen=True)
class Term:
    """An entry of the glossary.

    Attributes:
        terms: The names of the explained thing.
        anchor: The id of the entry's heading.
        text: The first sentence of the explanation, without markup.
    """

    terms: tuple[str, ...]
    anchor: str
    text: str


def read_entries(page: Path) -> list[Term]:
    """Read the entries of a glossary.

    Args:
        page: The glossary's Markdown file.

    Raises:
        GuideError: The page cannot be read, an entry has no text, or a term has two entries.
    """
    try:
        lines = page.read_text("utf-8").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise GuideError(f"the glossary {page} cannot be read: {error}", Evidence(place=Place(str(page)))) from error
    glossary: list[Term] = []
    lines_of_terms: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        if not (heading := _ENTRY.match(line)):
            continue
        place = Place(str(page), number)
        text = next((below for below in lines[number:] if below.strip()), "")
        if not text or text.startswith("#"):
            raise GuideError(
                f"{place}: the entry has no text", Evidence(place=place, advice="write an explanation below the heading")
            )
        terms = tuple(term.strip("`") for term in _SEPARATOR.split(heading["terms"]) if term)
        for term in terms:
            if term in lines_of_terms:
                raise GuideError(f"{place}: {term!r} has an entry at line {lines_of_terms[term]} too", Evidence(place=place))
            lines_of_terms[term] = number
        sentence = _SENTENCE.split(_LINK.sub(r"\1", text))[0]
        glossary.append(Term(terms, heading["anchor"], re.sub(r"[`*]", "", sentence)))
    return glossary


def pattern(terms: list[str]) -> re.Pattern[str]:
    """Return a pattern that matches terms, longer terms first.

    A Latin term matches only as a whole word, also in plural, and not in a path.
    """
    parts = []
    for term in sorted(terms, key=len, reverse=True):
        before = rf"(?<![{_LATIN}/])" if re.match(rf"[{_LATIN}]", term) else ""
        after = rf"s?(?![{_LATIN}/]|\.\w)" if re.search(rf"[{_LATIN}]$", term) else ""
        parts.append(before + re.escape(term) + after)
    return re.compile("|".join(parts))


class Marker(Treeprocessor):
    """Tree processor that marks the terms of a page."""

    def __init__(self, md: Markdown, glossary: list[Term]) -> None:
        super().__init__(md)
        self._entries = {term: entry for entry in glossary for term in entry.terms}
        self._pattern = re.compile(f"{HTML_PLACEHOLDER_RE.pattern}|{pattern(list(self._entries)).pattern}")
        self._seen: set[str] = set()
        self._depth = 0

    def run(self, root: Element) -> None:
        """Mark the terms of a page, unless the page is the glossary itself."""
        self._seen = set()
        anchors = {element.get("id") for element in root if element.tag == "h3"}
        if self._entries and not {entry.anchor for entry in self._entries.values()} <= anchors:
            self._mark(root)

    def _mark(self, element: Element) -> None:
        if element.tag in UNMARKED_TAGS:
            return
        depth = self._depth
        text, marked = self._split(element.text)
        children = list(element)
        element.text = text
        element[:] = marked
        for child in children:
            self._mark(child)
            element.append(child)
            child.tail, marked = self._split(child.tail)
            element.extend(marked)
        self._depth = depth  # an unclosed tag ends with its parent element

    def _split(self, text: str | None) -> tuple[str | None, list[Element]]:
        """Return the text before the first term, and for each term an element whose tail is the text after it."""
        if not text or isinstance(text, AtomicString):
            return text, []
        marked: list[Element] = []
        head, last = text, 0
        for match in self._pattern.finditer(text):
            if match[1]:
                self._track_tag(int(match[1]))
                continue
            entry = self._entries.get(match[0]) or self._entries[match[0][:-1]]
            if self._depth or entry.anchor in self._seen:
                continue
            self._seen.add(entry.anchor)
            between = text[last : match.start()]
            if marked:
                marked[-1].tail = between
            else:
                head = between
            element = Element("abbr", {"title": entry.text})
            element.text = AtomicString(match[0])
            marked.append(element)
            last = match.end()
        if marked:
            marked[-1].tail = text[last:]
        return head, marked

    def _track_tag(self, number: int) -> None:
        """Track whether a stashed HTML tag opens or closes an element of `UNMARKED_TAGS`.

        `number` is its index in the stash.
        """
        raw = self.md.htmlStash.rawHtmlBlocks[number]
        tag = _TAG.match(raw) if isinstance(raw, str) else None
        if tag and tag["name"].lower() in UNMARKED_TAGS:
            self._depth = max(0, self._depth - 1) if tag["end"] else self._depth + 1


class GlossaryExtension(Extension):
    """The Markdown extension of this module."""

    def __init__(self, **options: Any) -> None:
        self.config = {"page": ["", "Path of the glossary, relative to the project's folder; empty for none."]}
        super().__init__(**options)

    def extendMarkdown(self, md: Markdown) -> None:  # noqa: N802  # Python-Markdown's name
        """Register the tree processor.

        Raises:
            GuideError: The glossary cannot be read.
        """
        page = self.getConfig("page")
        if page:
            # After inline markup becomes elements (priority 20), and after the table of contents (5), which thus has no marks.
            # Before elements are serialised (0).
            md.treeprocessors.register(Marker(md, read_entries(find_root() / page)), "kvmdocs-glossary", 3)


def makeExtension(**options: Any) -> GlossaryExtension:  # noqa: N802  # the same
    """Create the extension. Called by Python-Markdown."""
    return GlossaryExtension(**options)
