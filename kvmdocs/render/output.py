"""HTML of a step's output: coloured and folded, with the numbers of notes and with highlighted lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from kvmdocs.core.html import attribute, escape
from kvmdocs.core.model import Output, Where
from kvmdocs.core.units import size
from kvmdocs.core.words import Labels
from kvmdocs.render.ansi import Spans, paint, plain
from kvmdocs.render.fold import fold
from kvmdocs.render.lexers import highlight_output
from kvmdocs.render.notes import Notes
from kvmdocs.render.places import LinkedPlaces

MAX_VISIBLE_HIGHLIGHTS = 12
"""The most highlighted lines that stay visible in a long output.

A pattern that matches every line must not unfold the whole output.
"""

NOTE_NUMBER = 'class="tr-mark'
"""Identifies the number of a note in HTML."""

MAX_PRINTED_FOLD = 40
"""The most folded lines that are printed on paper. Of longer folds, paper shows only the number of lines."""
SCROLL_WIDTH = 60
"""Characters of a line. A box with a longer line may scroll sideways and must be reachable with the keyboard."""


@dataclass(frozen=True)
class OutputLine:
    """A line of output.

    Attributes:
        spans: The styled text.
        notes: The numbers of the notes on the line.
        highlighted: True if it matches the block's `highlight` option.
    """

    spans: Spans
    notes: tuple[int, ...] = ()
    highlighted: bool = False

    @property
    def text(self) -> str:
        """The line without styles."""
        return plain(self.spans)


Logs = Callable[[str], str | None]
"""Maps a log's file name to its URL; None if there is nothing to link to."""


@dataclass(frozen=True)
class OutputRenderer:
    """Renderer of the outputs of one transcript.

    Attributes:
        recipe: The recipe's name.
        fold: The number of lines above which an output is folded.
        highlight: The pattern of lines to highlight; None for no highlighting.
        notes: The transcript's notes.
        labels: The renderer's words in the language of the page.
        logs: Gives the URLs of logs.
        places: The source locations that the outputs name.
    """

    recipe: str
    fold: int
    highlight: re.Pattern[str] | None
    notes: Notes
    labels: Labels
    logs: Logs
    places: LinkedPlaces

    def output(self, number: int, output: Output, where: Where) -> str:
        """Return the HTML of the output of step `number`; "" if it printed nothing."""
        styled = styled_lines(output)
        head, tail = (self._lines(number, part, styled[part], where) for part in ("head", "tail"))
        total = len(head) + len(tail)
        if not total:
            return ""
        long = total > self.fold or output.omitted_bytes > 0
        parts = self._long(head, tail, output) if long else self._pre([*head, *tail])
        # Long outputs would fill the search index, so only short ones are indexed. Material's search parser ends an excluded
        # element at the first end tag of the same name, so nothing inside may be a <section>.
        return f'<section class="tr-long" data-search-exclude>{parts}</section>' if long else parts

    def _lines(self, number: int, part: str, lines: Sequence[Spans], where: Where) -> list[OutputLine]:
        result = []
        for index, spans in enumerate(lines):
            text = plain(spans)
            coloured = any(css_class for css_class, _ in spans)
            highlighted = self.highlight is not None and self.highlight.search(text) is not None
            notes = self.notes.on((number, part, index))
            result.append(OutputLine(spans if coloured else highlight_output(text, where), notes, highlighted))
        return result

    def _long(self, head: list[OutputLine], tail: list[OutputLine], output: Output) -> str:
        first, last = self.fold * 2 // 3, self.fold - self.fold * 2 // 3
        if not output.omitted_bytes:
            return self._folded([*head, *tail], first, last) + self._log_link(output)
        gap = f'<p class="tr-hole">{self._gap(output)}</p>'
        return f"{self._folded(head, first, 0)}{gap}{self._folded(tail, 0, last)}{self._log_link(output)}"

    def _gap(self, output: Output) -> str:
        """Return how much of the output is omitted and where to get it: from the log, or by a run if the record has no logs."""
        count, omitted = f"{output.omitted_lines:,}", size(output.omitted_bytes)
        if url := self.logs(output.log) if output.log else None:
            text = escape(self.labels.only_in_log.format(count=count, size=omitted))
            return f'<a href="{attribute(url)}" download>{text}</a>'
        before, after = self.labels.not_kept.format(count=count, size=omitted, command="\0").split("\0")
        return f"{escape(before)}<code>kvmdocs run {escape(self.recipe)}</code>{escape(after)}"

    def _folded(self, lines: list[OutputLine], first: int, last: int) -> str:
        keep = []
        highlighted = 0
        for line in lines:
            highlighted += line.highlighted
            keep.append(bool(line.notes) or (line.highlighted and highlighted <= MAX_VISIBLE_HIGHLIGHTS))
        html = []
        for group in fold(lines, keep, first, last):
            body = self._pre(group.lines)
            if group.folded:
                count = escape(self.labels.lines.format(count=f"{len(group.lines):,}"))
                css_class = ' class="tr-brief"' if len(group.lines) <= MAX_PRINTED_FOLD else ""
                body = f"<details{css_class}><summary>{count}</summary>{body}</details>"
            html.append(body)
        return "".join(html)

    def _pre(self, lines: Sequence[OutputLine]) -> str:
        focus = focusable(line.text for line in lines)
        # HTML parsers drop a newline directly after <pre>, so an empty first line needs another one.
        lead = "&#10;" if lines and not lines[0].text else ""
        return f'<pre class="tr-out"{focus}>{lead}{"&#10;".join(map(self._line, lines))}</pre>'

    def _line(self, line: OutputLine) -> str:
        html = self.places.write(line.spans)
        if line.highlighted:
            html = f'<mark class="tr-hit">{html}</mark>'
        return html + note_numbers(line.notes)

    def _log_link(self, output: Output) -> str:
        """Return a link to the whole log, and how much even the log lacks."""
        html = ""
        url = self.logs(output.log) if output.log else None
        if url:
            html = f'<a href="{attribute(url)}" download>{escape(self.labels.whole_log)}</a>'
        if output.lost_bytes:
            html += f" <span>{escape(self.labels.lost.format(size=size(output.lost_bytes)))}</span>"
        return f'<p class="tr-log">{html}</p>' if html else ""


def styled_lines(output: Output) -> dict[str, list[Spans]]:
    """Return the styled lines of an output's head and tail. A colour in the head does not continue in the tail."""
    return {"head": list(_paint(output.head)), "tail": list(_paint(output.tail if output.omitted_bytes else ""))}


def _paint(text: str) -> Iterator[Spans]:
    lines = text.removesuffix("\n").split("\n") if text else []
    return paint(line.removesuffix("\r") for line in lines)


def note_numbers(notes: Sequence[int]) -> str:
    """Return the numbers of a line's notes as HTML.

    If there are several, each has a class with its index, which CSS cannot compute.
    """
    classes = [""] if len(notes) == 1 else [f" tr-m{index}" for index in range(1, len(notes) + 1)]
    return "".join(
        f'<sup {NOTE_NUMBER}{css_class}" data-search-exclude>{number}</sup>'
        for number, css_class in zip(notes, classes, strict=True)
    )


def focusable(lines: Iterable[str]) -> str:
    """Return the `tabindex` attribute for a box that may scroll sideways, so that the keyboard reaches it; "" for others.

    With a tab stop on every box, the page would be tedious to navigate.
    """
    return ' tabindex="0"' if any(len(line) > SCROLL_WIDTH for line in lines) else ""
