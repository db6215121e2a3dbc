"""How a record differs from its recipe's approved one, kept in the store: a build that shows the same records need not compare them again."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import msgspec

from kvmdocs.core import schemas
from kvmdocs.core.model import Record, Status
from kvmdocs.core.secrets.masking import MASK
from kvmdocs.execution.project import Project
from kvmdocs.script.approval import drift_of
from kvmdocs.store import drift as drifting
from kvmdocs.store.derived import kept

LINES = 200
"""Lines of a difference that are kept; whoever wants more has `kvmdocs diff`."""


@dataclass(frozen=True)
class ApprovedRecord:
    """Whence a recipe's approved record is.

    Attributes:
        made: When it was made (UTC, ISO 8601).
        host: The name of the host that made it.
    """

    made: str
    host: str


@dataclass(frozen=True)
class Drifted:
    """How the newest record differs from the approved one.

    Attributes:
        kind: What may explain it (`kvmdocs.store.drift.DriftCause`).
        causes: What differs beside the steps: tools, settings, facts of the host.
        sections: The recipe's sections that differ; "" for steps outside of any.
        diff: The first lines of a unified diff, under stable names.
        omitted: Lines of the diff that are not here.
    """

    kind: str
    causes: tuple[str, ...]
    sections: tuple[str, ...]
    diff: tuple[str, ...]
    omitted: int = 0


@dataclass(frozen=True)
class Compared:
    """What came of comparing.

    Attributes:
        approved: The approved record; None without one.
        drift: How the other record differs from it; None where it does not, or where there is nothing to compare.
        done: Whether there was another record, so that the two were compared.
    """

    approved: ApprovedRecord | None = None
    drift: Drifted | None = None
    done: bool = False


def compared(project: Project, name: str, record: Record | None) -> Compared:
    """A recipe's record beside its approved one.

    Args:
        project: The project.
        name: The recipe.
        record: Its record; only one that passed and is this host's own is compared.

    Raises:
        CatalogError: The approved record cannot be read.
    """
    try:
        body = project.approved.path(name).read_bytes()
    except FileNotFoundError:
        return Compared()
    own = record if record and record.status is Status.PASSED and record.key else None
    # What must not leave the host is taken out before comparing, so it bears on what is found; no record has a secret, nor any name of a file.
    hidden = sorted(item for item in project.hidden().items() if item[1] != MASK)
    parts = [own.key if own else "", own.started if own else "", repr(hidden), hashlib.sha256(body).hexdigest()]
    text = kept(project.store, parts, lambda: schemas.write(_compare(project, name, own)), ".json")
    return msgspec.json.decode(text, type=Compared)


def _compare(project: Project, name: str, own: Record | None) -> Compared:
    approved = project.approved.get(name)
    if approved is None:
        return Compared()
    told = ApprovedRecord(approved.started, approved.host.name)
    return Compared(told, _shortened(drift_of(project, own)), done=True) if own else Compared(told)


def _shortened(drift: drifting.Drift | None) -> Drifted | None:
    if drift is None:
        return None
    return Drifted(str(drift.kind), drift.causes, drift.sections, drift.diff[:LINES], max(len(drift.diff) - LINES, 0))
