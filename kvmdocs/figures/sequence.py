"""Sequence diagrams. On wide pages each actor has a lifeline, on narrow pages a track beside the texts."""

from __future__ import annotations

from collections.abc import Sequence

from kvmdocs.figures.figure import Figure
from kvmdocs.figures.sequence_model import Actor, Item, Message, MessageGroup
from kvmdocs.figures.sequence_svg import life_lines, tracks


def sequence(
    figure: Figure,
    actors: Sequence[Actor],
    items: Sequence[Item],
    alternative: str,
    *,
    numbered: bool = False,
    held: bool = False,
) -> str:
    """Draw a sequence diagram, as HTML on one line.

    Args:
        figure: Title, description and caption.
        actors: The actors, from left to right.
        items: The messages, notes and groups, in order.
        alternative: The text alternative, as HTML.
        numbered: True to number the messages.
        held: True if the messages pass one thing from actor to actor. A broad line then marks the actor that has it.
    """
    flat = [one for item in items for one in (item.items if isinstance(item, MessageGroup) else (item,))]
    links = any(isinstance(item, Message) and item.href for item in flat)
    wide = life_lines(actors, items, numbered=numbered, held=held)
    narrow = tracks(actors, items, numbered=numbered, held=held)
    return figure.html(wide, narrow, alternative, links=links)
