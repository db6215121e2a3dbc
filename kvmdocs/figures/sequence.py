"""Who hands what to whom: a sequence diagram. On a wide page each actor has a life line, on a narrow one a track at the side."""

from __future__ import annotations

from collections.abc import Sequence

from kvmdocs.figures.exchange import Actor, Item, Message, MessageGroup
from kvmdocs.figures.figure import Figure
from kvmdocs.figures.lifelines import life_lines, tracks


def sequence(
    figure: Figure,
    actors: Sequence[Actor],
    items: Sequence[Item],
    alternative: str,
    *,
    numbered: bool = False,
    held: bool = False,
) -> str:
    """A sequence diagram as HTML on one line.

    Args:
        figure: What is said of it.
        actors: Who takes part, from left to right.
        items: What happens, in order.
        alternative: The same in words, as HTML.
        numbered: True to count the messages.
        held: True if all messages are one thing that goes from hand to hand: then a broad line shows who has it.
    """
    flat = [one for item in items for one in (item.items if isinstance(item, MessageGroup) else (item,))]
    links = any(isinstance(item, Message) and item.href for item in flat)
    wide = life_lines(actors, items, numbered=numbered, held=held)
    narrow = tracks(actors, items, numbered=numbered, held=held)
    return figure.html(wide, narrow, alternative, links=links)
