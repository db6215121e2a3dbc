"""Result of a run of recipes, and the interface through which a run reports its progress."""

from __future__ import annotations

from dataclasses import dataclass, field

from kvmdocs.core import errors
from kvmdocs.core.errors import HostLacks, KvmdocsError, OperatorError, RecipeFailed, said
from kvmdocs.core.model import Failure, Freshness, Host, Record, Status
from kvmdocs.host import facts


class ProgressListener:
    """Receiver of the executor's progress. This one ignores everything; see `kvmdocs.execution.report`."""

    def planned(self, names: list[str]) -> None:
        """Handle the start of a run over these recipes, in topological order."""

    def started(self, name: str, usual: float) -> None:
        """Handle the start of a recipe, which usually takes so many seconds."""

    def step(self, name: str, number: int, command: str) -> None:
        """Handle the start of one of its steps."""

    def line(self, name: str, line: str) -> None:
        """Handle the last line that its current step printed."""

    def waiting(self, name: str) -> None:
        """Handle a recipe that another build runs; this run waits for the record."""

    def damaged(self, name: str, paths: list[str]) -> None:
        """Handle a recipe whose artefacts are gone or were changed; it runs again."""

    def finished(self, name: str, record: Record, freshness: Freshness) -> None:
        """Handle the record of a recipe that is done."""

    def tick(self) -> None:
        """Handle the passing of time."""

    def ended(self) -> None:
        """Handle the end of the run, however it ended."""


@dataclass
class RunResult:
    """Result of a run.

    Attributes:
        records: Record of each recipe; the record of a skipped recipe holds the reason.
        freshness: Origin of each record.
    """

    records: dict[str, Record] = field(default_factory=dict)
    freshness: dict[str, Freshness] = field(default_factory=dict)

    def names(self, *, status: Status | None = None, freshness: Freshness | None = None) -> list[str]:
        """Return the recipes with this status and this freshness, in the order in which they were done."""
        return [
            name
            for name, record in self.records.items()
            if status in (None, record.status) and freshness in (None, self.freshness[name])
        ]

    def failed(self) -> dict[str, Record]:
        """Return the records of the recipes that failed, by name."""
        return {name: self.records[name] for name in self.names(status=Status.FAILED)}

    def failure(self, message: str) -> KvmdocsError:
        """Return `HostLacks` if every failure was due to something missing on the host, otherwise `RecipeFailed`."""
        failures = [record.failure for record in self.failed().values()]
        kinds = [getattr(errors, failure.error, KvmdocsError) for failure in failures if failure]
        return HostLacks(message) if all(issubclass(kind, OperatorError) for kind in kinds) else RecipeFailed(message)


def skipped_record(name: str, reason: str, host: Host) -> Record:
    """Return a record of a recipe that was not run, with the reason."""
    return Record(name, "", Status.SKIPPED, host, facts.now(), reason=reason)


def failed_record(name: str, error: KvmdocsError, host: Host) -> Record:
    """Return a record of a recipe that failed outside its worker, for example because the worker was lost."""
    evidence = error.evidence
    failure = Failure(
        error=type(error).__name__,
        message=said(error),
        path=evidence.place.path if evidence.place else "",
        line=evidence.place.line if evidence.place else 0,
        advice=evidence.advice,
        tail=evidence.tail,
    )
    return Record(name, "", Status.FAILED, host, facts.now(), failure=failure)
