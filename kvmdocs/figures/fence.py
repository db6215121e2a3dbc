"""Diagrams in guides: what a fence ``mermaid`` holds is drawn while the page is built."""

from __future__ import annotations

import html
from collections.abc import Callable
from functools import partial
from typing import Any

from pymdownx.superfences import SuperFencesException

from kvmdocs.core.errors import GuideError
from kvmdocs.core.words import Language, words
from kvmdocs.figures.exchange import Message, MessageGroup, Note
from kvmdocs.figures.figure import Cell, Figure, table
from kvmdocs.figures.flow import Flow, flow
from kvmdocs.figures.mermaid import Exchange, read
from kvmdocs.figures.sequence import sequence


def formatter(language: str = "en") -> Callable[..., str]:
    """A formatter for a custom fence of ``pymdownx.superfences``.

    Args:
        language: The language of the pages.
    """
    # No function of its own: Zensical pickles what is configured.
    return partial(_diagram, Language.of(language))


def _diagram(language: Language, source: str, *_args: Any, **_more: Any) -> str:
    try:
        return draw(source, language)
    except GuideError as error:
        # Any other exception would be taken for a fence of another kind, and the page show its source.
        raise SuperFencesException(error.message) from error


def draw(source: str, language: Language) -> str:
    """A diagram as HTML on one line.

    Args:
        source: It in Mermaid's language.
        language: The language of the renderer's own words.

    Raises:
        GuideError: It cannot be read.
    """
    diagram = read(html.unescape(source))
    say, found = words(language), diagram.drawn
    title = diagram.title or say.diagram
    if isinstance(found, Flow):
        names = [node.name for node in found.nodes]
        return flow(Figure(title, say.pic_of.format(what="; ".join(names)), language), found)
    actors = [actor.name for actor in found.actors]
    figure = Figure(title, say.pic_of.format(what="; ".join(actors)), language)
    return sequence(figure, found.actors, found.items, _told(found, language))


def _told(found: Exchange, language: Language) -> str:
    """A sequence diagram as a table."""
    say = words(language)
    names = {actor.key: actor.name for actor in found.actors}
    rows: list[tuple[Cell, Cell, Cell]] = []

    def tell(item: Message | Note) -> None:
        if isinstance(item, Message):
            rows.append((Cell(names[item.source]), Cell(names[item.target]), Cell(item.text)))
        else:
            rows.append((Cell("; ".join(names[key] for key in item.over)), Cell(""), Cell(item.text)))

    for item in found.items:
        if isinstance(item, MessageGroup):
            rows.append((Cell(""), Cell(""), Cell(f"{item.text}:")))
            for inner in item.items:
                tell(inner)
        else:
            tell(item)
    return table((say.pic_from, say.pic_to, say.pic_what), rows)
