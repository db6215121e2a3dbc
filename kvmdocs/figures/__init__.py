"""Figures as inline SVG, drawn while the site is built. They need no JavaScript, and the theme sets their colours.

Each function returns a whole figure as HTML on one line: a drawing for wide pages, one for narrow pages, and a text
alternative.
"""

from kvmdocs.core.words import Language
from kvmdocs.figures.bars import Bar, bars
from kvmdocs.figures.boxes import Line, Node
from kvmdocs.figures.composition import Part, parts
from kvmdocs.figures.figure import Cell, Figure, table
from kvmdocs.figures.flow import Edge, Flow, flow
from kvmdocs.figures.sequence import sequence
from kvmdocs.figures.sequence_model import Actor, Message, MessageGroup, Note
from kvmdocs.figures.timeline import Span, timeline

__all__ = [
    "Actor",
    "Bar",
    "Cell",
    "Edge",
    "Figure",
    "Flow",
    "Language",
    "Line",
    "Message",
    "MessageGroup",
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
