"""The journey of a write as a sequence diagram and as a table, both made from what was traced."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from recipes.journey_events import GUEST, KVM, QEMU, WORKER, Hop

ACTORS = (GUEST, KVM, QEMU, WORKER)
"""The diagram's columns, from left to right."""

_ENTITIES = {"#": "#35;", ";": "#59;", "<": "#lt;", ">": "#gt;", "\n": " "}
"""What mermaid would take for its own, and the entities it has for them (mermaid's documentation, "Entity codes")."""


def diagram(hops: Sequence[Hop], who: Mapping[str, str], what: Mapping[str, str]) -> str:
    """A mermaid diagram in a fence: an arrow from who had the write before to who has it now, a note for who keeps it.

    Args:
        hops: The hops.
        who: The name of each actor.
        what: What each hop is, by its key.
    """
    lines = ["sequenceDiagram", *(f"  participant {actor} as {escape(who[actor])}" for actor in ACTORS)]
    before = hops[0].actor
    for number, hop in enumerate(hops, 1):
        way = f"Note over {hop.actor}" if hop.actor == before else f"{before}->>{hop.actor}"
        lines.append(f"  {way}: {number}. {escape(hop.function)}<br>{escape(what[hop.key])}")
        before = hop.actor
    return "\n".join(["```mermaid", *lines, "```"])


def table(hops: Sequence[Hop], who: Mapping[str, str], heads: Sequence[str]) -> str:
    """The hops in a table: number, who, function, file and line, ticks, and what the trace says.

    Args:
        hops: The hops.
        who: The name of each actor.
        heads: The names of the six columns.
    """
    rows = [
        f"| {number} | {who[hop.actor]} | `{hop.function}` | {hop.file}:{hop.line} | {hop.when} | {_said(hop)} |"
        for number, hop in enumerate(hops, 1)
    ]
    return "\n".join([f"| {' | '.join(heads)} |", "|--:|---|---|---|--:|---|", *rows])


def _said(hop: Hop) -> str:
    """What an event says beside its name; a function's line says nothing more."""
    name, colon, said = hop.text.partition(": ")
    bare = re.sub(r"[+:].*", "", name)
    return f"`{bare}`: `{said.replace('|', '¦')}`" if colon and said else f"`{bare}`"


def escape(text: str) -> str:
    """A text that mermaid shows as it is."""
    return "".join(_ENTITIES.get(character, character) for character in text)
