"""Places in source code on a page: links in the output, and below it the lines themselves, which need no network.

A link leads to the lines, wherever on the page they are; a page has them once. Where scripts run, a click opens them under the line
that names them (``overrides/assets/js/peek.js``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from kvmdocs.core.html import attribute, escape
from kvmdocs.core.model import SourceLocation
from kvmdocs.core.words import Language, RenderWords, words
from kvmdocs.recording.source.stack_frames import spots
from kvmdocs.render import lexers
from kvmdocs.render.anchors import NONE_TAKEN, Anchors
from kvmdocs.render.ansi import Spans, plain

Sources = Callable[[SourceLocation], str | None]
"""Gives the address of a place in source code, or None when there is none."""


def no_sources(_place: SourceLocation) -> None:
    """There are no addresses of source code."""


@dataclass(frozen=True)
class LinkedPlaces:
    """The places of one transcript.

    Attributes:
        say: The words.
        known: The record's places, by the file as the output names it and the line.
        address: Where a reader finds them.
        first: The places that a step is the first of its page to name, by its number.
        anchors: The names of the places on the page.
    """

    say: RenderWords
    known: Mapping[tuple[str, int], SourceLocation] = field(default_factory=dict)
    address: Sources = no_sources
    first: Mapping[int, tuple[SourceLocation, ...]] = field(default_factory=dict)
    anchors: Anchors = field(default_factory=Anchors)

    def write(self, spans: Spans) -> str:
        """A line as HTML, its places as links; what it reads, and what is copied of it, stays as it is."""
        if not self.known:
            return write_spans(spans)
        html = []
        rest = spans
        done = 0
        for start, end, path, line in spots(plain(spans)):
            place = self.known.get((path, line))
            if place:
                before, rest = _cut(rest, start - done)
                inside, rest = _cut(rest, end - start)
                done = end
                html += [write_spans(before), self._open(place), write_spans(inside), "</a>"]
        return "".join([*html, write_spans(rest)])

    def _title(self, place: SourceLocation) -> str:
        parts = [f"{place.function}, {place.tree} {place.version}" if place.function else f"{place.tree} {place.version}"]
        if place.astray:
            parts.append(self.say.astray.format(function=place.astray))
        if place.patched:
            parts.append(self.say.patched)
        return ". ".join(parts)

    def link(self, markdown: str) -> str:
        """Markdown that a guide makes of a recipe's value, such as a table, with its places as links, and their lines after it.

        Only what stands there as plain text counts; what is quoted, or part of an address, stays as it is.
        """
        inside = {(place.path, place.line): place for place in self.known.values()}
        html = []
        done = 0
        named: dict[str, SourceLocation] = {}
        for start, end, path, line in spots(markdown):
            place = inside.get((path, line))
            if place and (not start or markdown[start - 1] not in "`\"'=([/"):
                html += [markdown[done:start], self._open(place), markdown[start:end], "</a>"]
                done = end
                named.setdefault(self.anchors.place(place), place)
        peeks = self._folded([place for name, place in named.items() if not self.anchors.has(name)])
        return "".join([*html, markdown[done:], f"\n\n{peeks}" if peeks else ""])

    def _open(self, place: SourceLocation) -> str:
        return f'<a class="tr-at" href="{attribute(f"#{self.anchors.place(place)}")}" title="{attribute(self._title(place))}">'

    def peeks(self, number: int) -> str:
        """The lines around the places that a step is the first to name, folded away; "" when it names none."""
        return self._folded(self.first.get(number, ()))

    def _folded(self, places: Sequence[SourceLocation]) -> str:
        if not places:
            return ""
        body = "".join(self._peek(place) for place in places)
        if len(places) > 1:
            count = escape(self.say.source_lines.format(count=len(places)))
            body = f"<details><summary>{count}</summary>{body}</details>"
        return f'<div class="tr-peek" data-close="{attribute(self.say.close)}" data-search-exclude>{body}</div>'

    def _peek(self, place: SourceLocation) -> str:
        url = self.address(place)
        name = escape(f"{place.path}:{place.line}")
        head = f"<code>{name}</code>" + (f" {escape(place.function)}" if place.function else "")
        foot = escape(self._title(place))
        if url:
            foot += f' · <a href="{attribute(url)}">{escape(self.say.browse)}</a>'
        # A browser that is sent to a name inside what is folded unfolds it; to that of the fold itself, it would not.
        code = f'<pre id="{attribute(self.anchors.place(place))}" tabindex="0">{_excerpt(place)}</pre>'
        return f"<details><summary>{head}</summary>{code}<p>{foot}</p></details>"


def _excerpt(place: SourceLocation) -> str:
    """An excerpt beside its lines' numbers, which no selection takes along; the line itself is marked.

    A page may hold hundreds of these, so the numbers are one element, and brackets and operators have no colour.
    """
    last = place.first + len(place.excerpt) - 1
    numbers = "&#10;".join(f"{number:>{len(str(last))}}" for number in range(place.first, last + 1))
    lines = []
    for number, spans in enumerate(lexers.file(place.path, "\n".join(place.excerpt)), place.first):
        html = write_spans(merged(spans))
        lines.append(f"<mark>{html}</mark>" if number == place.line else html)
    return f'<span class="tr-ln" data-ln="{numbers}"></span><span>{"&#10;".join(lines)}</span>'


def merged(spans: Spans) -> Spans:
    """A line without the looks of brackets and operators; what then looks alike is one span."""
    plainer = ((look if look != "tr-o" else "", text) for look, text in spans)
    return tuple((look, "".join(text for _, text in group)) for look, group in groupby(plainer, key=lambda span: span[0]))


def met(
    steps: Iterable[tuple[int, Iterable[str]]],
    places: Iterable[SourceLocation],
    address: Sources,
    say: RenderWords,
    anchors: Anchors = NONE_TAKEN,
) -> LinkedPlaces:
    """The places of a transcript.

    Args:
        steps: Each step's number and the lines of its output.
        places: The record's places.
        address: Where a reader finds them.
        say: The words.
        anchors: The names of the places on the page.
    """
    known = {(place.shown, place.line): place for place in places}
    first: dict[int, tuple[SourceLocation, ...]] = {}
    seen = set(anchors.taken)
    for number, lines in steps if known else ():
        for line in lines:
            for _, _, path, at in spots(line):
                place = known.get((path, at))
                if place and (name := anchors.place(place)) not in seen:
                    seen.add(name)
                    first[number] = (*first.get(number, ()), place)
    return LinkedPlaces(say, known, address, first, anchors)


def linked(
    markdown: str, places: Iterable[SourceLocation], address: Sources, language: Language, anchors: Anchors = NONE_TAKEN
) -> str:
    """Markdown made of a recipe's value, with the places it names, relative to their trees, as links, and their lines after it."""
    return met((), places, address, words(language), anchors).link(markdown)


def write_spans(spans: Spans) -> str:
    """Spans as HTML."""
    return "".join(f'<span class="{look}">{escape(text)}</span>' if look else escape(text) for look, text in spans)


def _cut(spans: Spans, at: int) -> tuple[Spans, Spans]:
    """Cut a line after so many characters, a span in two if need be."""
    left: list[tuple[str, str]] = []
    for index, (look, text) in enumerate(spans):
        if at <= 0:
            return tuple(left), spans[index:]
        if len(text) > at:
            return (*left, (look, text[:at])), ((look, text[at:]), *spans[index + 1 :])
        left.append((look, text))
        at -= len(text)
    return tuple(left), ()
