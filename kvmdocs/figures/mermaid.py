"""Parser for the subset of Mermaid's language that guides need. Other sites can render the same source with Mermaid.

It supports flow charts (``flowchart TB``, ``LR``) with boxes, questions, stores, subgraphs and labelled edges, and sequence
diagrams with participants, arrows, notes and loops. The language is described at
https://mermaid.js.org/intro/syntax-reference.html.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from kvmdocs.core.errors import GuideError
from kvmdocs.figures.boxes import Line, Node
from kvmdocs.figures.flow import Edge, Flow
from kvmdocs.figures.sequence_model import Actor, Item, Message, MessageGroup, Note

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
class SequenceDiagram:
    """A parsed sequence diagram.

    Attributes:
        actors: The actors, from left to right.
        items: The messages, notes and groups, in order.
    """

    actors: tuple[Actor, ...]
    items: tuple[Item, ...]


@dataclass(frozen=True)
class Diagram:
    """A parsed diagram.

    Attributes:
        title: The title, from ``accTitle``; "" for none.
        drawn: The content.
    """

    title: str
    drawn: Flow | SequenceDiagram


def read(source: str) -> Diagram:
    """Parse a diagram.

    Args:
        source: The content of the fence.

    Raises:
        GuideError: The diagram cannot be parsed, or its kind is not supported. The message contains the line.
    """
    lines = [(number, line.strip()) for number, line in enumerate(source.split("\n"), 1)]
    lines = [(number, line) for number, line in lines if line and not line.startswith("%%")]
    titles = [match["text"].strip() for _, line in lines if (match := _TITLE.match(line))]
    lines = [(number, line) for number, line in lines if not _TITLE.match(line)]
    first = lines[0][1] if lines else ""
    title = titles[0] if titles else ""
    if first == "sequenceDiagram":
        return Diagram(title, _SequenceParser().read(lines[1:]))
    if header := _FLOW.match(first):
        return Diagram(title, _FlowParser(across=header[1] == "LR").read(lines[1:]))
    raise GuideError(f"line 1 of a diagram is {first!r}; supported are flowchart TB, flowchart LR and sequenceDiagram")


def _text(source: str | None) -> str:
    """Return a text of Mermaid's without its quotes, and with ``<br>`` as newlines."""
    return _BREAK.sub("\n", (source or "").strip().strip('"').strip())


def _syntax_error(number: int, line: str) -> GuideError:
    return GuideError(f"line {number} of a diagram cannot be read: {line!r}")


@dataclass
class _FlowParser:
    across: bool
    nodes: dict[str, Node] = field(default_factory=dict)
    edges: list[Edge] = field(default_factory=list)
    inside: list[str] = field(default_factory=list)

    def read(self, lines: Sequence[tuple[int, str]]) -> Flow:
        """Parse all statements."""
        for number, line in lines:
            if line.startswith("subgraph"):
                self._open(number, line)
            elif line == "end" and self.inside:
                self.inside.pop()
            elif click := _CLICK.match(line):
                self._link(number, line, click)
            elif not line.startswith("direction "):  # ignored: a drawing has one direction
                self._statement(number, line)
        if self.inside:
            raise GuideError(f"the subgraph {self.inside[-1]!r} of a diagram is not closed with `end`")
        return Flow(tuple(self.nodes.values()), tuple(self.edges), across=self.across)

    def _link(self, number: int, line: str, click: re.Match[str]) -> None:
        if click["key"] not in self.nodes:
            raise _syntax_error(number, line)
        # As in a guide's text, a link to another guide uses the path of its source.
        href = re.sub(r"\.md(?=#|$)", ".html", click["href"])
        self.nodes[click["key"]] = replace(self.nodes[click["key"]], href=href)

    def _open(self, number: int, line: str) -> None:
        subgraph = _SUBGRAPH.match(line)
        if not subgraph:
            raise _syntax_error(number, line)
        key = subgraph["key"]
        lines = tuple(Line(part) for part in _text(subgraph["text"] or key).split("\n"))
        self.nodes[key] = Node(key, lines, self.inside[-1] if self.inside else "")
        self.inside.append(key)

    def _statement(self, number: int, line: str) -> None:
        """Parse nodes and the edges between them: ``A & B --> C -- text --> D``."""
        before, rest = self._nodes(number, line, line)
        while rest:
            link = _LINK.match(rest)
            if not link:
                raise _syntax_error(number, line)
            after, rest = self._nodes(number, line, rest[link.end() :])
            kind = link["named"] or link["bare"]
            heads = "none" if kind == "---" else "both" if link["back"] else "end"
            text = _text(link["inner"] or link["label"])
            self.edges += [Edge(one, other, text, heads, "." in kind) for one in before for other in after]
            before = after

    def _nodes(self, number: int, line: str, rest: str) -> tuple[list[str], str]:
        keys = []
        while node := _NODE.match(rest):
            keys.append(node["key"])
            self._node(node)
            rest = rest[node.end() :]
            if not rest.startswith("&"):
                return keys, rest
            rest = rest[1:]
        raise _syntax_error(number, line)

    def _node(self, match: re.Match[str]) -> None:
        shape = next((name for name in ("store", "box", "question") if match[name] is not None), "")
        key = match["key"]
        if key not in self.nodes:
            self.nodes[key] = Node(key, (Line(key),), self.inside[-1] if self.inside else "")
        if shape:
            first, *others = _text(match[shape]).split("\n")
            lines = (Line(first), *(Line(part, "soft" if shape == "box" else "") for part in others))
            self.nodes[key] = replace(self.nodes[key], lines=lines, shape=shape)


@dataclass
class _SequenceParser:
    actors: dict[str, Actor] = field(default_factory=dict)
    items: list[Item] = field(default_factory=list)
    loop: tuple[str, list[Message | Note]] | None = None

    def read(self, lines: Sequence[tuple[int, str]]) -> SequenceDiagram:
        """Parse all statements."""
        for number, line in lines:
            if actor := _PARTICIPANT.match(line):
                self.actors[actor["key"]] = Actor(actor["key"], _text(actor["name"] or actor["key"]))
            elif line.startswith("loop ") and self.loop is None:
                self.loop = (_text(line.removeprefix("loop ")), [])
            elif line == "end" and self.loop is not None:
                self.items.append(MessageGroup(self.loop[0], tuple(self.loop[1])))
                self.loop = None
            else:
                (self.items if self.loop is None else self.loop[1]).append(self._item(number, line))
        if self.loop is not None:
            raise GuideError(f"the loop {self.loop[0]!r} of a diagram is not closed with `end`")
        return SequenceDiagram(tuple(self.actors.values()), tuple(self.items))

    def _item(self, number: int, line: str) -> Message | Note:
        if message := _MESSAGE.match(line):
            source, target = message["source"], message["target"]
            for key in (source, target):
                self.actors.setdefault(key, Actor(key, key))
            return Message(source, target, _text(message["text"]), answer=message["arrow"].startswith("--"))
        if note := _NOTE.match(line):
            over = tuple(key.strip() for key in note["over"].split(","))
            if unknown := [key for key in over if key not in self.actors]:
                raise GuideError(f"line {number} of a diagram has a note over {unknown[0]!r}, which is not a participant")
            return Note(over, _text(note["text"]))
        raise _syntax_error(number, line)
