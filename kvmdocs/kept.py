"""Texts that are made of records, kept in the store: what was made before of the same parts, by the same code, is not made again."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from kvmdocs.core.errors import StoreError
from kvmdocs.store import Store, seal, unseal, write_whole

PARTS = ("export", "frames", "lasting", "listing", "mirrors", "scripting", "varying")
"""Modules outside the renderer that have a say in what it makes."""


@lru_cache(maxsize=1)
def renderer() -> str:
    """Digest of the renderer's own code; another renderer gives another page."""
    here = Path(__file__).parent
    files = [
        *sorted((here / "render").glob("*.py")),
        *(here / f"{name}.py" for name in PARTS),
        *sorted((here / "bash").iterdir()),
    ]
    return hashlib.sha256(b"\0".join(path.read_bytes() for path in files)).hexdigest()


def recall(store: Store, parts: Iterable[str], ending: str = ".html") -> str | None:
    """A text from the store; None if it is not there, or damaged.

    Args:
        store: The store.
        parts: All that it depends on beside the renderer's code.
        ending: That of the file's name; what is made of the same parts in several ways has different ones.
    """
    with contextlib.suppress(OSError, UnicodeDecodeError), open(_path(store, parts, ending), "rb") as file:
        if (found := unseal(file.read())) is not None:
            return found.decode("utf-8")
    return None


def keep(store: Store, parts: Iterable[str], text: str, ending: str = ".html") -> None:
    """Put a text where `recall` finds it. A store that cannot be written still has records to show."""
    with contextlib.suppress(StoreError):
        write_whole(Path(_path(store, parts, ending)), seal(text.encode()), durable=False)


def kept(store: Store, parts: Iterable[str], make: Callable[[], str], ending: str = ".html") -> str:
    """A text from the store, where it is made if it is not there.

    Args:
        store: The store.
        parts: As for `recall`.
        make: Makes it.
        ending: As for `recall`.
    """
    parts = [*parts]
    if (found := recall(store, parts, ending)) is not None:
        return found
    made = make()
    keep(store, parts, made, ending)
    return made


def _path(store: Store, parts: Iterable[str], ending: str) -> str:
    # Whole pages are among the parts; BLAKE2 is the quicker one.
    name = hashlib.blake2b("\0".join([renderer(), *parts]).encode("utf-8", "surrogateescape"), digest_size=32).hexdigest()
    return f"{store.root}/rendered/{name}{ending}"
