"""Summary of a site's records, for a home page: how much ran, where, when, and which versions.

A block reads it and prints a sentence in the page's language::

    from kvmdocs.site.summary import facts

    print(f"{facts().recipes} recipes ran.")

`source` is the address from which a reader clones the project.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from kvmdocs.core.model import Host, Record, Status
from kvmdocs.execution.project import Project
from kvmdocs.execution.run_result import RunResult
from kvmdocs.recording.recipe import presenter


@dataclass(frozen=True)
class Facts:
    """Summary of many records. All fields are empty if there are no records, as when blocks are only parsed.

    Attributes:
        recipes: The number of recipes with a record of a run.
        skipped: The number of recipes without one.
        commands: The number of steps of those runs.
        versions: The newest version of each source tree that an output refers to, by the tree's name.
        hosts: The names of the hosts, beginning with that of the newest record.
        host: The host of the newest record.
        first: The day of the oldest record (UTC, ISO 8601), or "".
        last: The day of the newest record, or "".
        emulated: The number of runs that used emulation.
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
        """Return the version of a source tree; "?" if no output refers to it."""
        return self.versions.get(tree, "?")


def facts() -> Facts:
    """Return the summary of the records of the site that is being built."""
    outcome = getattr(presenter(), "outcome", None)
    return summed_up(outcome.records.values()) if isinstance(outcome, RunResult) else Facts()


def source() -> str:
    """Return the address from which a reader clones the project (setting ``site.source``).

    It is "" if the setting is empty, or if blocks are only parsed.
    """
    project = getattr(presenter(), "project", None)
    return str(project.settings["site.source"]) if isinstance(project, Project) else ""


def summed_up(records: Iterable[Record]) -> Facts:
    """Return the summary of some records."""
    all_records = list(records)
    passed = sorted((record for record in all_records if record.status is Status.PASSED), key=lambda record: record.started)
    if not passed:
        return Facts(skipped=len(all_records))
    return Facts(
        recipes=len(passed),
        skipped=len(all_records) - len(passed),
        commands=sum(len(record.steps) for record in passed),
        # Later records win: the last one is the newest.
        versions={place.tree: place.version for record in passed for place in record.places},
        hosts=tuple(dict.fromkeys(record.host.name for record in reversed(passed))),
        host=passed[-1].host,
        first=passed[0].started[:10],
        last=passed[-1].started[:10],
        emulated=sum(record.emulated for record in passed),
    )
