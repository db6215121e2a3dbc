"""Drawing of sequence diagrams in two forms: lifelines for wide pages, tracks beside the texts for narrow pages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

from kvmdocs.figures.canvas import LINE_HEIGHT, LOOKS, SIZE, SMALL, Canvas, widest
from kvmdocs.figures.figure import NARROW, WIDE
from kvmdocs.figures.measure import width, wrap
from kvmdocs.figures.sequence_model import Actor, Item, Message, MessageGroup, Note

_ROW_GAP = 14.0
"""Pixels between an arrow and the text of the next message."""
_TRACK_WIDTH = 20.0
_MARK_RADIUS = 9.0


@dataclass
class _SequenceDrawing:
    """Base class of both forms.

    Attributes:
        actors: The actors, from left to right.
        numbered: True to number the messages.
        held: True to mark, with a broad line, the actor that has the thing passed by the messages.
    """

    actors: Sequence[Actor]
    numbered: bool
    held: bool
    canvas: Canvas = field(default_factory=lambda: Canvas(0), init=False)
    count: int = field(default=0, init=False)
    last: tuple[str, float] | None = field(default=None, init=False)
    total: ClassVar[float] = WIDE

    def draw(self, items: Sequence[Item]) -> Canvas:
        """Draw the diagram."""
        self.canvas = Canvas(self.total)
        y = self.begin()
        for item in items:
            y = self.group(item, y) if isinstance(item, MessageGroup) else self.item(item, y)
        self.end(y)
        return self.canvas

    def begin(self) -> float:
        """Draw the actors. Return the y coordinate of the first item."""
        raise NotImplementedError

    def end(self, y: float) -> None:
        """Draw everything that depends on the position of the last item, and set the height of the drawing."""
        raise NotImplementedError

    def message(self, message: Message, y: float) -> float:
        """Draw a message. Return the y coordinate of the next item."""
        raise NotImplementedError

    def note(self, note: Note, y: float) -> float:
        """Draw a note. Return the y coordinate of the next item."""
        raise NotImplementedError

    def group(self, group: MessageGroup, y: float) -> float:
        """Draw a group with its items. Return the y coordinate of the next item."""
        raise NotImplementedError

    def item(self, item: Message | Note, y: float) -> float:
        """Draw a message or a note. Return the y coordinate of the next item."""
        return self.note(item, y) if isinstance(item, Note) else self.message(item, y)

    def x(self, key: str) -> float:
        """Return the x coordinate of an actor's line."""
        raise NotImplementedError

    def look(self, key: str) -> str:
        """Return the CSS class of an actor."""
        return f"pic-{self.index(key) % LOOKS + 1}"

    def index(self, key: str) -> int:
        """Return the index of an actor."""
        return next(index for index, actor in enumerate(self.actors) if actor.key == key)

    def hold(self, key: str, y: float) -> None:
        """Draw the broad line of the previous holder down to here, and start that of the next holder."""
        if self.held and self.last:
            before, since = self.last
            self.canvas.sink(
                self.canvas.box((self.x(before) - 3, since), (6, y - since), f"pic-held {self.look(before)}", radius=3)
            )
        self.last = (key, y)

    def mark(self, key: str, y: float) -> None:
        """Draw the mark at which a message arrives: its number or a dot."""
        self.count += 1
        radius = _MARK_RADIUS if self.numbered else 4.0
        self.canvas.add("circle", f"pic-mark {self.look(key)}", cx=self.x(key), cy=y, r=radius)
        if self.numbered:
            self.canvas.text((self.x(key), y + 3.6), str(self.count), "pic-on", size=10, anchor="middle")

    def labels(self, message: Message, at: tuple[float, float], max_width: float, anchor: str = "start") -> float:
        """Draw name and text of a message. Return the y coordinate of the base line after them."""
        x, y = at
        for line in wrap(message.name, max_width, SIZE, code=True) if message.name else ():
            self.canvas.text(
                (x, y), line, "pic-code pic-halo", size=SIZE - 0.5, anchor=anchor, href=message.href, title=message.title
            )
            y += SIZE * LINE_HEIGHT
        size, look = (SMALL, "pic-soft pic-halo") if message.name else (SIZE, "pic-halo")
        return self.canvas.lines((x, y), wrap(message.text, max_width, size), look, size=size, anchor=anchor)


class _Wide(_SequenceDrawing):
    """The form for wide pages: lifelines side by side."""

    @property
    def column(self) -> float:
        """The distance between lifelines, in pixels."""
        return self.total / len(self.actors)

    def x(self, key: str) -> float:
        return self.column * (self.index(key) + 0.5)

    def begin(self) -> float:
        return self._heads(0.0) + 8

    def _heads(self, top: float) -> float:
        """Draw a row with the actors. Return the y coordinate of its lower end."""
        names = [wrap(actor.name, self.column - 34, SIZE) for actor in self.actors]
        height = max(len(lines) for lines in names) * SIZE * LINE_HEIGHT + 14
        for actor, lines in zip(self.actors, names, strict=True):
            x = self.x(actor.key)
            wide = max(widest(lines) + 24, 90)
            first = top + height / 2 - (len(lines) - 1) * SIZE * LINE_HEIGHT / 2 + SIZE * 0.36
            self.canvas.box((x - wide / 2, top + 1), (wide, height - 2), f"pic-actor {self.look(actor.key)}")
            self.canvas.lines((x, first), lines, "pic-name", anchor="middle")
        return top + height

    def end(self, y: float) -> None:
        self.hold("", y)
        self.canvas.grow(self._heads(y + 10))
        for actor in self.actors:
            # `upright` puts the line below the boxes of the actors.
            self.canvas.upright(self.x(actor.key), (9, self.canvas.height - 9), f"pic-life {self.look(actor.key)}")

    def message(self, message: Message, y: float) -> float:
        source, target = self.x(message.source), self.x(message.target)
        base = y + SIZE + 4
        if source == target:
            return self._action(message, base, target)
        left, right = min(source, target) + 14, max(source, target) - 14
        max_width = max(right - left, min(230.0, self.total - left))
        below = self._texts(message, (left, base), max_width, (left + right) / 2)
        # A numbered mark is higher than an arrow.
        at = below - SIZE * LINE_HEIGHT + (14 if self.numbered else 9)
        if self.held:
            self.hold(message.target, at)
        inset = _MARK_RADIUS if self.numbered else 2.0
        way = 1 if target > source else -1
        look = "pic-line pic-dash" if message.answer else "pic-line"
        self.canvas.arrow([(source + 4 * way * self.held, at), (target - inset * way, at)], look)
        if self.numbered or self.held:
            self.mark(message.target, at)
        return at + _ROW_GAP

    def _texts(self, message: Message, at: tuple[float, float], max_width: float, middle: float) -> float:
        """Draw the texts above an arrow: code starts at its left end, other text is centred.

        Return the base line after them.
        """
        x, y = at
        if message.name:
            widths = [width(message.name, SIZE - 0.5, code=True), widest(wrap(message.text, max_width, SMALL), SMALL)]
            return self.labels(message, (min(x, self.total - max(widths) - 4), y), max_width)
        lines = wrap(message.text, max_width, SIZE)
        half = widest(lines) / 2
        middle = min(max(middle, half + 2), self.total - half - 2)
        return self.canvas.lines((middle, y), lines, "pic-halo", anchor="middle")

    def _action(self, message: Message, base: float, x: float) -> float:
        """Draw an action beside its actor's line: to the right, for the last actor to the left.

        Return the y coordinate of the next item.
        """
        last = x + self.column > self.total
        side, anchor = (x - 16, "end") if last else (x + 16, "start")
        below = self.labels(message, (side, base), min(self.column * 1.5, 260), anchor)
        at = base + (below - SIZE * LINE_HEIGHT - base) / 2 - 4
        if self.held:
            self.hold(message.target, at)
        self.mark(message.target, at)
        return below - SIZE * LINE_HEIGHT + _ROW_GAP - 2

    def note(self, note: Note, y: float) -> float:
        places = [self.x(key) for key in note.over]
        middle = (min(places) + max(places)) / 2
        lines = wrap(note.text, max(max(places) - min(places), 150) + 20, SMALL)
        wide = max(widest(lines, SMALL) + 20, max(places) - min(places) + 24)
        middle = min(max(middle, wide / 2 + 1), self.total - wide / 2 - 1)
        high = len(lines) * SMALL * LINE_HEIGHT + 10
        self.canvas.box((middle - wide / 2, y + 6), (wide, high), "pic-note", radius=2)
        self.canvas.lines((middle, y + 6 + SMALL + 4), lines, size=SMALL, anchor="middle")
        return y + high + 12

    def group(self, group: MessageGroup, y: float) -> float:
        texts = wrap(group.text, self.total - 40, SMALL)
        top = y + 8
        below = top + 8 + len(texts) * SMALL * LINE_HEIGHT
        for item in group.items:
            below = self.item(item, below)
        self.canvas.box((6, top), (self.total - 12, below - top + 4), "pic-block")
        self.canvas.lines((16, top + SMALL + 5), texts, "pic-soft pic-halo", size=SMALL)
        return below + 10


class _Narrow(_SequenceDrawing):
    """The form for narrow pages: tracks side by side, and the texts to their right."""

    total = NARROW
    _tops: dict[str, float]

    def x(self, key: str) -> float:
        return _MARK_RADIUS + 1 + _TRACK_WIDTH * self.index(key)

    @property
    def side(self) -> float:
        """The x coordinate at which texts start."""
        return _TRACK_WIDTH * len(self.actors) + 10

    def begin(self) -> float:
        """Draw the actors' names, one per line, each at the head of its track. Return the y coordinate of the first item."""
        y = SIZE + 2
        self._tops = {}
        for actor in reversed(self.actors):
            x = self.x(actor.key)
            self._tops[actor.key] = y - 4
            self.canvas.add("circle", f"pic-mark {self.look(actor.key)}", cx=x, cy=y - 4, r=4)
            y = self.canvas.lines((x + 9, y), wrap(actor.name, self.total - x - 9, SIZE), "pic-name pic-halo") + 2
        return y

    def end(self, y: float) -> None:
        self.hold("", y)
        self.canvas.grow(y + 4)
        for key, top in self._tops.items():
            self.canvas.upright(self.x(key), (top, y + 4), f"pic-life {self.look(key)}")

    def message(self, message: Message, y: float) -> float:
        source, target = self.x(message.source), self.x(message.target)
        base = y + SIZE
        at = base - 4
        inset = _MARK_RADIUS if self.numbered else 2.0
        way = 1 if target > source else -1
        if self.held:
            self.hold(message.target, at)
        if source != target:
            look = "pic-line pic-dash" if message.answer else "pic-line"
            self.canvas.arrow([(source, at), (target - inset * way, at)], look)
        if self.numbered or self.held or source == target:
            self.mark(message.target, at)
        return self.labels(message, (self.side, base), self.total - self.side) - SIZE * LINE_HEIGHT + _ROW_GAP

    def note(self, note: Note, y: float) -> float:
        lines = wrap(note.text, self.total - self.side - 14, SMALL)
        high = len(lines) * SMALL * LINE_HEIGHT + 8
        x = self.x(note.over[0]) - 4
        self.canvas.box((x, y), (self.total - x - 1, high), "pic-note", radius=2)
        self.canvas.lines((self.side + 4, y + SMALL + 3), lines, size=SMALL)
        return y + high + 8

    def group(self, group: MessageGroup, y: float) -> float:
        texts = wrap(group.text, self.total - self.side - 8, SMALL)
        below = self.canvas.lines((self.side, y + SMALL), texts, "pic-soft", size=SMALL) + 2
        for item in group.items:
            below = self.item(item, below)
        self.canvas.box((0.5, y - 3), (self.total - 1, below - y - 2), "pic-block")
        return below + 8


def life_lines(actors: Sequence[Actor], items: Sequence[Item], *, numbered: bool, held: bool) -> Canvas:
    """Draw the form for wide pages. The arguments are those of `kvmdocs.figures.sequence.sequence`."""
    return _Wide(actors, numbered, held).draw(items)


def tracks(actors: Sequence[Actor], items: Sequence[Item], *, numbered: bool, held: bool) -> Canvas:
    """Draw the form for narrow pages. The arguments are those of `kvmdocs.figures.sequence.sequence`."""
    return _Narrow(actors, numbered, held).draw(items)
