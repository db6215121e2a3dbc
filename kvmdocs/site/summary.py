"""What a site's records say together, for a home page: how much ran, where, when, and of which versions.

A block asks for it and writes it in the page's language::

    from kvmdocs.site.summary import facts

    print(f"{facts().recipes} recipes ran.")

Beside it, where a reader gets a copy of the project from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kvmdocs.core.model import Host, Record, Status
from kvmdocs.execution.project import Project
from kvmdocs.execution.result import RunResult
from kvmdocs.recording.recipe import presenter


@dataclass(frozen=True)
class Facts:
    """Many records, summed up. Where there is no record, as when a page's blocks are only read, all of it is empty.

    Attributes:
        recipes: How many recipes have a record of a run.
        skipped: How many have none.
        commands: How many steps those runs have.
        versions: The newest version seen of each source tree that an output names, by the tree's name.
        hosts: The names of the hosts, the one with the newest record first.
        host: The host of the newest record.
        first: The day of the oldest record (UTC, ISO 8601), or "".
        last: The day of the newest one, or "".
        emulated: How many of the runs had something run under emulation.
    """

    recipes: int = 0
    skipped: int = 0
    commands: int = 0
    versions: Mapping[str, str] = field(default_factory=dict)
    hosts: tuple[str, ...] = ()
    host: Host = field(default_factory=lambda: Host("", "", "", "", 0, 0))
    first: str = ""
    last: str = ""
    emulated: int = 0

    def version(self, tree: str) -> str:
        """The version of a source tree, or "?" where none was seen."""
        return self.versions.get(tree, "?")


def facts() -> Facts:
    """What the records of the site that is being built say together."""
    outcome = getattr(presenter(), "outcome", None)
    return summed_up(outcome.records.values()) if isinstance(outcome, RunResult) else Facts()


def source() -> str:
    """The address that a reader clones the project from (setting ``site.source``); "" where there is none, or where a page's blocks are only read."""
    project = getattr(presenter(), "project", None)
    return str(project.settings["site.source"]) if isinstance(project, Project) else ""


def summed_up(records: Iterable[Record]) -> Facts:
    """What these records say together."""
    everything = list(records)
    passed = sorted((record for record in everything if record.status is Status.PASSED), key=lambda record: record.started)
    if not passed:
        return Facts(skipped=len(everything))
    return Facts(
        recipes=len(passed),
        skipped=len(everything) - len(passed),
        commands=sum(len(record.steps) for record in passed),
        # Later records win: the last one is the newest.
        versions={place.tree: place.version for record in passed for place in record.places},
        hosts=tuple(dict.fromkeys(record.host.name for record in reversed(passed))),
        host=passed[-1].host,
        first=passed[0].started[:10],
        last=passed[-1].started[:10],
        emulated=sum(record.emulated for record in passed),
    )
