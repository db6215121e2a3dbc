"""How every recipe of a site stands: what the status page, the badges and ``report.json`` are all made of."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any, Literal

from kvmdocs.core.model import Host
from kvmdocs.site.status.comparing import ApprovedRecord, Drifted


class State(StrEnum):
    """How a recipe stands, the best first."""

    CURRENT = "current"
    """Its record was made by this build, or is known to hold."""
    RECORDED = "recorded"
    """It has a record, and nothing was done to see whether that still holds."""
    SKIPPED = "skipped"
    """The host that built the site cannot run it."""
    NONE = "none"
    """It has no record."""
    RUNNING = "running"
    """Its record is of before a change, and it runs at this moment (``mkdocs serve``)."""
    STALE = "stale"
    """Its record is of before a change."""
    BLOCKED = "blocked"
    """It was not run, since a recipe that it builds on failed."""
    FAILED = "failed"
    """It failed."""


WORST = tuple(reversed(State))
"""The states, the worst first."""


class Need(StrEnum):
    """What a skipped or blocked recipe wants for."""

    TOOL = "tool"
    CAPABILITY = "capability"
    RECIPE = "recipe"


@dataclass(frozen=True)
class Want:
    """Something that a skipped or blocked recipe wants for.

    Attributes:
        kind: What it is.
        name: The tool, the capability as the recipe declares it, or the recipe it builds on.
    """

    kind: Need
    name: str


@dataclass(frozen=True)
class ShownOn:
    """A page that shows a recipe.

    Attributes:
        guide: The guide's path in the project.
        title: The page's title; the guide's path where that is not known.
        url: The page's address, from the top of this language's site; "" where that is not known.
        anchor: The address with the place on the page.
    """

    guide: str
    title: str
    url: str = ""
    anchor: str = ""


@dataclass(frozen=True)
class RecipeRow:
    """How one recipe stands.

    Attributes:
        recipe: Its name.
        title: What it does, in a line.
        place: File and line of its definition.
        state: How it stands.
        reasons: Why it is skipped, stale, blocked or failed, each in a few words.
        wants: What a skipped one wants for; of a blocked one, what it builds on and has no result.
        made: When the record that is shown was made (UTC, ISO 8601), or "".
        age_days: Whole days from then to this build; None without a record.
        seconds: How long it ran.
        emulated: Whether something ran under emulation, so that the time says nothing about speed.
        host: Where it ran; None without a record.
        tools: Version of each tool it declares, the first line of what the tool says.
        settings: Value of each setting it takes.
        builds_on: The recipes it takes the results of.
        pages: Where it is shown.
        approved: Its approved record; None without one.
        drift: How the record differs from that; None where it does not, or where the two were not compared.
        key: The record's key; "" for none.
        title_language: The language of the title.
        compared: Whether a record of the recipe was compared with the approved one; not so where the approved one is all there is.
    """

    recipe: str
    title: str
    place: str
    state: State
    reasons: tuple[str, ...] = ()
    wants: tuple[Want, ...] = ()
    made: str = ""
    age_days: int | None = None
    seconds: float = 0.0
    emulated: bool = False
    host: Host | None = None
    tools: dict[str, str] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    builds_on: tuple[str, ...] = ()
    pages: tuple[ShownOn, ...] = ()
    approved: ApprovedRecord | None = None
    drift: Drifted | None = None
    key: str = ""
    title_language: str = "en"
    compared: bool = False


@dataclass(frozen=True)
class PageRow:
    """How the recipes of one page stand.

    Attributes:
        guide: The guide's path in the project.
        title: The page's title.
        chapter: The part of the site it is in; "" for none.
        url: Its address, from the top of this language's site.
        state: The worst of its recipes' states.
        counts: How many recipes are in each state that occurs.
        recipes: Its recipes, in the order it shows them.
        newest: When the newest of their records was made (UTC, ISO 8601), or "".
        hosts: The names of the hosts that made them.
    """

    guide: str
    title: str
    chapter: str
    url: str
    state: State
    counts: dict[State, int]
    recipes: tuple[str, ...]
    newest: str
    hosts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Report:
    """How every recipe of a site stands: ``report.json``.

    Attributes:
        schema: Version of this form.
        built: When the site was built (UTC, ISO 8601).
        mode: What the build did about stale recipes: ``live``, ``fresh``, ``recorded``, or ``serve``.
        language: The language of the pages' titles.
        host: The host that built the site.
        counts: How many recipes are in each state that occurs.
        recipes: Every recipe, each after what it builds on.
        pages: Every page that shows a recipe.
    """

    schema: Literal[1] = 1
    built: str
    mode: str
    language: str
    host: Host
    counts: dict[State, int]
    recipes: tuple[RecipeRow, ...]
    pages: tuple[PageRow, ...]

    @property
    def failed(self) -> list[RecipeRow]:
        """The recipes that failed; where there is one the site is incomplete."""
        return [row for row in self.recipes if row.state is State.FAILED]

    @cached_property
    def by_name(self) -> dict[str, RecipeRow]:
        """Each recipe's row by its name."""
        return {row.recipe: row for row in self.recipes}

    def page(self, url: str) -> PageRow | None:
        """The row of the page at an address; None for a page that shows no recipe."""
        return next((page for page in self.pages if page.url == url), None)


def count(rows: Iterable[RecipeRow]) -> dict[State, int]:
    """How many rows are in each state that occurs, the best first."""
    found = Counter(row.state for row in rows)
    return {state: found[state] for state in State if found[state]}
