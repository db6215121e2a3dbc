"""Printing records into pages: what `Recipe.show` reaches while a site is built.

A build with the MkDocs plugin has run everything before the first page is rendered, and only prints here. Without the plugin (another
site generator, or a block executed by hand) the same call runs what is missing, there and then.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from kvmdocs.catalog.loader import raised_in
from kvmdocs.catalog.source_excerpt import written
from kvmdocs.core.errors import CatalogError, Evidence, GuideError, KvmdocsError, Place, RecipeFailed, named
from kvmdocs.core.html import attribute
from kvmdocs.core.model import Freshness, Record, SourceLocation, Status
from kvmdocs.execution import modes, report, results
from kvmdocs.execution.plan import failed_below
from kvmdocs.execution.project import Project
from kvmdocs.execution.result import RunResult
from kvmdocs.recording.recipe import Recipe, Shown, ShowOptions
from kvmdocs.render import Anchors, Beside, Language, blocked, linked, names, notice, problem, python_of, skipped, stamp
from kvmdocs.script.assemble import section_script
from kvmdocs.site.rendered import cached_transcript

LANGUAGE = "KVMDOCS_LANGUAGE"
"""Environment variable with the language of pages rendered without the plugin."""

Links = Callable[[Record, str], str | None]
"""Gives the address, from the page, of a whole log of a record; None when the page cannot link to it."""

Relative = Callable[[str], str]
"""Turns an address from the top of the site into one from the page that is being rendered."""

earlier: ContextVar[RunResult | None] = ContextVar("earlier", default=None)
"""What the command around this build has run already, so that a page can say that a record was made for this build."""


@dataclass(frozen=True)
class GuidePage:
    """Where a guide is on the site.

    Attributes:
        title: The page's title.
        url: Its address, from the top of the site.
        chapter: The part of the site it is in; "" for none.
    """

    title: str
    url: str
    chapter: str = ""


@dataclass
class Publisher:
    """A presenter that prints records.

    Attributes:
        project: The project.
        outcome: Records that are there already; others are made when they are asked for.
        language: The pages' language.
        links: Where whole logs can be had.
        guide: The guide that is being rendered, for messages.
        tolerant: Show what is wrong on the page instead of raising it, and run nothing: somebody is at work on it.
        failed: The recipes of which a page shows that they failed; with others that ends the build.
        reasons: Why each stale recipe is stale, for a page that shows it nevertheless.
        problems: What could not be shown; markdown-exec only warns of it.
        shown: The records each guide shows, by recipe.
        pages: The page of each guide, by the guide's path in the project; empty where nobody knows the whole site.
        scripts: The address of each guide's script, from the top of the site.
        relative: How a page is linked from the one that is being rendered.
        kept: What is made once a build and shown by several blocks, by its name.
    """

    project: Project
    outcome: RunResult = field(default_factory=RunResult)
    language: Language = Language.EN
    links: Links = lambda _record, _name: None
    guide: Path | None = None
    tolerant: bool = False
    failed: Collection[str] = ()
    reasons: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    problems: list[KvmdocsError] = field(default_factory=list)
    shown: dict[Path | None, dict[str, Record]] = field(default_factory=dict)
    pages: dict[str, GuidePage] = field(default_factory=dict)
    scripts: Mapping[Path, str] = field(default_factory=dict)
    relative: Relative = str
    kept: dict[str, Any] = field(default_factory=dict)
    _names: frozenset[str] = frozenset()  # of what the page has so far
    _pages: int = 0  # where it is not known what page it is, each transcript counts as one

    def turn_to(self, guide: Path) -> None:
        """Begin the page of a guide."""
        self.guide = guide
        self._names = frozenset()

    def show(self, recipe: Recipe, options: ShowOptions, emit: Callable[[str], None]) -> None:
        """Print a recipe's record.

        Raises:
            RecipeFailed: The recipe failed, and pages are not to show that.
            GuideError: The recipe has no section of that name, or a note or `highlight` matches nothing.
        """
        try:
            record = self._ensure(recipe.name)
            shown = self.shown.setdefault(self.guide, {})
            place = "" if self.guide is None or recipe.name in shown else _anchor(recipe.name)
            shown[recipe.name] = record
            if record.status is Status.FAILED and not self.tolerant and recipe.name not in self.failed:
                raise self._failed(record)
            emit(place + self.render(record, options))
        except KvmdocsError as error:
            self.problems.append(error)
            error.seen(recipe=recipe.name, guides=self._asking(recipe.name, options, error.message))
            if not self.tolerant:
                raise
            emit(problem(recipe.name, error.message, error.evidence.advice, self.language))

    def render(self, record: Record, options: ShowOptions) -> str:
        """The HTML of a record that passed or was skipped; for a skipped one the approved record is shown as well, if there is one."""
        html = self._render(record, options)
        self._names |= names(html)
        return html

    def _render(self, record: Record, options: ShowOptions) -> str:
        fresh = self.outcome.freshness.get(record.recipe, Freshness.CACHED)
        if fresh in {Freshness.STALE, Freshness.RUNNING}:
            return self._stale(record, options, fresh)
        if fresh is Freshness.BLOCKED:
            # No approved record stands in for what was not run because of a failure.
            failed = [self.outcome.records[name] for name in failed_below(self.project, self.outcome, record.recipe)]
            return blocked(record, failed, options, self.language, self._shown_at)
        if record.status is Status.SKIPPED and (approved := self.project.approved.get(record.recipe)):
            told = skipped(record, ShowOptions(), self.language, freshness=fresh, instead=True)
            return told + self._passed(approved, options, Freshness.RECORDED)
        return self._passed(record, options, fresh)

    def _stale(self, record: Record, options: ShowOptions, fresh: Freshness) -> str:
        """A record from before a change, and what is done about it."""
        first = record.status is not Status.PASSED
        if first and fresh is Freshness.STALE:
            return self._passed(record, options, Freshness.MISSING)  # it says that there is no record, and how to make one
        told = notice(record.recipe, fresh, self.reasons.get(record.recipe, ()), self.language, first=first)
        if first:
            return told
        try:
            return told + self._passed(record, options, fresh)
        except Exception as error:  # noqa: BLE001  # what the block wants of a new record need not fit the old one
            message = error.message if isinstance(error, KvmdocsError) else named(error)
            plainly = replace(options, section=None, notes={}, highlight="", render=None)
            return told + problem(record.recipe, message, "", self.language) + self._passed(record, plainly, fresh)

    def _passed(self, record: Record, options: ShowOptions, fresh: Freshness) -> str:
        self._check_section(record, options)
        anchors = self._anchors()
        if options.render is not None and record.status is Status.PASSED:
            places = self._places(record)
            more = Shown(record, self.language.value, self._addresses(places))
            shown = self._rendered(record, options, more)
            shown = linked(shown, places, self.project.templates.url, self.language, anchors)
            python = python_of(record.recipe, self._beside(record, options, anchors), fresh, self.language)
            return f"{shown}\n\n{python}{stamp(record, self.language, freshness=fresh)}\n"
        return cached_transcript(
            self.project.store,
            record,
            options,
            self.language,
            fresh,
            lambda name: self.links(record, name),
            self.project.templates.url,
            anchors,
            self._written(record),
            self._script(),
            lambda: self._beside(record, options, anchors),
        )

    def _rendered(self, record: Record, options: ShowOptions, more: Shown) -> str:
        try:
            return options.rendered(results.value(self.project, record), more)
        except KvmdocsError:
            raise
        except Exception as error:
            place = raised_in(error, self.project.root)
            raise GuideError(
                f"what `render` does with the result of {record.recipe} fails: {named(error)}",
                Evidence(advice=f"mend it, at {place}" if place else "mend the function"),
            ) from error

    def _anchors(self) -> Anchors:
        """What the page has already."""
        if self.guide is not None:
            return Anchors(self._names)
        # Without the plugin nothing says where a page ends; what one has may not be left out of the next.
        anchors = Anchors(prefix=f"{self._pages}." if self._pages else "")
        self._pages += 1
        return anchors

    def _written(self, record: Record) -> str:
        """What tells the text of a record's recipe from what it was at another time; "" where there is none."""
        with contextlib.suppress(CatalogError):
            return self.project.written_digest(record.recipe)
        return ""

    def _beside(self, record: Record, options: ShowOptions, anchors: Anchors) -> Beside:
        """What a page has beside a record."""
        script = section_script(record, options.section) if record.status is Status.PASSED else ""
        with contextlib.suppress(CatalogError):
            return Beside(script, written(self.project.catalog, record.recipe, options.section), anchors, self._script())
        return Beside(script, None, anchors, self._script())

    def _shown_at(self, name: str) -> str | None:
        """The address, from the page, of the first place that shows a recipe; None where none is known."""
        pages = (self.pages.get(place.path) for place in self.project.catalog.shown_at(name))
        return next((self.relative(f"{page.url}#{anchor(name)}") for page in pages if page), None)

    def _script(self) -> str:
        """The address of the page's script, from the page; "" for none."""
        url = self.scripts.get(self.guide) if self.guide else None
        return self.relative(url) if url else ""

    def _places(self, record: Record) -> list[SourceLocation]:
        """The places of a record and of those it was built on: a table may show what an earlier recipe has seen."""
        below = [made for name in record.inputs if (made := self.outcome.records.get(name))]
        return [place for made in (record, *below) for place in made.places]

    def _addresses(self, places: Sequence[SourceLocation]) -> Callable[[str, int], str | None]:
        """Gives the address of a place among some, by its file, relative to its tree, and its line."""
        known = {(place.path, place.line): place for place in places}

        def address(path: str, line: int) -> str | None:
            place = known.get((path, line))
            return self.project.templates.url(place) if place else None

        return address

    def _check_section(self, record: Record, options: ShowOptions) -> None:
        if options.section is None or record.status is not Status.PASSED:
            return
        known = list(dict.fromkeys(step.section for step in record.steps if step.section))
        if options.section not in known:
            raise GuideError(
                f"recipe {record.recipe} has no section {options.section!r}",
                Evidence(advice=f"its sections are: {', '.join(known) or 'none'}"),
            )

    def _ensure(self, name: str) -> Record:
        if name not in self.outcome.records:
            made = modes.recorded(self.project, [name]) if self.tolerant else modes.run(self.project, report.Lines(), [name])
            self.outcome.records.update(made.records)
            self.outcome.freshness.update(made.freshness)
        return self.outcome.records[name]

    def _failed(self, record: Record) -> RecipeFailed:
        evidence = report.evidence(record, self._asking(record.recipe), self.project.store)
        message = record.failure.message if record.failure else "failed"
        return RecipeFailed(f"recipe {record.recipe}: {message}", evidence)

    def _asking(self, name: str, options: ShowOptions | None = None, message: str = "") -> tuple[Place, ...]:
        """The places that show a recipe: on the page being rendered, if that is known, and in this way, if it is given.

        What a message quotes of the options is looked for in the block: that line says more than the block's first.
        """
        catalog = self.project.catalog
        quoted = (
            next((text for text in (options.section, *options.notes, options.highlight) if text and repr(text) in message), "")
            if options
            else ""
        )
        places = (
            catalog.shown_at(name) if options is None else catalog.shown_at(name, options, quoted) or catalog.shown_at(name)
        )
        if self.guide is None:
            return places
        shown = catalog.shown(self.guide)
        return tuple(place for place in places if place.path == shown) or (Place(shown),)


def anchor(name: str) -> str:
    """The fragment under which a page has a recipe."""
    return f"recipe-{name}"


def _anchor(name: str) -> str:
    """What other pages link to, before a page's first transcript of a recipe."""
    return f'<div class="tr-anchor" id="{attribute(anchor(name))}"></div>\n\n'


def default_publisher() -> Publisher:
    """The presenter of a block that is executed without a build around it: of the project in the working directory."""
    language = os.environ.get(LANGUAGE, "en")
    return Publisher(Project(), language=Language.of(language))
