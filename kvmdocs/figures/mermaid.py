"""Reading diagrams: the part of Mermaid's language that guides need, so that an author writes what other sites draw too.

Flow charts (``flowchart TB``, ``LR``) with boxes, questions, stores, subgraphs and labelled lines; sequence diagrams with participants,
arrows, notes and loops. The language is described at https://mermaid.js.org/intro/syntax-reference.html.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kvmdocs.core.errors import GuideError
from kvmdocs.figures.boxes import Line, Node
from kvmdocs.figures.exchange import Actor, Item, Message, MessageGroup, Note
from kvmdocs.figures.flow import Edge, Flow

_FLOW = re.compile(r"(?:flowchart|graph)\s+(TB|TD|LR)\s*$")
_SUBGRAPH = re.compile(r'subgraph\s+(?P<key>\w+)(?:\s*\[\s*"?(?P<text>.*?)"?\s*\])?\s*$')
_NODE = re.compile(
    r"\s*(?P<key>\w+)(?:\s*(?:"
    r'\[\(\s*(?P<store>"[^"]*"|[^)]*)\s*\)\]|'
    r'\[\s*(?P<box>"[^"]*"|[^\]]*)\s*\]|'
    r'\{\s*(?P<question>"[^"]*"|[^}]*)\s*\}'
    r"))?\s*"
)
_LINK = re.compile(
    r"(?P<back><)?(?:"
    r'(?:--|-\.)\s+(?P<inner>"[^"]*"|[^-|]+?)\s+(?P<named>-->|---|\.->|-\.->)|'
    r'(?P<bare>-\.->|-->|---)(?:\|\s*(?P<label>"[^"]*"|[^|]*)\s*\|)?)'
)
_PARTICIPANT = re.compile(r"(?:participant|actor)\s+(?P<key>\w+)(?:\s+as\s+(?P<name>.+))?$")
_MESSAGE = re.compile(r"(?P<source>\w+)\s*(?P<arrow>--?>>?)\s*(?P<target>\w+)\s*:\s*(?P<text>.*)$")
_NOTE = re.compile(r"[Nn]ote\s+over\s+(?P<over>\w+(?:\s*,\s*\w+)*)\s*:\s*(?P<text>.*)$")
_CLICK = re.compile(r'click\s+(?P<key>\w+)\s+(?:href\s+)?"(?P<href>[^"]+)"(?:\s+"[^"]*")?$')
_TITLE = re.compile(r"accTitle\s*:\s*(?P<text>.+)$")
_BREAK = re.compile(r"<br\s*/?>")


@dataclass(frozen=True)
class Exchange:
    """A sequence diagram as it was read.

    Attributes:
        actors: Who takes part.
        items: What happens.
    """

    actors: tuple[Actor, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Diagram:
    """A diagram as it was read.

    Attributes:
        title: What it is a picture of: its ``accTitle``.
        drawn: What is in it.
    """

    title: str
    drawn: Flow | Exchange


def read(source: str) -> Diagram:
    """Read a diagram.

    Args:
        source: What stands in the fence.

    Raises:
        GuideError: It is no diagram that is known here; the message has the line.
    """
    lines = [(number, line.strip()) for number, line in enumerate(source.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("%%")]
    titles = [found["text"].strip() for _, line in lines if (found := _TITLE.match(line))]
    lines = [(number, line) for number, line in lines if not _TITLE.match(line)]
    first = lines[0][1] if lines else ""
    title = titles[0] if titles else ""
    if first == "sequenceDiagram":
        return Diagram(title, _Sequence().read(lines[1:]))
    if head := _FLOW.match(first):
        return Diagram(title, _Flow(across=head[1] == "LR").read(lines[1:]))
    raise GuideError(f"line 1 of a diagram says {first!r}; flowchart TB, flowchart LR and sequenceDiagram are drawn here")


def _text(found: str | None) -> str:
    """A text as Mermaid has it: without its quotes, with its line breaks."""
    return _BREAK.sub("\n", (found or "").strip().strip('"').strip())


def _wrong(number: int, line: str) -> GuideError:
    return GuideError(f"line {number} of a diagram cannot be read: {line!r}")


@dataclass
class _Flow:
    across: bool
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)

    def read(self, lines: Sequence[tuple[int, str]]) -> Flow:
        """Read all statements."""
        for number, line in lines:
            if line.startswith("subgraph"):
                self._open(number, line)
            elif line == "end" and self.inside:
                self.inside.pop()
            elif found := _CLICK.match(line):
                self._link(number, line, found)
            elif not line.startswith("direction "):  # one direction holds for the whole of a drawing
                self._statement(number, line)
        if self.inside:
            raise GuideError(f"the subgraph {self.inside[-1]!r} of a diagram has no end")
        return Flow(tuple(self.nodes.values()), tuple(self.edges), across=self.across)

    def _link(self, number: int, line: str, found: re.Match[str]) -> None:
        if found["key"] not in self.nodes:
            raise _wrong(number, line)
        # As in a guide's text, a link to another guide names its source.
        href = re.sub(r"\.md(?=#|$)", ".html", found["href"])
        self.nodes[found["key"]] = replace(self.nodes[found["key"]], href=href)

    def _open(self, number: int, line: str) -> None:
        found = _SUBGRAPH.match(line)
        if not found:
            raise _wrong(number, line)
        text = _text(found["text"] or found["key"])
        lines = tuple(Line(part) for part in text.split("\n"))
        self.nodes[found["key"]] = Node(found["key"], lines, self.inside[-1] if self.inside else "")
        self.inside.append(found["key"])

    def _statement(self, number: int, line: str) -> None:
        """Nodes, and the lines between them: ``A & B --> C -- text --> D``."""
        before, rest = self._nodes(number, line, line)
        while rest:
            link = _LINK.match(rest)
            if not link:
                raise _wrong(number, line)
            after, rest = self._nodes(number, line, rest[link.end() :])
            kind = link["named"] or link["bare"]
            heads = "none" if kind == "---" else "both" if link["back"] else "end"
            text = _text(link["inner"] or link["label"])
            self.edges += [Edge(one, other, text, heads, "." in kind) for one in before for other in after]
            before = after

    def _nodes(self, number: int, line: str, rest: str) -> tuple[list[str], str]:
        keys = []
        while found := _NODE.match(rest):
            keys.append(found["key"])
            self._node(found)
            rest = rest[found.end() :]
            if not rest.startswith("&"):
                return keys, rest
            rest = rest[1:]
        raise _wrong(number, line)

    def _node(self, found: re.Match[str]) -> None:
        shape = next((name for name in ("store", "box", "question") if found[name] is not None), "")
        key = found["key"]
        if key not in self.nodes:
            self.nodes[key] = Node(key, (Line(key),), self.inside[-1] if self.inside else "")
        if shape:
            first, *others = _text(found[shape]).split("\n")
            lines = (Line(first), *(Line(part, "soft" if shape == "box" else "") for part in others))
            self.nodes[key] = replace(self.nodes[key], lines=lines, shape=shape)


@dataclass
class _Sequence:
    actors: dict[str, Actor] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    block: tuple[str, list[Message | Note]] | None = None

    def read(self, lines: Sequence[tuple[int, str]]) -> Exchange:
        """Read all statements."""
        for number, line in lines:
            if found := _PARTICIPANT.match(line):
                self.actors[found["key"]] = Actor(found["key"], _text(found["name"] or found["key"]))
            elif line.startswith("loop ") and self.block is None:
                self.block = (_text(line.removeprefix("loop ")), [])
            elif line == "end" and self.block is not None:
                self.items.append(MessageGroup(self.block[0], tuple(self.block[1])))
                self.block = None
            else:
                (self.items if self.block is None else self.block[1]).append(self._item(number, line))
        if self.block is not None:
            raise GuideError(f"the loop {self.block[0]!r} of a diagram has no end")
        return Exchange(tuple(self.actors.values()), tuple(self.items))

    def _item(self, number: int, line: str) -> Message | Note:
        if found := _MESSAGE.match(line):
            for key in (found["source"], found["target"]):
                self.actors.setdefault(key, Actor(key, key))
            return Message(found["source"], found["target"], _text(found["text"]), answer=found["arrow"].startswith("--"))
        if found := _NOTE.match(line):
            over = tuple(key.strip() for key in found["over"].split(","))
            if unknown := [key for key in over if key not in self.actors]:
                raise GuideError(f"line {number} of a diagram has a note over {unknown[0]!r}, who does not take part")
            return Note(over, _text(found["text"]))
        raise _wrong(number, line)
