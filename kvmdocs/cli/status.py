"""How a project's recipes stand: each one's state, its record, its approved one, and whether they differ."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from kvmdocs.execution import report
from kvmdocs.execution.explain import answer
from kvmdocs.execution.plan import PlanEntry, make_plan, record_of
from kvmdocs.execution.project import Project
from kvmdocs.script.approval import drift_of


@dataclass(frozen=True)
class StatusRow:
    """How one recipe stands.

    Attributes:
        recipe: Its name.
        state: ``current``, ``stale`` or ``cannot run``.
        reasons: Why it is not current.
        made: When its record was made here (UTC, ISO 8601), or "".
        seconds: How long that took.
        approved: When its approved record was made, or "".
        approved_host: The host of that.
        drift: How its record differs from the approved one: a kind of `kvmdocs.store.drift.DriftCause`, or "" where they say the same or one is missing.
        failed: When it failed last, if that is its last word here, or "".
        guides: The places that show it.
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
        """As a line for a terminal."""
        made = f"{self.made[:16].replace('T', ' ')}  {report.duration(self.seconds)}" if self.made else "-"
        approved = f"approved {self.approved[:10]} on {self.approved_host}" if self.approved else ""
        notes = [note for note in (approved, f"drift: {self.drift}" if self.drift else "", *self.reasons[:1]) if note]
        state = "failed" if self.failed else self.state
        return f"{self.recipe:<30} {state:<11} {made:<28} {'; '.join(notes)}".rstrip()


def status(project: Project, names: Iterable[str]) -> list[StatusRow]:
    """How recipes and all they build on stand, each after what it builds on. Nothing is run.

    Raises:
        CatalogError: A name is unknown, or an approved record cannot be read.
    """
    return [_row(project, name, standing) for name, standing in make_plan(project, names).items()]


def _row(project: Project, name: str, standing: PlanEntry) -> StatusRow:
    told = answer(project, name, standing)
    latest = record_of(project, name, standing)
    approved, failure = project.approved.get(name), project.store.failure(name)
    drift = drift_of(project, latest) if latest else None
    # A failure stays in the store until the next one; what passed after it is newer.
    failed = (
        failure.started if failure and told.state == "stale" and (latest is None or failure.started > latest.started) else ""
    )
    return StatusRow(
        recipe=name,
        state=told.state,
        reasons=told.reasons,
        made=latest.started if latest else "",
        seconds=latest.seconds if latest else 0.0,
        approved=approved.started if approved else "",
        approved_host=approved.host.name if approved else "",
        drift=str(drift.kind) if drift else "",
        failed=failed,
        guides=tuple(str(place) for place in project.catalog.shown_at(name)),
    )
