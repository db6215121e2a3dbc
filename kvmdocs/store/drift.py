"""Drift: the difference between a fresh record and the approved one, after normalisation.

Drift is classified by its likely cause, which tells where to look first: another tool version or setting; another host;
otherwise a change of the recipe's behaviour.
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
    """Likely cause of a drift."""

    TOOL = "tool version"
    HOST = "host"
    BEHAVIOUR = "behaviour"


@dataclass(frozen=True)
class Drift:
    """Difference between two records of a recipe.

    Attributes:
        recipe: The recipe.
        kind: The likely cause.
        causes: Other differences that may explain it: tools with both versions, settings, host facts.
        sections: The sections that differ; "" stands for steps outside of any section.
        diff: The normalised difference, as lines of a unified diff.
    """

    recipe: str
    kind: DriftCause
    causes: tuple[str, ...]
    sections: tuple[str, ...]
    diff: tuple[str, ...]

    def lines(self) -> list[str]:
        """Return the drift as lines for a terminal."""
        return [f"{self.recipe}: drift ({self.kind})", *(f"  {cause}" for cause in self.causes), *self.diff]


def compare(approved: Record, fresh: Record, stable: bool | tuple[str, ...] = True) -> Drift | None:
    """Return the drift between two records, or None.

    Args:
        approved: The approved record. Of an output that was truncated there, only the part it has is compared.
        fresh: The fresh record.
        stable: The sections to compare; True for all.
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
    """Return the steps by section. Sections are normalised separately, so output in one does not change names in another."""
    sections: dict[str, list[Step]] = {}
    for step in record.steps:
        name = step.section or ""
        if stable is True or (stable and name in stable):
            sections.setdefault(name, []).append(step)
    return sections


def _aligned(approved: list[Step], fresh: list[Step]) -> tuple[list[str], list[str]]:
    """Return the normalised lines of both, with long outputs of the fresh steps truncated like the approved ones."""
    truncated = [_truncated(step, approved[number]) if number < len(approved) else step for number, step in enumerate(fresh)]
    return _lines(approved), _lines(truncated)


def _truncated(step: Step, like: Step) -> Step:
    approved = like.output
    if not approved.omitted_bytes:
        return step
    head = step.output.head.splitlines(keepends=True)[: approved.head.count("\n")]
    tail = (step.output.tail or step.output.head).splitlines(keepends=True)[-max(len(approved.tail.splitlines()), 1) :]
    output = replace(approved, head="".join(head), tail="".join(tail))
    return replace(step, output=output)


def _lines(steps: Iterable[Step]) -> list[str]:
    """Return steps as the lines of a normalised transcript."""
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
        # The exit status of a background process depends on timing.
        if step.status and not step.background:
            lines.append(f"[exit status {step.status}]")
    return lines


def _facts(host: Host) -> dict[str, Any]:
    """Return the host facts that can affect output. Its name, memory and processors cannot."""
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
