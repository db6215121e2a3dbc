"""What commands print with ``--json``, and what a site has as data: one class each, from which its JSON Schema is made.

``schema`` is the version of a document's form. Raise it when something goes or means another thing; adding does not raise it.
After a change ``python -m kvmdocs.cli.documents`` writes the files of `kvmdocs.core.schemas` anew.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from kvmdocs.cli.status import StatusRow
from kvmdocs.core import schemas
from kvmdocs.core.model import Freshness, Record
from kvmdocs.execution.doctor import Check
from kvmdocs.execution.explain import Explanation
from kvmdocs.execution.report import Listed
from kvmdocs.execution.result import RunResult
from kvmdocs.site.status.data import Report
from kvmdocs.store.drift import Drift


@dataclass(frozen=True, kw_only=True)
class RecipeList:
    """Every recipe, sorted by name (`kvmdocs list`)."""

    schema: Literal[1] = 1
    recipes: tuple[Listed, ...]


@dataclass(frozen=True)
class Ran:
    """What came of one recipe.

    Attributes:
        recipe: Its name.
        asked: Whether it was named; else it is something that a named one builds on.
        freshness: Where its record came from.
        record: The record.
    """

    recipe: str
    asked: bool
    freshness: Freshness
    record: Record


@dataclass(frozen=True, kw_only=True)
class Run:
    """What came of a run, in the order things were done (`kvmdocs run`)."""

    schema: Literal[1] = 1
    recipes: tuple[Ran, ...]

    @classmethod
    def of(cls, outcome: RunResult, asked: list[str]) -> Run:
        """The document of an outcome."""
        records = outcome.records.items()
        return cls(recipes=tuple(Ran(name, name in asked, outcome.freshness[name], record) for name, record in records))


@dataclass(frozen=True, kw_only=True)
class Reasons:
    """How recipes and all they build on stand, and why (`kvmdocs why`)."""

    schema: Literal[1] = 1
    recipes: tuple[Explanation, ...]


@dataclass(frozen=True, kw_only=True)
class Standings:
    """How recipes stand: records, approved records, drift (`kvmdocs status`)."""

    schema: Literal[1] = 1
    recipes: tuple[StatusRow, ...]


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """How the newest records differ from the approved ones (`kvmdocs diff`).

    Attributes:
        schema: Version of this form.
        compared: The recipes that were looked at.
        drifts: Those that differ.
        unapproved: Those of `compared` that have no approved record.
    """

    schema: Literal[1] = 1
    compared: tuple[str, ...]
    drifts: tuple[Drift, ...]
    unapproved: tuple[str, ...] = field(default=())


@dataclass(frozen=True, kw_only=True)
class Examination:
    """What this host can do for the project (`kvmdocs doctor`)."""

    schema: Literal[1] = 1
    checks: tuple[Check, ...]


@dataclass(frozen=True, kw_only=True)
class Approval:
    """What was made of records (`kvmdocs approve`).

    Attributes:
        schema: Version of this form.
        approved: The file that was written for each recipe, relative to the project; null where it said the same before.
        stale: The recipes that were not approved, because their records are stale.
    """

    schema: Literal[1] = 1
    approved: dict[str, str | None]
    stale: tuple[str, ...] = ()


@dataclass(frozen=True)
class Freed:
    """Something that went from the store.

    Attributes:
        name: The recipe and the first digits of its key.
        size: Bytes it took on the disk.
        age: Seconds since it was made.
    """

    name: str
    size: int
    age: float


@dataclass(frozen=True, kw_only=True)
class Cleaning:
    """What was freed, or with ``--dry-run`` would be (`kvmdocs clean`).

    Attributes:
        schema: Version of this form.
        dry_run: Whether nothing was removed.
        store: The store's folder.
        items: What recipes have left.
        rest: Bytes that rendered pages and writes cut short took.
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
"""The document of each command, and the one beside the status page."""


TITLES = {"report": "report.json of a site"}
"""What a schema is of where that is no command."""


def dump(document: Document) -> str:
    """A document as JSON."""
    return schemas.write(document)


def schema(name: str) -> str:
    """The JSON Schema of a command's document, as the file in `kvmdocs.core.schemas` holds it."""
    made = TypeAdapter(DOCUMENTS[name]).json_schema(mode="serialization")
    about = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": f"urn:kvmdocs:{name}:1"}
    _plain(made)
    return (
        json.dumps({**about, **made, "title": TITLES.get(name, f"kvmdocs {name} --json")}, indent=2, ensure_ascii=False) + "\n"
    )


def _plain(node: Any) -> None:
    """Keep the first line of each description: what follows in a docstring is written for those who read the code."""
    if isinstance(node, dict):
        if isinstance(node.get("description"), str):
            node["description"] = node["description"].partition("\n")[0]
        # Serialising gives every field, those with defaults too.
        if isinstance(node.get("properties"), dict):
            node["required"] = sorted(node["properties"])
    for deeper in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        _plain(deeper)


def write(folder: Path) -> None:
    """Write every schema into a folder."""
    for name in schemas.NAMES:
        (folder / f"{name}.json").write_text(schema(name), "utf-8")


if __name__ == "__main__":
    write(Path(schemas.__file__).parent)
