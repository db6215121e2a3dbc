"""State of a project's recipes: each recipe's record, its approved record, and whether they differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kvmdocs.core.units import duration
from kvmdocs.execution.explain import explain_entry
from kvmdocs.execution.plan import PlanEntry, make_plan, record_of
from kvmdocs.execution.project import Project
from kvmdocs.script.approval import find_drift


@dataclass(frozen=True)
class StatusRow:
    """State of one recipe.

    Attributes:
        recipe: Its name.
        state: ``current``, ``stale`` or ``cannot run``.
        reasons: Reasons why it is not current.
        made: Time at which its record was made here (UTC, ISO 8601), or "".
        seconds: Duration of that run.
        approved: Time at which its approved record was made, or "".
        approved_host: Name of the host that made the approved record, or "".
        drift: Cause of the drift (a value of `kvmdocs.store.drift.DriftCause`), or "" if the records agree or one is missing.
        failed: Time of its last failure here, or "" if it passed since.
        guides: Places in guides that show it.
    """

    recipe: str
    state: str
    reasons: tuple[str, ...] = ()
    made: str = ""
    seconds: float = 0.0
    approved: str = ""
    approved_host: str = ""
    drift: str = ""
    failed: str = ""
    guides: tuple[str, ...] = ()

    def line(self) -> str:
        """Return the row as a line for a terminal."""
        made = f"{self.made[:16].replace('T', ' ')}  {duration(self.seconds)}" if self.made else "-"
        approved = f"approved {self.approved[:10]} on {self.approved_host}" if self.approved else ""
        notes = [note for note in (approved, f"drift: {self.drift}" if self.drift else "", *self.reasons[:1]) if note]
        state = "failed" if self.failed else self.state
        return f"{self.recipe:<30} {state:<11} {made:<28} {'; '.join(notes)}".rstrip()


def status(project: Project, names: Iterable[str]) -> list[StatusRow]:
    """Return a row for each recipe and each recipe they build on, in topological order. Nothing is run.

    Raises:
        CatalogError: A name is unknown, or an approved record cannot be read.
    """
    return [_row(project, name, entry) for name, entry in make_plan(project, names).items()]


def _row(project: Project, name: str, entry: PlanEntry) -> StatusRow:
    explanation = explain_entry(project, name, entry)
    latest = record_of(project, name, entry)
    approved, failure = project.approved.get(name), project.store.failure(name)
    drift = find_drift(project, latest) if latest else None
    # The store keeps a failure until the next one; a record that passed since then is newer.
    failed_last = failure and explanation.state == "stale" and (latest is None or failure.started > latest.started)
    return StatusRow(
        recipe=name,
        state=explanation.state,
        reasons=explanation.reasons,
        made=latest.started if latest else "",
        seconds=latest.seconds if latest else 0.0,
        approved=approved.started if approved else "",
        approved_host=approved.host.name if approved else "",
        drift=str(drift.kind) if drift else "",
        failed=failure.started if failure and failed_last else "",
        guides=tuple(str(place) for place in project.catalog.shown_at(name)),
    )
