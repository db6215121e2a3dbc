"""State of every recipe of a site: the data behind the status page, the lines under titles and ``report.json``."""

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
    """State of a recipe, the best first."""

    CURRENT = "current"
    """Its record was made by this build, or its key has not changed."""
    RECORDED = "recorded"
    """It has a record; the build did not check whether that is current."""
    SKIPPED = "skipped"
    """The host that built the site cannot run it."""
    NONE = "none"
    """It has no record."""
    RUNNING = "running"
    """Something has changed since its record was made, and it is running now (``mkdocs serve``)."""
    STALE = "stale"
    """Something has changed since its record was made."""
    BLOCKED = "blocked"
    """It was not run because a recipe that it builds on failed."""
    FAILED = "failed"
    """It failed."""


WORST = tuple(reversed(State))
"""The states, the worst first."""


class Need(StrEnum):
    """Kind of thing that a skipped or blocked recipe lacks."""

    TOOL = "tool"
    CAPABILITY = "capability"
    RECIPE = "recipe"


@dataclass(frozen=True)
class Want:
    """Something that a skipped or blocked recipe lacks.

    Attributes:
        kind: Its kind.
        name: The tool, the capability as the recipe declares it, or the recipe that it builds on.
    """

    kind: Need
    name: str


@dataclass(frozen=True)
class ShownOn:
    """Page that shows a recipe.

    Attributes:
        guide: Path of the guide in the project.
        title: Title of the page; the guide's path if unknown.
        url: Address of the page, from the top of this language's site; "" if unknown.
        anchor: The address with the recipe's anchor on the page.
    """

    guide: str
    title: str
    url: str = ""
    anchor: str = ""


@dataclass(frozen=True)
class RecipeRow:
    """State of one recipe.

    Attributes:
        recipe: Its name.
        title: Its purpose in one line.
        place: File and line of its definition.
        state: Its state.
        reasons: Short reasons why it is skipped, stale, blocked or failed.
        wants: What a skipped recipe lacks; for a blocked one, the inputs without a result.
        made: Time of the record that is shown (UTC, ISO 8601); "" if there is none.
        age_days: Whole days from then to this build; None without a record.
        seconds: Duration of the run.
        emulated: Whether something ran under emulation, so that the duration says nothing about speed.
        host: The host that it ran on; None without a record.
        tools: Version of each tool that it declares: the first line that the tool prints.
        settings: Value of each setting that it takes.
        builds_on: The recipes whose results it takes.
        pages: The pages that show it.
        approved: Its approved record; None if there is none.
        drift: The record's difference from the approved one; None if there is none, or if the two were not compared.
        key: The record's key; "" if there is none.
        title_language: Language of the title.
        compared: Whether a record was compared with the approved one. False if the approved record is the only one.
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
    """State of the recipes of one page.

    Attributes:
        guide: Path of the guide in the project.
        title: Title of the page.
        chapter: The top-level section of the navigation that it is in; "" for none.
        url: Its address, from the top of this language's site.
        state: The worst of its recipes' states.
        counts: Number of recipes in each state that occurs.
        recipes: Its recipes, in the order in which it shows them.
        newest: Time of the newest of their records (UTC, ISO 8601); "" if there is none.
        hosts: Names of the hosts that made them.
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


REPORT_TITLE = "report.json of a site"
"""Title of the report's JSON Schema."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """State of every recipe of a site: ``report.json``.

    Attributes:
        schema: Version of the format.
        built: Time at which the site was built (UTC, ISO 8601).
        mode: Mode of the build: ``live``, ``fresh``, ``recorded``, or ``serve``.
        language: Language of the pages' titles.
        host: The host that built the site.
        counts: Number of recipes in each state that occurs.
        recipes: Every recipe, in topological order.
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
        """The failed recipes. If there are any, the site is incomplete."""
        return [row for row in self.recipes if row.state is State.FAILED]

    @cached_property
    def by_name(self) -> dict[str, RecipeRow]:
        """Rows by recipe name."""
        return {row.recipe: row for row in self.recipes}

    def page(self, url: str) -> PageRow | None:
        """Return the row of the page at an address; None if the page shows no recipe."""
        return next((page for page in self.pages if page.url == url), None)


def count(rows: Iterable[RecipeRow]) -> dict[State, int]:
    """Return the number of rows in each state that occurs, the best state first."""
    counts = Counter(row.state for row in rows)
    return {state: counts[state] for state in State if counts[state]}
