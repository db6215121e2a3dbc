"""Pictures drawn while the site is built, as SVG that stands in the page: no script draws them, and the theme colours them.

Each function here gives a whole figure as HTML on one line: the drawing for a wide page, another for a narrow one, and the same in words.
"""

from kvmdocs.render.draw.bars import Bar, bars
from kvmdocs.render.draw.boxes import Line, Node
from kvmdocs.render.draw.exchange import Actor, Block, Message, Note
from kvmdocs.render.draw.figure import Cell, Figure, table
from kvmdocs.render.draw.flow import Edge, Flow, flow
from kvmdocs.render.draw.parts import Part, parts
from kvmdocs.render.draw.sequence import sequence
from kvmdocs.render.draw.timeline import Span, timeline

__all__ = [
    "Actor",
    "Bar",
    "Block",
    "Cell",
    "Edge",
    "Figure",
    "Flow",
    "Line",
    "Message",
    "Node",
    "Note",
    "Part",
    "Span",
    "bars",
    "flow",
    "parts",
    "sequence",
    "table",
    "timeline",
]
