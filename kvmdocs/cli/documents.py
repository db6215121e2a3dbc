"""Documents that commands print with ``--json``, and a site's ``report.json``: a class each, with its JSON Schema.

``schema`` is the version of a document's format. Raise it when a field is removed or changes its meaning, not when one is
added. The first line of a class's docstring is the description in the schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from kvmdocs.cli.status import StatusRow
from kvmdocs.core import json_document
from kvmdocs.core.model import Freshness, Record
from kvmdocs.execution.doctor import Check
from kvmdocs.execution.explain import Explanation
from kvmdocs.execution.report import Listed
from kvmdocs.execution.run_result import RunResult
from kvmdocs.site.status.data import REPORT_TITLE, Report
from kvmdocs.store.drift import Drift


@dataclass(frozen=True, kw_only=True)
class RecipeList:
    """Every recipe, sorted by name (`kvmdocs list`)."""

    schema: Literal[1] = 1
    recipes: tuple[Listed, ...]


@dataclass(frozen=True)
class Ran:
    """Result of one recipe.

    Attributes:
        recipe: Its name.
        asked: Whether it was named on the command line; otherwise a named recipe builds on it.
        freshness: Origin of its record.
        record: Its record.
    """

    recipe: str
    asked: bool
    freshness: Freshness
    record: Record


@dataclass(frozen=True, kw_only=True)
class Run:
    """Result of a run, in the order of execution (`kvmdocs run`)."""

    schema: Literal[1] = 1
    recipes: tuple[Ran, ...]

    @classmethod
    def of(cls, result: RunResult, asked: list[str]) -> Run:
        """Return the document of a run's result, of which the recipes in `asked` were named on the command line."""
        records = result.records.items()
        return cls(recipes=tuple(Ran(name, name in asked, result.freshness[name], record) for name, record in records))


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """State of recipes and of all they build on, with reasons (`kvmdocs why`)."""

    schema: Literal[1] = 1
    recipes: tuple[Explanation, ...]


@dataclass(frozen=True, kw_only=True)
class Standings:
    """State of recipes: records, approved records, drift (`kvmdocs status`)."""

    schema: Literal[1] = 1
    recipes: tuple[StatusRow, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Differences between the newest records and the approved ones (`kvmdocs diff`).

    Attributes:
        schema: Version of this format.
        compared: Names of the recipes that were compared.
        drifts: Differences, one for each recipe that differs.
        unapproved: Names in `compared` that have no approved record.
    """

    schema: Literal[1] = 1
    compared: tuple[str, ...]
    drifts: tuple[Drift, ...]
    unapproved: tuple[str, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Examination:
    """Capabilities of this host for the project (`kvmdocs doctor`)."""

    schema: Literal[1] = 1
    checks: tuple[Check, ...]


@dataclass(frozen=True, kw_only=True)
class Approval:
    """Result of an approval (`kvmdocs approve`).

    Attributes:
        schema: Version of this format.
        approved: File written for each recipe, relative to the project; null if the approved record already said the same.
        stale: Names of the recipes that were not approved because their records are stale.
    """

    schema: Literal[1] = 1
    approved: dict[str, str | None]
    stale: tuple[str, ...] = ()


@dataclass(frozen=True)
class Freed:
    """Item removed from the store.

    Attributes:
        name: Recipe and first digits of its key.
        size: Size on disk in bytes.
        age: Age in seconds.
    """

    name: str
    size: int
    age: float


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """Space that was freed, or with ``--dry-run`` would be (`kvmdocs clean`).

    Attributes:
        schema: Version of this format.
        dry_run: True if nothing was removed.
        store: Folder of the store.
        items: Removed items of recipes.
        rest: Bytes freed from rendered pages and unfinished writes.
    """

    schema: Literal[1] = 1
    dry_run: bool
    store: str
    items: tuple[Freed, ...]
    rest: int


Document = RecipeList | Run | Reasons | Standings | Comparison | Examination | Approval | Cleaning | Report

DOCUMENTS: dict[str, type[Any]] = {
    "approve": Approval,
    "clean": Cleaning,
    "diff": Comparison,
    "doctor": Examination,
    "list": RecipeList,
    "report": Report,
    "run": Run,
    "status": Standings,
    "why": Reasons,
}
"""Document class of each command, and of the file next to the status page."""


def schema(name: str) -> str:
    """Return the JSON Schema of a command's document, or of a site's report."""
    title = REPORT_TITLE if name == "report" else f"kvmdocs {name} --json"
    return json_document.schema(DOCUMENTS[name], name, title)
