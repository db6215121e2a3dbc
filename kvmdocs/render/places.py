"""Source locations on a page: links in the output, and excerpts of the source below it, which need no network.

A page contains each excerpt once; every link to that location leads to it. With JavaScript, a click opens the excerpt below the
line with the link (``kvmdocs/site/assets/peek.js``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from kvmdocs.core.html import attribute, escape
from kvmdocs.core.model import SourceLocation
from kvmdocs.core.words import Labels, Language, words
from kvmdocs.recording.source.stack_frames import spots
from kvmdocs.render import lexers
from kvmdocs.render.anchors import NONE_TAKEN, Anchors
from kvmdocs.render.ansi import Spans, plain

Sources = Callable[[SourceLocation], str | None]
"""Maps a source location to its URL in a source browser; None if there is none."""


def no_sources(_place: SourceLocation) -> None:
    """Return no URL for any source location."""


@dataclass(frozen=True)
class LinkedPlaces:
    """The source locations of one transcript.

    Attributes:
        labels: The renderer's words in the language of the page.
        places: The record's source locations, by file (as the output names it) and line.
        address: Gives their URLs.
        first: By number of the step: the locations that this step is the first on the page to name.
        anchors: The allocator of element ids on the page.
    """

    labels: Labels
    places: Mapping[tuple[str, int], SourceLocation] = field(default_factory=dict)
    address: Sources = no_sources
    first: Mapping[int, tuple[SourceLocation, ...]] = field(default_factory=dict)
    anchors: Anchors = field(default_factory=Anchors)

    def write(self, spans: Spans) -> str:
        """Return a line as HTML with links at its source locations. Its text is unchanged."""
        if not self.places:
            return write_spans(spans)
        html = []
        rest = spans
        done = 0
        for start, end, path, line in spots(plain(spans)):
            place = self.places.get((path, line))
            if place:
                before, rest = _cut(rest, start - done)
                text, rest = _cut(rest, end - start)
                done = end
                html += [write_spans(before), self._open(place), write_spans(text), "</a>"]
        return "".join([*html, write_spans(rest)])

    def _title(self, place: SourceLocation) -> str:
        """Return function, tree and version of a location, and caveats about its line number."""
        parts = [f"{place.function}, {place.tree} {place.version}" if place.function else f"{place.tree} {place.version}"]
        if place.astray:
            parts.append(self.labels.astray.format(function=place.astray))
        if place.patched:
            parts.append(self.labels.patched)
        return ". ".join(parts)

    def link(self, markdown: str) -> str:
        """Link the source locations in Markdown that a guide makes of a recipe's value, and append their excerpts.

        Such Markdown is, for example, a table. Locations in quotes or code, or within a URL, are not linked.
        """
        by_path = {(place.path, place.line): place for place in self.places.values()}
        html = []
        done = 0
        named: dict[str, SourceLocation] = {}
        for start, end, path, line in spots(markdown):
            place = by_path.get((path, line))
            if place and (not start or markdown[start - 1] not in "`\"'=([/"):
                html += [markdown[done:start], self._open(place), markdown[start:end], "</a>"]
                done = end
                named.setdefault(self.anchors.place(place), place)
        peeks = self._folded([place for name, place in named.items() if not self.anchors.has(name)])
        return "".join([*html, markdown[done:], f"\n\n{peeks}" if peeks else ""])

    def _open(self, place: SourceLocation) -> str:
        return f'<a class="tr-at" href="{attribute(f"#{self.anchors.place(place)}")}" title="{attribute(self._title(place))}">'

    def peeks(self, number: int) -> str:
        """Return the folded excerpts of the locations that a step is the first to name; "" if there are none."""
        return self._folded(self.first.get(number, ()))

    def _folded(self, places: Sequence[SourceLocation]) -> str:
        if not places:
            return ""
        body = "".join(self._peek(place) for place in places)
        if len(places) > 1:
            count = escape(self.labels.source_lines.format(count=len(places)))
            body = f"<details><summary>{count}</summary>{body}</details>"
        return f'<div class="tr-peek" data-close="{attribute(self.labels.close)}" data-search-exclude>{body}</div>'

    def _peek(self, place: SourceLocation) -> str:
        url = self.address(place)
        name = escape(f"{place.path}:{place.line}")
        head = f"<code>{name}</code>" + (f" {escape(place.function)}" if place.function else "")
        foot = escape(self._title(place))
        if url:
            foot += f' · <a href="{attribute(url)}">{escape(self.labels.browse)}</a>'
        # Browsers unfold <details> to show a link's target inside it, but not if the target is <details> itself.
        code = f'<pre id="{attribute(self.anchors.place(place))}" tabindex="0">{_excerpt(place)}</pre>'
        return f"<details><summary>{head}</summary>{code}<p>{foot}</p></details>"


def _excerpt(place: SourceLocation) -> str:
    """Return an excerpt with line numbers, which cannot be selected, and with its line highlighted.

    A page may contain hundreds of excerpts, so the numbers are one element, and brackets and operators are not coloured.
    """
    last = place.first + len(place.excerpt) - 1
    numbers = "&#10;".join(f"{number:>{len(str(last))}}" for number in range(place.first, last + 1))
    lines = []
    for number, spans in enumerate(lexers.highlight_file(place.path, "\n".join(place.excerpt)), place.first):
        html = write_spans(simplify(spans))
        lines.append(f"<mark>{html}</mark>" if number == place.line else html)
    return f'<span class="tr-ln" data-ln="{numbers}"></span><span>{"&#10;".join(lines)}</span>'


def simplify(spans: Spans) -> Spans:
    """Remove the style of brackets and operators from a line, and merge neighbouring spans of the same style."""
    plainer = (("" if css_class == "tr-o" else css_class, text) for css_class, text in spans)
    groups = groupby(plainer, key=lambda span: span[0])
    return tuple((css_class, "".join(text for _, text in group)) for css_class, group in groups)


def find_places(
    steps: Iterable[tuple[int, Iterable[str]]],
    places: Iterable[SourceLocation],
    address: Sources,
    labels: Labels,
    anchors: Anchors = NONE_TAKEN,
) -> LinkedPlaces:
    """Find which step of a transcript is the first on the page to name each source location.

    Args:
        steps: Each step's number and the lines of its output.
        places: The record's source locations.
        address: Gives their URLs.
        labels: The renderer's words in the language of the page.
        anchors: The allocator of element ids on the page.
    """
    by_name = {(place.shown, place.line): place for place in places}
    first: dict[int, tuple[SourceLocation, ...]] = {}
    seen = set(anchors.taken)
    for number, lines in steps if by_name else ():
        for line in lines:
            for _, _, path, at in spots(line):
                place = by_name.get((path, at))
                if place and (name := anchors.place(place)) not in seen:
                    seen.add(name)
                    first[number] = (*first.get(number, ()), place)
    return LinkedPlaces(labels, by_name, address, first, anchors)


def linked(
    markdown: str, places: Iterable[SourceLocation], address: Sources, language: Language, anchors: Anchors = NONE_TAKEN
) -> str:
    """Link the source locations in Markdown that was made of a recipe's value, and append their excerpts.

    Args:
        markdown: The Markdown, which names files relative to their source trees.
        places: The record's source locations.
        address: Gives their URLs.
        language: The language of the page.
        anchors: The allocator of element ids on the page.
    """
    return find_places((), places, address, words(language), anchors).link(markdown)


def write_spans(spans: Spans) -> str:
    """Return spans as HTML."""
    return "".join(
        f'<span class="{css_class}">{escape(text)}</span>' if css_class else escape(text) for css_class, text in spans
    )


def _cut(spans: Spans, at: int) -> tuple[Spans, Spans]:
    """Cut a line after `at` characters, if necessary within a span."""
    left: list[tuple[str, str]] = []
    for index, (css_class, text) in enumerate(spans):
        if at <= 0:
            return tuple(left), spans[index:]
        if len(text) > at:
            return (*left, (css_class, text[:at])), ((css_class, text[at:]), *spans[index + 1 :])
        left.append((css_class, text))
        at -= len(text)
    return tuple(left), ()
