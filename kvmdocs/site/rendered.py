"""Cache of rendered transcripts, in the store."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from kvmdocs.core.model import Freshness, Record, SourceLocation, Status
from kvmdocs.recording.recipe import ShowOptions
from kvmdocs.render import Anchors, Language, Tabs, transcript
from kvmdocs.store.derived import get_or_make
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
    beside: Callable[[], Tabs],
) -> str:
    """Return the result of `kvmdocs.render.transcript`, from the cache if it is there.

    Args:
        store: The store.
        record: The record.
        options: Options of `show()`.
        language: The page's language.
        freshness: Origin of the record.
        logs: Returns the address of a whole log.
        sources: Returns the address of a source location.
        anchors: The anchors that the page has already.
        written: Digest of the recipe's source text.
        script: The address of the page's script.
        beside: Returns the other tabs: the script and the recipe's Python.

    Raises:
        GuideError: A note or `highlight` matches nothing.
    """

    def make() -> str:
        return transcript(record, options, language, freshness=freshness, logs=logs, sources=sources, beside=beside())

    if record.status is not Status.PASSED:
        return make()
    links = [logs(step.output.log) for step in record.steps if step.output.log]
    # The page shows the record's age in days.
    today = f"{datetime.now(UTC):%F}" if freshness is Freshness.RECORDED else ""
    places = [sources(place) for place in record.places]
    key = [today, record.recipe, record.key, record.started, repr(options), language, freshness, repr(links), repr(places)]
    return get_or_make(store, [*key, written, script, *_anchor_key(record, options, anchors)], make)


def _anchor_key(record: Record, options: ShowOptions, anchors: Anchors) -> list[str]:
    """Return the part of the cache key for the page's anchors: only those that affect this transcript."""
    own = {anchors.recipe(record.recipe), *(anchors.place(place) for place in record.places)}
    return [anchors.prefix, anchors.transcript(record.recipe, options.section), *sorted(own & anchors.taken)]
