"""Formatter of ``mermaid`` fences in guides: draws the diagram while the page is built."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial
from typing import Any

from pymdownx.superfences import SuperFencesException

from kvmdocs.core.errors import GuideError
from kvmdocs.core.words import Language, words
from kvmdocs.figures.figure import Cell, Figure, table
from kvmdocs.figures.flow import Flow, flow
from kvmdocs.figures.mermaid import SequenceDiagram, read
from kvmdocs.figures.sequence import sequence
from kvmdocs.figures.sequence_model import Message, MessageGroup, Note


def formatter(language: str = "en") -> Callable[..., str]:
    """Return a formatter for a custom fence of ``pymdownx.superfences``.

    Args:
        language: The language code of the pages.
    """
    # Not a nested function: Zensical pickles the configuration.
    return partial(_diagram, Language.of(language))


def _diagram(language: Language, source: str, *_args: Any, **_more: Any) -> str:
    try:
        return draw(source, language)
    except GuideError as error:
        # superfences treats any other exception as a fence of another kind, and would show the source.
        raise SuperFencesException(error.message) from error


def draw(source: str, language: Language) -> str:
    """Draw a diagram as HTML on one line.

    Args:
        source: The diagram in Mermaid's language.
        language: The language of the page.

    Raises:
        GuideError: The diagram cannot be parsed.
    """
    diagram = read(html.unescape(source))
    labels, drawn = words(language), diagram.drawn
    names = [node.name for node in drawn.nodes] if isinstance(drawn, Flow) else [actor.name for actor in drawn.actors]
    figure = Figure(diagram.title or labels.diagram, labels.pic_of.format(what="; ".join(names)), language)
    if isinstance(drawn, Flow):
        return flow(figure, drawn)
    return sequence(figure, drawn.actors, drawn.items, _as_table(drawn, language))


def _as_table(diagram: SequenceDiagram, language: Language) -> str:
    """Return the messages and notes of a sequence diagram as a table."""
    labels = words(language)
    names = {actor.key: actor.name for actor in diagram.actors}
    rows: list[tuple[Cell, Cell, Cell]] = []

    def add_row(item: Message | Note) -> None:
        if isinstance(item, Message):
            rows.append((Cell(names[item.source]), Cell(names[item.target]), Cell(item.text)))
        else:
            rows.append((Cell("; ".join(names[key] for key in item.over)), Cell(""), Cell(item.text)))

    for item in diagram.items:
        if isinstance(item, MessageGroup):
            rows.append((Cell(""), Cell(""), Cell(f"{item.text}:")))
            for inner in item.items:
                add_row(inner)
        else:
            add_row(item)
    return table((labels.pic_from, labels.pic_to, labels.pic_what), rows)
