"""Rendered transcripts, kept in the store: a page that shows an old record need not colour it again."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from kvmdocs import export, frames, lasting, listing, mirrors, render, scripting, varying
from kvmdocs.errors import StoreError
from kvmdocs.model import Freshness, Record, SourcePlace, Status
from kvmdocs.recipe import ShowOptions
from kvmdocs.render import Anchors, Beside, Language, transcript
from kvmdocs.store import Store, seal, unseal, write_whole


@lru_cache(maxsize=1)
def renderer() -> str:
    """Digest of the renderer's own code; another renderer gives another page."""
    files = [*sorted(Path(render.__file__).parent.glob("*.py"))]
    files += [Path(str(module.__file__)) for module in (frames, listing, export, lasting, mirrors, scripting, varying)]
    files += sorted(Path(str(export.__file__)).with_name("bash").iterdir())
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def cached_transcript(
    store: Store,
    record: Record,
    options: ShowOptions,
    language: Language,
    freshness: Freshness,
    logs: Callable[[str], str | None],
    sources: Callable[[SourcePlace], str | None],
    anchors: Anchors,
    written: str,
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
        beside: Makes what stands beside it.

    Raises:
        GuideError: A note matches nothing.
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
    around = [written, *_names(record, options, anchors)]
    return kept(store, [today, *what, repr(links), repr(places), *around], make)


def kept(store: Store, parts: Iterable[str], make: Callable[[], str], ending: str = ".html") -> str:
    """A text from the store, where it is made if it is not there.

    Args:
        store: The store.
        parts: All that it depends on beside the renderer's code.
        make: Makes it.
        ending: That of the file's name; what is made of the same parts in several ways has different ones.
    """
    # Whole pages are among the parts; BLAKE2 is the quicker one.
    name = hashlib.blake2b("\0".join([renderer(), *parts]).encode("utf-8", "surrogateescape"), digest_size=32).hexdigest()
    path = f"{store.root}/rendered/{name}{ending}"
    with contextlib.suppress(OSError, UnicodeDecodeError), open(path, "rb") as file:
        if (found := unseal(file.read())) is not None:
            return found.decode("utf-8")
    made = make()
    # A store that cannot be written still has records to show.
    with contextlib.suppress(StoreError):
        write_whole(Path(path), seal(made.encode()), durable=False)
    return made


def _names(record: Record, options: ShowOptions, anchors: Anchors) -> list[str]:
    """What the names that a page has already, which change with all that stands above, mean for a transcript."""
    own = {anchors.recipe(record.recipe), *(anchors.place(place) for place in record.places)}
    return [anchors.prefix, anchors.transcript(record.recipe, options.section), *sorted(own & anchors.taken)]
