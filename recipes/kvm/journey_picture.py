"""The journey of a write as a sequence diagram, made from the trace; each function links to its source line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from kvmdocs import Shown
from kvmdocs.figures import Actor, Cell, Figure, Language, Message, sequence, table
from recipes.kvm.journey_events import GUEST, KVM, QEMU, WORKER, Hop

ACTORS = (GUEST, KVM, QEMU, WORKER)
"""Columns of the diagram, from left to right."""


def picture(
    hops: Sequence[Hop],
    shown: Shown,
    *,
    title: str,
    describe: str,
    who: Mapping[str, str],
    what: Mapping[str, str],
    heads: Sequence[str],
) -> str:
    """Return a sequence diagram: arrows where the write passes to another actor, points where it stays.

    Args:
        hops: The hops.
        shown: The record that they belong to.
        title: Title of the diagram.
        describe: A sentence that describes the diagram; ``{hops}`` is their number.
        who: Name of each actor.
        what: Description of each hop, by its key.
        heads: Titles of the table's seven columns.
    """
    figure = Figure(title, describe.format(hops=len(hops)), Language.of(shown.language))
    actors = [Actor(actor, who[actor]) for actor in ACTORS]
    before = [hops[0].actor, *(hop.actor for hop in hops)]
    messages = [
        Message(
            source,
            hop.actor,
            what[hop.key],
            hop.function,
            shown.address(hop.file, hop.line) or "",
            f"{hop.file}:{hop.line}",
        )
        for source, hop in zip(before, hops, strict=False)
    ]
    return sequence(figure, actors, messages, _table(hops, who, what, heads), numbered=True, held=True)


def _table(hops: Sequence[Hop], who: Mapping[str, str], what: Mapping[str, str], heads: Sequence[str]) -> str:
    """Return the hops as a table: number, actor, function, description, file and line, ticks, and the text of the trace."""
    rows = [
        [
            Cell(str(number), right=True),
            Cell(who[hop.actor]),
            Cell(f"`{hop.function}`"),
            Cell(what[hop.key]),
            Cell(f"`{hop.file}:{hop.line}`"),
            Cell(f"{hop.when:,}", right=True),
            Cell(_said(hop)),
        ]
        for number, hop in enumerate(hops, 1)
    ]
    return table(heads, rows)


def _said(hop: Hop) -> str:
    """Return an event's text without its name; a function's trace has no more text."""
    name, colon, said = hop.text.partition(": ")
    bare = re.sub(r"[+:].*", "", name)
    return f"`{bare}`: `{said}`" if colon and said else f"`{bare}`"
