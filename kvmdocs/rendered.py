"""Rendered transcripts, kept in the store: a page that shows an old record need not colour it again."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from kvmdocs import frames, render
from kvmdocs.errors import StoreError
from kvmdocs.model import Freshness, Record, SourcePlace, Status
from kvmdocs.recipe import ShowOptions
from kvmdocs.render import Beside, Language, transcript
from kvmdocs.store import Store, seal, unseal, write_whole


@lru_cache(maxsize=1)
def renderer() -> str:
    """Digest of the renderer's own code; another renderer gives another page."""
    files = [*sorted(Path(render.__file__).parent.glob("*.py")), Path(frames.__file__)]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def cached_transcript(
    store: Store,
    record: Record,
    options: ShowOptions,
    language: Language,
    freshness: Freshness,
    logs: Callable[[str], str | None],
    sources: Callable[[SourcePlace], str | None],
    beside: Beside,
) -> str:
    """What `kvmdocs.render.transcript` gives, from the store if it was made before.

    Raises:
        GuideError: A note matches nothing.
    """
    if record.status is not Status.PASSED:
        return transcript(record, options, language, freshness=freshness, logs=logs, sources=sources, beside=beside)
    links = [logs(step.output.log) for step in record.steps if step.output.log]
    # How old it is stands on the page, in days.
    today = f"{datetime.now(UTC):%F}" if freshness is Freshness.RECORDED else ""
    places = [sources(place) for place in record.places]
    what = [record.recipe, record.key, record.started, repr(options), language, freshness]
    around = [beside.script, repr(beside.python), *_names(record, options, beside)]
    parts = [renderer(), today, *what, repr(links), repr(places), *around]
    name = hashlib.sha256("\0".join(parts).encode()).hexdigest()
    path = store.root / "rendered" / f"{name}.html"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if (kept := unseal(path.read_bytes())) is not None:
            return kept.decode("utf-8")
    made = transcript(record, options, language, freshness=freshness, logs=logs, sources=sources, beside=beside)
    # A store that cannot be written still has records to show.
    with contextlib.suppress(StoreError):
        write_whole(path, seal(made.encode()))
    return made


def kept(store: Store, source: str, ending: str, make: Callable[[], str]) -> str:
    """What the renderer makes of a text, from the store if it was made before.

    Args:
        store: The store.
        source: All that it is made of.
        ending: That of the file's name; what is made of one text in several ways has different ones.
        make: Makes it.
    """
    path = store.root / "rendered" / f"{hashlib.blake2b(f'{renderer()}{source}'.encode(), digest_size=32).hexdigest()}{ending}"
    with contextlib.suppress(OSError, UnicodeDecodeError):
        if (there := unseal(path.read_bytes())) is not None:
            return there.decode("utf-8")
    made = make()
    # A store that cannot be written does no harm but to the time of the next build.
    with contextlib.suppress(StoreError):
        write_whole(path, seal(made.encode()))
    return made


def _names(record: Record, options: ShowOptions, beside: Beside) -> list[str]:
    """What the names that a page has already, which change with all that stands above, mean for a transcript."""
    anchors = beside.anchors
    own = {anchors.recipe(record.recipe), *(anchors.place(place) for place in record.places)}
    return [anchors.prefix, anchors.transcript(record.recipe, options.section), *sorted(own & anchors.taken)]
