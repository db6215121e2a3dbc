"""Rendered transcripts, kept in the store: a page that shows an old record need not colour it again."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from kvmdocs.core.model import Freshness, Record, SourceLocation, Status
from kvmdocs.recording.recipe import ShowOptions
from kvmdocs.render import Anchors, Beside, Language, transcript
from kvmdocs.store.derived import kept
from kvmdocs.store.store import Store


def cached_transcript(
    store: Store,
    record: Record,
    options: ShowOptions,
    language: Language,
    freshness: Freshness,
    logs: Callable[[str], str | None],
    sources: Callable[[SourceLocation], str | None],
    anchors: Anchors,
    written: str,
    script: str,
    beside: Callable[[], Beside],
) -> str:
    """What `kvmdocs.render.transcript` gives, from the store if it was made before.

    Args:
        store: The store.
        record: The record.
        options: How it is shown.
        language: The page's language.
        freshness: Where the record came from.
        logs: Gives the address of a whole log.
        sources: Gives the address of a place.
        anchors: The names that the page has left.
        written: What tells one text of the recipe from another.
        script: The address of the page's script.
        beside: Makes what stands beside it.

    Raises:
        GuideError: A note or `highlight` matches nothing.
    """

    def make() -> str:
        return transcript(record, options, language, freshness=freshness, logs=logs, sources=sources, beside=beside())

    if record.status is not Status.PASSED:
        return make()
    links = [logs(step.output.log) for step in record.steps if step.output.log]
    # How old it is stands on the page, in days.
    today = f"{datetime.now(UTC):%F}" if freshness is Freshness.RECORDED else ""
    places = [sources(place) for place in record.places]
    what = [record.recipe, record.key, record.started, repr(options), language, freshness]
    around = [written, script, *_names(record, options, anchors)]
    return kept(store, [today, *what, repr(links), repr(places), *around], make)


def _names(record: Record, options: ShowOptions, anchors: Anchors) -> list[str]:
    """What the names that a page has already, which change with all that stands above, mean for a transcript."""
    own = {anchors.recipe(record.recipe), *(anchors.place(place) for place in record.places)}
    return [anchors.prefix, anchors.transcript(record.recipe, options.section), *sorted(own & anchors.taken)]
