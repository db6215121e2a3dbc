"""Comparison of a record with its recipe's approved one. Results are cached in the store by what was compared."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from kvmdocs.core import json_document
from kvmdocs.core.model import Record, Status
from kvmdocs.core.secrets.masking import MASK
from kvmdocs.execution.project import Project
from kvmdocs.script.approval import find_drift
from kvmdocs.store import drift as drifting
from kvmdocs.store.derived import get_or_make

DIFF_LINES = 200
"""Maximum number of diff lines in a report. `kvmdocs diff` prints all."""


@dataclass(frozen=True)
class ApprovedRecord:
    """Origin of a recipe's approved record.

    Attributes:
        made: Time at which it was made (UTC, ISO 8601).
        host: Name of the host that made it.
    """

    made: str
    host: str


@dataclass(frozen=True)
class Drifted:
    """Difference between the newest record and the approved one.

    Attributes:
        kind: Likely cause (`kvmdocs.store.drift.DriftCause`).
        causes: Differences other than in the steps: tools, settings, facts of the host.
        sections: The recipe's sections that differ; "" for steps outside of any.
        diff: First lines of a unified diff of the normalised texts.
        omitted: Number of diff lines left out.
    """

    kind: str
    causes: tuple[str, ...]
    sections: tuple[str, ...]
    diff: tuple[str, ...]
    omitted: int = 0


@dataclass(frozen=True)
class Compared:
    """Result of a comparison.

    Attributes:
        approved: The approved record; None if there is none.
        drift: The difference; None if there is none, or if nothing was compared.
        done: Whether there was another record to compare with.
    """

    approved: ApprovedRecord | None = None
    drift: Drifted | None = None
    done: bool = False


def compared(project: Project, name: str, record: Record | None) -> Compared:
    """Compare a recipe's record with its approved one.

    Args:
        project: The project.
        name: The recipe.
        record: Its record. It is compared only if it passed and was made on this host.

    Raises:
        CatalogError: The approved record cannot be read.
    """
    try:
        body = project.approved.path(name).read_bytes()
    except FileNotFoundError:
        return Compared()
    own = record if record and record.status is Status.PASSED and record.key else None
    # Texts that must not leave the host are redacted before the comparison, so they are part of the cache key. Secrets are not:
    # no record contains one, and no file name may be derived from one.
    hidden = sorted(item for item in project.hidden().items() if item[1] != MASK)
    parts = [own.key if own else "", own.started if own else "", repr(hidden), hashlib.sha256(body).hexdigest()]
    text = get_or_make(project.store, parts, lambda: json_document.dump(_compare(project, name, own)), ".json")
    return msgspec.json.decode(text, type=Compared)


def _compare(project: Project, name: str, own: Record | None) -> Compared:
    approved = project.approved.get(name)
    if approved is None:
        return Compared()
    origin = ApprovedRecord(approved.started, approved.host.name)
    return Compared(origin, _shortened(find_drift(project, own)), done=True) if own else Compared(origin)


def _shortened(drift: drifting.Drift | None) -> Drifted | None:
    if drift is None:
        return None
    return Drifted(str(drift.kind), drift.causes, drift.sections, drift.diff[:DIFF_LINES], max(len(drift.diff) - DIFF_LINES, 0))
