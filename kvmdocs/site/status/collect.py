"""Collection of the report on a site's recipes.

Nothing is run. The records come from the build's result; for recipes that no guide shows, the newest record is used.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from kvmdocs.catalog.titles import titles
from kvmdocs.core import graph
from kvmdocs.core.model import Freshness, Record, Status
from kvmdocs.core.words import moment_of
from kvmdocs.execution import modes
from kvmdocs.execution.plan import failed_below
from kvmdocs.execution.project import Project
from kvmdocs.host import facts
from kvmdocs.recording.recipe import Recipe
from kvmdocs.site.publisher import GuidePage, Publisher, anchor
from kvmdocs.site.status.comparing import compared
from kvmdocs.site.status.data import WORST, Need, PageRow, RecipeRow, Report, ShownOn, State, Want, count


def report(publisher: Publisher) -> Report:
    """Return the report on every recipe of a publisher's project.

    Raises:
        CatalogError: An approved record cannot be read, or recipes depend on each other in a cycle.
    """
    project = publisher.project
    now = facts.now()
    entries = project.catalog.entries
    # The catalog reports an input that does not exist.
    inputs = {name: tuple(used.name for used in entry.recipe.inputs if used.name in entries) for name, entry in entries.items()}
    translated = titles(project.settings, str(publisher.language), entries)
    rows = {
        name: _row(publisher, name, now, translated)
        for name in graph.topological_order(graph.closure(inputs, lambda name: inputs.get(name, ())))
    }
    pages = tuple(_pages(publisher, rows))
    return Report(
        built=now,
        mode="serve" if publisher.tolerant else str(project.mode),
        language=str(publisher.language),
        host=facts.describe(project.settings),
        counts=count(rows.values()),
        recipes=tuple(rows.values()),
        pages=pages,
    )


def _row(publisher: Publisher, name: str, now: str, translated: Mapping[str, str]) -> RecipeRow:
    project, result = publisher.project, publisher.outcome
    entry = project.catalog.get(name)
    record = result.records.get(name)
    fresh = result.freshness.get(name, Freshness.CACHED)
    if record is None:
        record, fresh = modes.newest(project, name), Freshness.RECORDED
    state = _state(record, fresh)
    row = RecipeRow(
        recipe=name,
        title=translated.get(name, entry.recipe.title),
        title_language=str(publisher.language) if name in translated else "en",
        place=str(entry.place),
        state=state,
        reasons=_reasons(record, state, publisher.reasons.get(name, ())),
        wants=tuple(_wants(project, publisher, entry.recipe)) if state in {State.SKIPPED, State.BLOCKED} else (),
        builds_on=tuple(used.name for used in entry.recipe.inputs),
        pages=tuple(_pages_of(publisher, name)),
    )
    comparison = compared(project, name, record)
    row = replace(row, approved=comparison.approved, compared=comparison.done, drift=comparison.drift)
    shown = _on_page(project, record, state)
    return _with_record(row, shown, now) if shown else row


def _on_page(project: Project, record: Record | None, state: State) -> Record | None:
    """Return the record that pages show.

    The approved record replaces that of a skipped recipe, never that of a failed or blocked one.
    """
    if state is State.BLOCKED:
        return None
    if record and record.status in {Status.PASSED, Status.FAILED}:
        return record
    return project.approved.get(record.recipe) if record else None


def _state(record: Record | None, fresh: Freshness) -> State:
    if record is None:
        return State.NONE
    if fresh is Freshness.RUNNING:
        return State.RUNNING
    if fresh is Freshness.BLOCKED:
        return State.BLOCKED
    if record.status is Status.FAILED:
        return State.FAILED
    if record.status is Status.SKIPPED:
        # A build that runs nothing does not find out what the host cannot run: the recipe just has no record.
        return State.NONE if fresh in {Freshness.MISSING, Freshness.STALE} else State.SKIPPED
    return {Freshness.STALE: State.STALE, Freshness.RECORDED: State.RECORDED}.get(fresh, State.CURRENT)


def _reasons(record: Record | None, state: State, stale: tuple[str, ...]) -> tuple[str, ...]:
    if state in {State.SKIPPED, State.BLOCKED} and record:
        return (record.reason,)
    if state is State.FAILED and record and record.failure:
        return (record.failure.message,)
    return stale


def _wants(project: Project, publisher: Publisher, recipe: Recipe) -> Iterator[Want]:
    """Yield what a skipped or blocked recipe lacks: inputs, else capabilities, else tools. Nothing if it skipped itself."""
    records = publisher.outcome.records
    failed = failed_below(project, publisher.outcome, recipe.name)
    inputs = [used.name for used in recipe.inputs if (failed or not used.optional) and used.name in records]
    if missing := [name for name in inputs if records[name].status is not Status.PASSED]:
        yield from (Want(Need.RECIPE, name) for name in missing)
    elif lacking := [need for need in recipe.needs if not project.capabilities.have(need).able]:
        yield from (Want(Need.CAPABILITY, need) for need in lacking)
    else:
        yield from (Want(Need.TOOL, tool) for tool in project.missing_tools(recipe.tools))


def _pages_of(publisher: Publisher, name: str) -> Iterator[ShownOn]:
    """Yield the pages that show a recipe, each once, in the order of the guides."""
    for path in publisher.project.catalog.guides_showing(name):
        page = publisher.pages.get(path)
        yield ShownOn(path, page.title, page.url, f"{page.url}#{anchor(name)}") if page else ShownOn(path, path)


def _with_record(row: RecipeRow, record: Record, now: str) -> RecipeRow:
    """Return the row with the fields that its record provides."""
    return replace(
        row,
        made=record.started,
        age_days=_days(record.started, now),
        seconds=record.seconds,
        emulated=record.emulated,
        host=record.host,
        tools={name: version.strip().partition("\n")[0] for name, version in sorted(record.tools.items())},
        settings=dict(sorted(record.settings.items())),
        key=record.key,
    )


def _days(made: str, now: str) -> int | None:
    """Return the days (UTC) between two times; None if one is invalid. At least 0, since the clocks of two hosts may differ."""
    then, today = moment_of(made), moment_of(now)
    return max((today.date() - then.date()).days, 0) if then and today else None


def _pages(publisher: Publisher, rows: Mapping[str, RecipeRow]) -> Iterator[PageRow]:
    by_guide: dict[str, list[str]] = {}
    for request in publisher.project.catalog.requests:
        by_guide.setdefault(publisher.project.catalog.shown(request.block.guide), []).append(request.name)
    # In the order of the site's pages; without the plugin, in the order of the guides.
    places = list(publisher.pages)
    for guide in sorted(by_guide, key=lambda path: places.index(path) if path in publisher.pages else len(places)):
        names = tuple(dict.fromkeys(name for name in by_guide[guide] if name in rows))
        if not names:
            continue
        page = publisher.pages.get(guide, GuidePage(guide, ""))
        counts = count(rows[name] for name in names)
        made = [rows[name] for name in names if rows[name].made]
        yield PageRow(
            guide=guide,
            title=page.title,
            chapter=page.chapter,
            url=page.url,
            state=next(state for state in WORST if state in counts),
            counts=counts,
            recipes=names,
            newest=max((row.made for row in made), default=""),
            hosts=tuple(dict.fromkeys(row.host.name for row in made if row.host)),
        )
