"""The journey of a write as a picture: a sequence diagram made from what was traced, each function a link to its line."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from kvmdocs import Shown
from kvmdocs.figures import Actor, Cell, Figure, Language, Message, sequence, table
from recipes.kvm.journey_events import GUEST, KVM, QEMU, WORKER, Hop

ACTORS = (GUEST, KVM, QEMU, WORKER)
"""The diagram's columns, from left to right."""


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
    """A sequence diagram: an arrow from who had the write before to who has it now, a point for who keeps it.

    Args:
        hops: The hops.
        shown: The record they are of.
        title: What it is a picture of.
        describe: What it shows, in a sentence; ``{hops}`` is their number.
        who: The name of each actor.
        what: What each hop is, by its key.
        heads: The names of the table's seven columns.
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
    """The hops as a table: number, who, function, what it is, file and line, ticks, and what the trace says."""
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
    """What an event says beside its name; a function's line says nothing more."""
    name, colon, said = hop.text.partition(": ")
    bare = re.sub(r"[+:].*", "", name)
    return f"`{bare}`: `{said}`" if colon and said else f"`{bare}`"
