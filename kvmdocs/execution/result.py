"""What a run of recipes tells while it goes on, and what comes of it."""

from __future__ import annotations

from dataclasses import dataclass, field

from kvmdocs.core import errors
from kvmdocs.core.errors import HostLacks, KvmdocsError, OperatorError, RecipeFailed
from kvmdocs.core.model import Freshness, Record, Status


class ProgressListener:
    """Who is told what the executor does. This one does nothing with it; see `kvmdocs.execution.report`."""

    def planned(self, names: list[str]) -> None:
        """These recipes are looked at, each after what it builds on."""

    def started(self, name: str, usual: float) -> None:
        """A recipe begins; it usually takes so many seconds."""

    def step(self, name: str, number: int, command: str) -> None:
        """One of its steps begins."""

    def line(self, name: str, line: str) -> None:
        """The last line that its current step printed."""

    def waiting(self, name: str) -> None:
        """Another build runs the same recipe; its record will do."""

    def finished(self, name: str, record: Record, freshness: Freshness) -> None:
        """A recipe is done with."""

    def tick(self) -> None:
        """Time has passed."""

    def ended(self) -> None:
        """The run is over, however it ended."""


@dataclass
class RunResult:
    """What came of a run.

    Attributes:
        records: The record of each recipe; a skipped one has a record that says why.
        freshness: Where each record came from.
    """

    records: dict[str, Record] = field(default_factory=dict)
    freshness: dict[str, Freshness] = field(default_factory=dict)

    def names(self, *, status: Status | None = None, freshness: Freshness | None = None) -> list[str]:
        """Names of the recipes with this status and of this freshness, in the order they were done."""
        return [
            name
            for name, record in self.records.items()
            if status in (None, record.status) and freshness in (None, self.freshness[name])
        ]

    def failed(self) -> dict[str, Record]:
        """The records of the recipes that failed, by name."""
        return {name: self.records[name] for name in self.names(status=Status.FAILED)}

    def failure(self, message: str) -> KvmdocsError:
        """An error that says that recipes failed: the operator's if want of something on the host is all that was wrong, else the author's."""
        told = [record.failure for record in self.failed().values()]
        kinds = [getattr(errors, failure.error, KvmdocsError) for failure in told if failure]
        return HostLacks(message) if all(issubclass(kind, OperatorError) for kind in kinds) else RecipeFailed(message)
