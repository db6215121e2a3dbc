"""Explanation of staleness: the inputs of a recipe's cache key then, when its latest record was made, compared with those now.

The store keeps the inputs of each record's key, for the code definition by definition. So a reason names the helper that
changed, both versions of a tool, or both values of a setting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kvmdocs.catalog.key.cache_key import KeyInputs
from kvmdocs.catalog.key.code_closure import AT_IMPORT
from kvmdocs.catalog.key.definitions import IMPORT
from kvmdocs.core.model import Record
from kvmdocs.execution import observed
from kvmdocs.execution.plan import PlanEntry, key_inputs, make_plan, record_of
from kvmdocs.execution.project import Project
from kvmdocs.execution.recipe_values import stored


@dataclass(frozen=True)
class Explanation:
    """State of a recipe, with the reasons.

    Attributes:
        recipe: Name of the recipe.
        state: ``current``, ``stale``, or ``cannot run``.
        reasons: Short reasons; empty for a current recipe.
        made: Time of its latest record (UTC, ISO 8601), or "".
    """

    recipe: str
    state: str
    reasons: tuple[str, ...] = ()
    made: str = ""

    def lines(self) -> list[str]:
        """Return the explanation as lines for a terminal."""
        when = f" (newest record: {self.made})" if self.made else ""
        return [f"{self.recipe}: {self.state}{when}", *(f"  {reason}" for reason in self.reasons)]


def explain(project: Project, names: Iterable[str]) -> dict[str, Explanation]:
    """Return the explanations for recipes and everything they build on, in topological order.

    Raises:
        CatalogError: A name is unknown, or recipes build on each other in a circle.
    """
    return {name: explain_entry(project, name, entry) for name, entry in make_plan(project, names).items()}


def explain_entry(project: Project, name: str, entry: PlanEntry) -> Explanation:
    """Return the explanation of one plan entry."""
    latest = record_of(project, name, entry)
    made = latest.started if latest else ""
    if entry.cannot:
        return Explanation(name, "cannot run", (entry.cannot,), made)
    if not entry.stale:
        return Explanation(name, "current", (), made)
    reasons = [f"this host lacks {tool}" for tool in entry.lacks]
    if latest is None:
        failure = project.store.failure(name)
        reason = f"it has never passed here; it failed at {failure.started}" if failure else "it never ran here"
        return Explanation(name, "stale", (*reasons, reason), made)
    if not entry.lacks:
        now = entry.ingredients or _inputs_so_far(project, name, entry)
        before = project.store.ingredients(latest.key) or _inputs_in_record(latest)
        reasons += changes(before, now, project.code_parts(name), ignored=entry.waits_for)
        reasons += observed.changes(project, latest)
    reasons += [
        f"{other}, which it builds on, is stale (if that gives the same again, this one stays)" for other in entry.waits_for
    ]
    if not reasons:
        gone = stored(project, latest.key) is None
        reasons = ["what it left behind is gone from the store" if gone else "its latest record is for another cache key"]
    # Key inputs that an older engine stored may hold secrets.
    return Explanation(name, "stale", tuple(map(project.secrets.mask, reasons)), made)


def _inputs_so_far(project: Project, name: str, entry: PlanEntry) -> KeyInputs:
    """Return the key inputs of a recipe that waits for stale recipes, without the results of those."""
    others = [wanted.name for wanted in project.catalog.get(name).recipe.inputs if wanted.name not in entry.waits_for]
    records = {other: record for other in others if (record := project.store.latest(other))}
    return key_inputs(project, name, records)


def _inputs_in_record(record: Record) -> dict[str, Any]:
    """Return the key inputs that the record itself holds: an older engine did not store them beside it."""
    return {"settings": record.settings, "inputs": record.inputs, "tools": record.tools}


def changes(before: Mapping[str, Any], now: KeyInputs, parts: Mapping[str, str], *, ignored: Iterable[str] = ()) -> list[str]:
    """Describe each difference between two sets of key inputs.

    Args:
        before: The earlier ones, as from `kvmdocs.store.store.Store.ingredients`. A missing field is not compared.
        now: The present ones.
        parts: Digest of each definition that the code reaches now.
        ignored: Names of input recipes not to compare.
    """
    reasons: list[str] = []
    if "code" in before and before["code"] != now.code:
        reasons += _code_changes(before.get("parts") or {}, parts)
    elif "code" not in before:
        reasons.append("its code may have changed: the latest record was made before the store kept the inputs of cache keys")
    pairs: dict[str, tuple[str, Mapping[str, Any]]] = {
        "tools": ("", now.tools),
        "settings": ("setting ", now.settings),
        "facts": ("this host's ", now.facts),
        "environ": ("environment variable ", now.environ),
    }
    for field, (kind, values) in pairs.items():
        reasons += [
            f"{kind}{name} {_first_line(old)} → {_first_line(new)}"
            for name, old, new in _differences(before.get(field, values), values)
        ]
    for name, old, new in _differences(before.get("data", now.data), now.data):
        reasons.append(f"data file {name} {_verb(old, new)}")
    skip = set(ignored)
    for name, old, new in _differences(before.get("inputs", now.inputs), now.inputs):
        if name not in skip:
            reasons.append(f"input {name} " + ("gave another result" if old and new else _verb(old, new)))
    if before.get("schema", now.schema) != now.schema:
        reasons.append(f"format of records {before['schema']} → {now.schema}")
    return reasons


def _code_changes(before: Mapping[str, str], now: Mapping[str, str]) -> list[str]:
    # A definition that only moved to another module does not count: its name and its digest are still there.
    old_definitions = {_without_module(name, digest) for name, digest in before.items()}
    new_definitions = {_without_module(name, digest) for name, digest in now.items()}
    reasons = []
    own = next(iter(now))
    for name, old, new in _differences(before, now):
        if (old and _without_module(name, old) in new_definitions) or (new and _without_module(name, new) in old_definitions):
            continue
        reasons.append(f"{'its own code' if name == own else _described(name)} {_verb(old, new)}")
    return reasons or ["its code now uses other definitions with the same names"]


def _described(name: str) -> str:
    """Return what `CodeClosure.parts` names, in words."""
    plain = name.removesuffix(AT_IMPORT)
    module, _, one = plain.rpartition(".")
    if one == IMPORT:
        return f"what importing {module} does"
    return f"helper {name}" if name == plain else f"helper {plain}, which runs at import,"


def _without_module(name: str, digest: str) -> tuple[str, str]:
    return name.removesuffix(AT_IMPORT).rpartition(".")[2], digest


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[tuple[str, Any, Any]]:
    names = [*now, *(name for name in before if name not in now)]
    return [(name, before.get(name), now.get(name)) for name in names if before.get(name) != now.get(name)]


def _verb(old: Any, new: Any) -> str:
    if old and new:
        return "changed"
    return "is new" if new else "is no longer used"


def _first_line(value: Any) -> str:
    if value is None:
        return "(not set)"
    return str(value).strip().partition("\n")[0] or '""'
