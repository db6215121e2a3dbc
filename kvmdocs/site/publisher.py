"""Presenter that prints records into pages: `Recipe.show` calls it while a site is built.

With the MkDocs plugin, all recipes have run before the first page is rendered, and records are only printed here. Without
the plugin (another site generator, or a block that is executed by hand), the same call runs recipes that have no record.
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
from kvmdocs.catalog.source_excerpt import recipe_source
from kvmdocs.core.errors import CatalogError, Evidence, GuideError, KvmdocsError, Place, RecipeFailed, named
from kvmdocs.core.html import attribute
from kvmdocs.core.model import Freshness, Record, SourceLocation, Status
from kvmdocs.execution import modes, recipe_values, report
from kvmdocs.execution.plan import failed_below
from kvmdocs.execution.project import Project
from kvmdocs.execution.run_result import RunResult
from kvmdocs.recording.recipe import Recipe, Shown, ShowOptions
from kvmdocs.render import Anchors, Language, Tabs, blocked, linked, names, notice, problem, python_of, skipped, stamp
from kvmdocs.script.assemble import section_script
from kvmdocs.site.rendered import cached_transcript

LANGUAGE = "KVMDOCS_LANGUAGE"
"""Environment variable with the language of pages that are rendered without the plugin."""

Links = Callable[[Record, str], str | None]
"""Returns the address of a record's whole log, relative to the page; None if the page cannot link to it."""

Relative = Callable[[str], str]
"""Converts an address relative to the top of the site to one relative to the page that is being rendered."""

command_result: ContextVar[RunResult | None] = ContextVar("earlier", default=None)
"""Result of the command that started this build, so that a page can say that a record was made for this build."""


@dataclass(frozen=True)
class GuidePage:
    """Page of a guide.

    Attributes:
        title: The page's title.
        url: The page's address, relative to the top of the site.
        chapter: The title of its top section in the navigation; "" for none.
    """

    title: str
    url: str
    chapter: str = ""


@dataclass
class Publisher:
    """Presenter that prints records.

    Attributes:
        project: The project.
        outcome: The records there are; others are made when a page shows them.
        language: The language of the pages.
        links: Returns the address of a whole log.
        guide: The guide that is being rendered, for messages; None if unknown.
        tolerant: Show errors on the page instead of raising them, and run nothing, for a server.
        failed: The recipes whose failure is shown on the page; that of any other recipe ends the build.
        reasons: The reasons why each stale recipe is stale.
        problems: The errors of blocks, of which markdown-exec only warns.
        shown: The records that each guide shows, by recipe.
        pages: The page of each guide, by the guide's path in the project; empty without the plugin.
        scripts: The address of each guide's script, relative to the top of the site.
        relative: Converts an address to one relative to the page that is being rendered.
        kept: Values that are computed once a build for several blocks, by name.
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
    _names: frozenset[str] = frozenset()  # anchors of the page so far
    _pages: int = 0  # number of pages so far; without the plugin, each transcript counts as a page

    def turn_to(self, guide: Path) -> None:
        """Start the page of a guide."""
        self.guide = guide
        self._names = frozenset()

    def show(self, recipe: Recipe, options: ShowOptions, emit: Callable[[str], None]) -> None:
        """Print a recipe's record.

        Raises:
            RecipeFailed: The recipe failed, and its failure is not to be shown.
            GuideError: The recipe has no section of that name, or a note or `highlight` matches nothing.
        """
        try:
            record = self._record(recipe.name)
            on_page = self.shown.setdefault(self.guide, {})
            target = "" if self.guide is None or recipe.name in on_page else _anchor(recipe.name)
            on_page[recipe.name] = record
            if record.status is Status.FAILED and not self.tolerant and recipe.name not in self.failed:
                raise self._failure(record)
            emit(target + self.render(record, options))
        except KvmdocsError as error:
            self.problems.append(error)
            error.seen(recipe=recipe.name, guides=self._guides_showing(recipe.name, options, error.message))
            if not self.tolerant:
                raise
            emit(problem(recipe.name, error.message, error.evidence.advice, self.language))

    def render(self, record: Record, options: ShowOptions) -> str:
        """Return the HTML of a record. A skipped recipe shows its approved record as well, if there is one."""
        html = self._render(record, options)
        self._names |= names(html)
        return html

    def _render(self, record: Record, options: ShowOptions) -> str:
        fresh = self.outcome.freshness.get(record.recipe, Freshness.CACHED)
        if fresh in {Freshness.STALE, Freshness.RUNNING}:
            return self._stale(record, options, fresh)
        if fresh is Freshness.BLOCKED:
            # After a failure, an approved record must not take the place of what could not run.
            failed = [self.outcome.records[name] for name in failed_below(self.project, self.outcome, record.recipe)]
            return blocked(record, failed, options, self.language, self._shown_at)
        if record.status is Status.SKIPPED and (approved := self.project.approved.get(record.recipe)):
            banner = skipped(record, ShowOptions(), self.language, freshness=fresh, instead=True)
            return banner + self._passed(approved, options, Freshness.RECORDED)
        return self._passed(record, options, fresh)

    def _stale(self, record: Record, options: ShowOptions, fresh: Freshness) -> str:
        """Return the HTML of a record from before a change, with a banner that says what happens next."""
        first = record.status is not Status.PASSED
        if first and fresh is Freshness.STALE:
            return self._passed(record, options, Freshness.MISSING)  # says that there is no record, and how to make one
        banner = notice(record.recipe, fresh, self.reasons.get(record.recipe, ()), self.language, first=first)
        if first:
            return banner
        try:
            return banner + self._passed(record, options, fresh)
        except Exception as error:  # noqa: BLE001  # the options fit the new record, and may not fit the old one
            message = error.message if isinstance(error, KvmdocsError) else named(error)
            plain = replace(options, section=None, notes={}, highlight="", render=None)
            return banner + problem(record.recipe, message, "", self.language) + self._passed(record, plain, fresh)

    def _passed(self, record: Record, options: ShowOptions, fresh: Freshness) -> str:
        self._check_section(record, options)
        anchors = self._anchors()
        if options.render is not None and record.status is Status.PASSED:
            places = self._places(record)
            html = self._call_render(record, options, Shown(record, self.language.value, self._addresses(places)))
            html = linked(html, places, self.project.templates.url, self.language, anchors)
            python = python_of(record.recipe, self._tabs(record, options, anchors), fresh, self.language)
            return f"{html}\n\n{python}{stamp(record, self.language, freshness=fresh)}\n"
        return cached_transcript(
            self.project.store,
            record,
            options,
            self.language,
            fresh,
            lambda name: self.links(record, name),
            self.project.templates.url,
            anchors,
            self._source_digest(record),
            self._script(),
            lambda: self._tabs(record, options, anchors),
        )

    def _call_render(self, record: Record, options: ShowOptions, shown: Shown) -> str:
        """Call the author's `render` function."""
        try:
            return options.rendered(recipe_values.value(self.project, record), shown)
        except KvmdocsError:
            raise
        except Exception as error:
            place = raised_in(error, self.project.root)
            raise GuideError(
                f"what `render` does with the result of {record.recipe} fails: {named(error)}",
                Evidence(advice=f"mend it, at {place}" if place else "mend the function"),
            ) from error

    def _anchors(self) -> Anchors:
        """Return the anchors that the page has already."""
        if self.guide is not None:
            return Anchors(self._names)
        # Without the plugin, the end of a page is unknown: make each transcript's anchors unique.
        anchors = Anchors(prefix=f"{self._pages}." if self._pages else "")
        self._pages += 1
        return anchors

    def _source_digest(self, record: Record) -> str:
        """Return a digest of the source text of a record's recipe; "" if the recipe no longer exists."""
        with contextlib.suppress(CatalogError):
            return self.project.written_digest(record.recipe)
        return ""

    def _tabs(self, record: Record, options: ShowOptions, anchors: Anchors) -> Tabs:
        """Return the tabs beside a record's transcript: the script and the recipe's Python."""
        script = section_script(record, options.section) if record.status is Status.PASSED else ""
        python = None
        with contextlib.suppress(CatalogError):
            python = recipe_source(self.project.catalog, record.recipe, options.section)
        return Tabs(script, python, anchors, self._script())

    def _shown_at(self, name: str) -> str | None:
        """Return the address, relative to the page, of the first place that shows a recipe; None if unknown."""
        pages = (self.pages.get(path) for path in self.project.catalog.guides_showing(name))
        return next((self.relative(f"{page.url}#{anchor(name)}") for page in pages if page), None)

    def _script(self) -> str:
        """Return the address of the page's script, relative to the page; "" for none."""
        url = self.scripts.get(self.guide) if self.guide else None
        return self.relative(url) if url else ""

    def _places(self, record: Record) -> list[SourceLocation]:
        """Return the source locations of a record and of its inputs: a table may show the result of an earlier recipe."""
        inputs = [found for name in record.inputs if (found := self.outcome.records.get(name))]
        return [place for each in (record, *inputs) for place in each.places]

    def _addresses(self, places: Sequence[SourceLocation]) -> Callable[[str, int], str | None]:
        """Return a function from a file, relative to its source tree, and a line to an address; None for other locations."""
        by_line = {(place.path, place.line): place for place in places}

        def address(path: str, line: int) -> str | None:
            place = by_line.get((path, line))
            return self.project.templates.url(place) if place else None

        return address

    def _check_section(self, record: Record, options: ShowOptions) -> None:
        if options.section is None or record.status is not Status.PASSED:
            return
        sections = list(dict.fromkeys(step.section for step in record.steps if step.section))
        if options.section not in sections:
            raise GuideError(
                f"recipe {record.recipe} has no section {options.section!r}",
                Evidence(advice=f"its sections are: {', '.join(sections) or 'none'}"),
            )

    def _record(self, name: str) -> Record:
        if name not in self.outcome.records:
            result = (
                modes.recorded(self.project, [name])
                if self.tolerant
                else modes.run(self.project, report.ProgressLines(), [name])
            )
            self.outcome.records.update(result.records)
            self.outcome.freshness.update(result.freshness)
        return self.outcome.records[name]

    def _failure(self, record: Record) -> RecipeFailed:
        evidence = report.evidence(record, self._guides_showing(record.recipe), self.project.store)
        message = record.failure.message if record.failure else "failed"
        return RecipeFailed(f"recipe {record.recipe}: {message}", evidence)

    def _guides_showing(self, name: str, options: ShowOptions | None = None, message: str = "") -> tuple[Place, ...]:
        """Return the lines that show a recipe, with these options if there are any: on the page being rendered, if it is known.

        An option that the message quotes is searched in the block, for a line more exact than the block's first.
        """
        catalog = self.project.catalog
        quoted = (
            next((text for text in (options.section, *options.notes, options.highlight) if text and repr(text) in message), "")
            if options
            else ""
        )
        places = (options and catalog.shown_at(name, options, quoted)) or catalog.shown_at(name)
        if self.guide is None:
            return places
        path = catalog.shown(self.guide)
        return tuple(place for place in places if place.path == path) or (Place(path),)


def anchor(name: str) -> str:
    """Return the fragment of a recipe's first transcript on a page."""
    return f"recipe-{name}"


def _anchor(name: str) -> str:
    """Return the HTML of the link target before a page's first transcript of a recipe."""
    return f'<div class="tr-anchor" id="{attribute(anchor(name))}"></div>\n\n'


def default_publisher() -> Publisher:
    """Return the presenter of a block that is executed outside of a build: that of the project in the working directory."""
    language = os.environ.get(LANGUAGE, "en")
    return Publisher(Project(), language=Language.of(language))
