"""Drift: the difference between a fresh record and the approved one, after normalisation.

It is classed by what may explain it, so that whoever reads it knows where to look first: another version of a tool or another setting; another
host; or neither, and then the recipe's behaviour is what has changed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from kvmdocs.core.model import Host, Record, Step, Where
from kvmdocs.store.normalise import Normaliser


class DriftCause(StrEnum):
    """What may explain a drift."""

    TOOL = "tool version"
    HOST = "host"
    BEHAVIOUR = "behaviour"


@dataclass(frozen=True)
class Drift:
    """What differs between two records of a recipe.

    Attributes:
        recipe: The recipe.
        kind: What may explain it.
        causes: What differs beside the steps: tools with both their versions, settings, facts of the host.
        sections: The sections in which something differs; "" for steps outside of any.
        diff: The difference as lines of a unified diff, under stable names.
    """

    recipe: str
    kind: DriftCause
    causes: tuple[str, ...]
    sections: tuple[str, ...]
    diff: tuple[str, ...]

    def lines(self) -> list[str]:
        """As lines for a terminal."""
        return [f"{self.recipe}: drift ({self.kind})", *(f"  {cause}" for cause in self.causes), *self.diff]


def compare(approved: Record, fresh: Record, stable: bool | tuple[str, ...] = True) -> Drift | None:
    """What has drifted, or None.

    Args:
        approved: The approved record; of an output that was shortened there, only what it kept is compared.
        fresh: The fresh one.
        stable: The sections to compare; True for everything.
    """
    before, now = _sections(approved, stable), _sections(fresh, stable)
    sections: list[str] = []
    diff: list[str] = []
    for name in dict.fromkeys([*before, *now]):
        old, new = _aligned(before.get(name, []), now.get(name, []))
        if old != new:
            sections.append(name)
            where = f"{approved.recipe}/{name}" if name else approved.recipe
            diff += difflib.unified_diff(old, new, f"approved/{where}", f"fresh/{where}", lineterm="")
    if not sections:
        return None
    tools = [*_changed("", approved.tools, fresh.tools), *_changed("setting ", approved.settings, fresh.settings)]
    host = _changed("", _facts(approved.host), _facts(fresh.host))
    kind = DriftCause.TOOL if tools else DriftCause.HOST if host else DriftCause.BEHAVIOUR
    return Drift(approved.recipe, kind, tuple(tools or host), tuple(sections), tuple(diff))


def _sections(record: Record, stable: bool | tuple[str, ...]) -> dict[str, list[Step]]:
    """The steps by their section: the names of one do not depend on what another prints."""
    found: dict[str, list[Step]] = {}
    for step in record.steps:
        name = step.section or ""
        if stable is True or (stable and name in stable):
            found.setdefault(name, []).append(step)
    return found


def _aligned(approved: list[Step], fresh: list[Step]) -> tuple[list[str], list[str]]:
    """The lines of both under stable names, with long outputs of the fresh ones shortened as the approved ones are."""
    shortened = [_shortened(step, approved[number]) if number < len(approved) else step for number, step in enumerate(fresh)]
    return _lines(approved), _lines(shortened)


def _shortened(step: Step, like: Step) -> Step:
    kept = like.output
    if not kept.omitted_bytes:
        return step
    head = step.output.head.splitlines(keepends=True)[: kept.head.count("\n")]
    tail = (step.output.tail or step.output.head).splitlines(keepends=True)[-max(len(kept.tail.splitlines()), 1) :]
    output = replace(kept, head="".join(head), tail="".join(tail))
    return replace(step, output=output)


def _lines(steps: Iterable[Step]) -> list[str]:
    """Steps as the lines of a transcript under stable names."""
    steps = list(steps)
    texts = [text for step in steps for text in (step.command, step.stdin or "", step.output.text)]
    names = Normaliser(*texts)
    lines: list[str] = []
    for step in steps:
        prompt = "$" if step.where in (Where.HOST, Where.ROOT) else f"({step.where})"
        lines += names.text(f"{prompt} {step.command}{' &' if step.background else ''}").split("\n")
        if step.stdin is not None:
            lines += [f"< {line}" for line in names.text(step.stdin).split("\n")]
        if step.output.omitted_bytes:
            lines += [*names.text(step.output.head).splitlines(), "[…]", *names.text(step.output.tail).splitlines()]
        else:
            lines += names.text(step.output.head).splitlines()
        # How a process that went on was ended in the end is a matter of who was faster.
        if step.status and not step.background:
            lines.append(f"[exit status {step.status}]")
    return lines


def _facts(host: Host) -> dict[str, Any]:
    """What of a host bears on what recipes print. Its name, memory and processors are no reason for other output."""
    return {"machine": host.machine, "system": host.system, "kernel": host.kernel}


def _changed(kind: str, before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys([*before, *now])
    return [
        f"{kind}{name} {_brief(before.get(name))} → {_brief(now.get(name))}"
        for name in names
        if before.get(name) != now.get(name)
    ]


def _brief(value: Any) -> str:
    return "(none)" if value is None else str(value).strip().partition("\n")[0]
