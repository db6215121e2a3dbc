"""Why a recipe is stale, in words: what its key was made of when its newest record was made, beside what it is made of now.

The store keeps with each record what its key was made of, definition by definition for the code. So a reason names the helper
that changed, the tool with both its versions, the setting with both its values.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kvmdocs.catalog.key.cache_key import KeyInputs
from kvmdocs.core.model import Record
from kvmdocs.execution.plan import PlanEntry, ingredients, make_plan, record_of
from kvmdocs.execution.project import Project
from kvmdocs.execution.results import stored


@dataclass(frozen=True)
class Explanation:
    """How a recipe stands, and why.

    Attributes:
        recipe: Its name.
        state: ``current``, ``stale``, or ``cannot run``.
        reasons: Why, each in a few words; empty for a current one.
        made: When its newest record was made (UTC, ISO 8601), or "".
    """

    recipe: str
    state: str
    reasons: tuple[str, ...] = ()
    made: str = ""

    def lines(self) -> list[str]:
        """As lines for a terminal."""
        when = f" (newest record: {self.made})" if self.made else ""
        return [f"{self.recipe}: {self.state}{when}", *(f"  {reason}" for reason in self.reasons)]


def explain(project: Project, names: Iterable[str]) -> dict[str, Explanation]:
    """How recipes and all they build on stand, each after what it builds on.

    Raises:
        CatalogError: A name is unknown, or recipes build on each other in a circle.
    """
    return {name: answer(project, name, standing) for name, standing in make_plan(project, names).items()}


def answer(project: Project, name: str, standing: PlanEntry) -> Explanation:
    """Why one recipe stands as it does."""
    latest = record_of(project, name, standing)
    made = latest.started if latest else ""
    if standing.cannot:
        return Explanation(name, "cannot run", (standing.cannot,), made)
    if not standing.stale:
        return Explanation(name, "current", (), made)
    reasons = [f"this host lacks {tool}" for tool in standing.lacks]
    if latest is None:
        failed = project.store.failure(name)
        told = f"it has never passed here; it failed at {failed.started}" if failed else "it never ran here"
        return Explanation(name, "stale", (*reasons, told), made)
    if not standing.lacks:
        now = standing.ingredients or _of_its_own(project, name, standing)
        before = project.store.ingredients(latest.key) or _of_record(latest)
        reasons += changes(before, now, project.code_parts(name), ignored=standing.waits_for)
    reasons += [
        f"{other}, which it builds on, is stale (if that gives the same again, this one stays)" for other in standing.waits_for
    ]
    if not reasons:
        gone = stored(project, latest.key) is None
        reasons = ["what it left behind is gone from the store" if gone else "another record than the newest is wanted"]
    # What was kept of a key before secrets were kept out of keys may have one.
    return Explanation(name, "stale", tuple(map(project.secrets.mask, reasons)), made)


def _of_its_own(project: Project, name: str, standing: PlanEntry) -> KeyInputs:
    """The ingredients of a recipe whose inputs are not all done."""
    inputs = [wanted.name for wanted in project.catalog.get(name).recipe.inputs if wanted.name not in standing.waits_for]
    records = {other: record for other in inputs if (record := project.store.latest(other))}
    return ingredients(project, name, records)


def _of_record(record: Record) -> dict[str, Any]:
    """What a record itself tells of its key's ingredients, for one that was made before they were kept."""
    return {"settings": record.settings, "inputs": record.inputs, "tools": record.tools}


def changes(before: Mapping[str, Any], now: KeyInputs, parts: Mapping[str, str], *, ignored: Iterable[str] = ()) -> list[str]:
    """What has changed between two lists of ingredients, in words.

    Args:
        before: The earlier ones as `kvmdocs.store.store.Store.ingredients` gives them; what is missing there is not compared.
        now: The present ones.
        parts: Digest of each definition that the code reaches now.
        ignored: Inputs not to be compared.
    """
    told: list[str] = []
    if "code" in before and before["code"] != now.code:
        told += _code(before.get("parts") or {}, parts)
    elif "code" not in before:
        told.append("its code may have changed: the newest record was made before the store kept what keys are made of")
    pairs: dict[str, tuple[str, Mapping[str, Any]]] = {
        "tools": ("", now.tools),
        "settings": ("setting ", now.settings),
        "facts": ("this host's ", now.facts),
        "environ": ("environment variable ", now.environ),
    }
    for field, (kind, values) in pairs.items():
        told += [
            f"{kind}{name} {_shown(old)} → {_shown(new)}" for name, old, new in _differing(before.get(field, values), values)
        ]
    for name, old, new in _differing(before.get("data", now.data), now.data):
        told.append(f"data file {name} {_verb(old, new)}")
    skip = set(ignored)
    for name, old, new in _differing(before.get("inputs", now.inputs), now.inputs):
        if name not in skip:
            told.append(f"input {name} " + ("gave another result" if old and new else _verb(old, new)))
    if before.get("schema", now.schema) != now.schema:
        told.append(f"the form of records {before['schema']} → {now.schema}")
    return told


def _code(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    # A definition that has only moved to another module does not count; its name and its digest are still there.
    gone = {_moved(name, digest) for name, digest in before.items()}
    come = {_moved(name, digest) for name, digest in now.items()}
    told = []
    own = next(iter(now))
    for name, old, new in _differing(before, now):
        if (old and _moved(name, old) in come) or (new and _moved(name, new) in gone):
            continue
        told.append(f"{'its own code' if name == own else f'helper {name}'} {_verb(old, new)}")
    return told or ["its code reaches other definitions of the same names"]


def _moved(name: str, digest: str) -> tuple[str, str]:
    return name.rpartition(".")[2], digest


def _differing(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    names = [*now, *(name for name in before if name not in now)]
    return [(name, before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)]


def _verb(old: Any, new: Any) -> str:
    if old and new:
        return "changed"
    return "is new" if new else "is no longer used"


def _shown(value: Any) -> str:
    if value is None:
        return "(not set)"
    return str(value).strip().partition("\n")[0] or '""'
