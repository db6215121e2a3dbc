"""What a step printed, as HTML: coloured, folded, with its notes' marks and its marked lines."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from kvmdocs.core.html import attribute, escape
from kvmdocs.core.model import Output, Where
from kvmdocs.core.words import RenderWords, size
from kvmdocs.render.ansi import Spans, paint, plain
from kvmdocs.render.fold import fold
from kvmdocs.render.lexers import answered
from kvmdocs.render.notes import Notes, Spot
from kvmdocs.render.places import LinkedPlaces

MARKED_IN_SIGHT = 12
"""Marked lines that stay in sight in a long output; a pattern that marks everything must not unfold everything."""

MARK = 'class="tr-mark'
"""What tells the mark of a note from all else."""

BRIEF = 40
"""Folded lines that are printed all the same; of more, paper says how many there are."""
FOCUSABLE = 60
"""Characters of a line from which a box may need to scroll sideways, and so must be reachable with the keyboard."""


@dataclass(frozen=True)
class OutputLine:
    """A line of output ready to be written.

    Attributes:
        spans: Its text with its looks.
        marks: The numbers of the notes that hang on it.
        marked: True when the author marks it.
    """

    spans: Spans
    marks: tuple[int, ...] = ()
    marked: bool = False

    @property
    def text(self) -> str:
        """The line without its looks."""
        return plain(self.spans)


Logs = Callable[[str], str | None]
"""Gives the address of a log by its file name, or None when there is none to link to."""


@dataclass(frozen=True)
class Printer:
    """Writes the outputs of one transcript.

    Attributes:
        recipe: The recipe whose outputs they are.
        fold: Lines of output after which the rest is folded away.
        marked: What marks a line; None for nothing.
        notes: The transcript's notes.
        say: The words.
        logs: Where whole logs are.
        places: The places in source code that the outputs name.
    """

    recipe: str
    fold: int
    marked: re.Pattern[str] | None
    notes: Notes
    say: RenderWords
    logs: Logs
    places: LinkedPlaces

    def output(self, number: int, output: Output, where: Where) -> str:
        """The HTML of what step `number` printed; "" when that is nothing."""
        painted = read(output)
        head, tail = (self._lines(number, part, painted[part], where) for part in ("head", "tail"))
        total = len(head) + len(tail)
        if not total:
            return ""
        long = total > self.fold or output.omitted_bytes > 0
        parts = self._long(head, tail, output) if long else self._pre([*head, *tail])
        # The search index would drown in logs; what is in sight at once may be found. The index's parser leaves an excluded
        # element at the first end tag of the same name inside, so nothing inside may be a <section>.
        return f'<section class="tr-long" data-search-exclude>{parts}</section>' if long else parts

    def _lines(self, number: int, part: str, painted: Sequence[Spans], where: Where) -> list[OutputLine]:
        lines = []
        for index, spans in enumerate(painted):
            text = plain(spans)
            coloured = any(look for look, _ in spans)
            spot: Spot = (number, part, index)
            marked = self.marked is not None and self.marked.search(text) is not None
            lines.append(OutputLine(spans if coloured else answered(text, where), self.notes.on(spot), marked))
        return lines

    def _long(self, head: list[OutputLine], tail: list[OutputLine], output: Output) -> str:
        first, last = self.fold * 2 // 3, self.fold - self.fold * 2 // 3
        if not output.omitted_bytes:
            return self._pieces([*head, *tail], first, last) + self._log_link(output)
        hole = f'<p class="tr-hole">{self._hole(output)}</p>'
        return f"{self._pieces(head, first, 0)}{hole}{self._pieces(tail, 0, last)}{self._log_link(output)}"

    def _hole(self, output: Output) -> str:
        """How much is not on the page, and where it can be had: the record of another host comes without its logs."""
        count, omitted = f"{output.omitted_lines:,}", size(output.omitted_bytes)
        if url := self.logs(output.log) if output.log else None:
            return f'<a href="{attribute(url)}" download>{escape(self.say.only_in_log.format(count=count, size=omitted))}</a>'
        before, after = self.say.not_kept.format(count=count, size=omitted, command="\0").split("\0")
        return f"{escape(before)}<code>kvmdocs run {escape(self.recipe)}</code>{escape(after)}"

    def _pieces(self, lines: list[OutputLine], first: int, last: int) -> str:
        keep = []
        in_sight = 0
        for line in lines:
            in_sight += line.marked
            keep.append(bool(line.marks) or (line.marked and in_sight <= MARKED_IN_SIGHT))
        html = []
        for piece in fold(lines, keep, first, last):
            body = self._pre(piece.lines)
            if piece.folded:
                count = escape(self.say.lines.format(count=f"{len(piece.lines):,}"))
                look = ' class="tr-brief"' if len(piece.lines) <= BRIEF else ""
                body = f"<details{look}><summary>{count}</summary>{body}</details>"
            html.append(body)
        return "".join(html)

    def _pre(self, lines: Sequence[OutputLine]) -> str:
        focus = focusable(line.text for line in lines)
        # The HTML parser drops a newline that comes right after <pre>; an empty first line needs one more.
        lead = "&#10;" if lines and not lines[0].text else ""
        return f'<pre class="tr-out"{focus}>{lead}{"&#10;".join(map(self._line, lines))}</pre>'

    def _line(self, line: OutputLine) -> str:
        html = self.places.write(line.spans)
        if line.marked:
            html = f'<mark class="tr-hit">{html}</mark>'
        return html + write_marks(line.marks)

    def _log_link(self, output: Output) -> str:
        """A link to the whole log, and what even that does not hold."""
        html = ""
        url = self.logs(output.log) if output.log else None
        if url:
            html = f'<a href="{attribute(url)}" download>{escape(self.say.whole_log)}</a>'
        if output.lost_bytes:
            html += f" <span>{escape(self.say.lost.format(size=size(output.lost_bytes)))}</span>"
        return f'<p class="tr-log">{html}</p>' if html else ""


def read(output: Output) -> dict[str, list[Spans]]:
    """The lines of an output's two parts, with their colours; a colour of the head does not reach the tail."""
    return {"head": list(_painted(output.head)), "tail": list(_painted(output.tail if output.omitted_bytes else ""))}


def _painted(text: str) -> Iterator[Spans]:
    lines = text.removesuffix("\n").split("\n") if text else []
    return paint(line.removesuffix("\r") for line in lines)


def write_marks(marks: Sequence[int]) -> str:
    """The marks of the notes that hang on a line; of several, each says which of them it is, which a style sheet cannot see."""
    looks = [""] if len(marks) == 1 else [f" tr-m{place}" for place in range(1, len(marks) + 1)]
    return "".join(f'<sup {MARK}{look}" data-search-exclude>{number}</sup>' for number, look in zip(marks, looks, strict=True))


def focusable(lines: Iterable[str]) -> str:
    """The attribute that lets a box be reached with the keyboard, for one that may have to scroll sideways.

    A tab stop for every box would make the page a chore to walk through.
    """
    return ' tabindex="0"' if any(len(line) > FOCUSABLE for line in lines) else ""
