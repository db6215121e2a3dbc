"""Cache of texts rendered from records, in the store. The key of a text is its inputs and the engine's code."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from kvmdocs.core.errors import StoreError
from kvmdocs.core.paths import ENGINE
from kvmdocs.store.files import add_checksum, atomic_write, strip_checksum
from kvmdocs.store.store import Store

LIBRARIES = ("griffelib", "markdown", "msgspec", "pygments")
"""Packages that affect rendered texts. The first one is optional."""


@lru_cache(maxsize=1)
def engine() -> str:
    """Return SHA-256 of all files of the engine and the versions of its rendering libraries."""
    parts = [path.read_bytes() for path in sorted(ENGINE.rglob("*")) if path.is_file() and path.suffix != ".pyc"]
    for name in LIBRARIES:
        with contextlib.suppress(PackageNotFoundError):
            parts.append(f"{name} {version(name)}".encode())
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def get(store: Store, parts: Iterable[str], ending: str = ".html") -> str | None:
    """Return a cached text; None if it is missing or damaged.

    Args:
        store: The store.
        parts: All inputs of the text except the engine's code.
        ending: Suffix of the file's name. Texts made in several ways from the same inputs have different ones.
    """
    with contextlib.suppress(OSError, UnicodeDecodeError), open(_path(store, parts, ending), "rb") as file:
        if (body := strip_checksum(file.read())) is not None:
            return body.decode("utf-8")
    return None


def put(store: Store, parts: Iterable[str], text: str, ending: str = ".html") -> None:
    """Cache a text for `get`. Does nothing on a read-only store."""
    with contextlib.suppress(StoreError):
        atomic_write(Path(_path(store, parts, ending)), add_checksum(text.encode()), durable=False)


def get_or_make(store: Store, parts: Iterable[str], make: Callable[[], str], ending: str = ".html") -> str:
    """Return a cached text; make and cache it if it is missing.

    Args:
        store: The store.
        parts: As for `get`.
        make: Makes the text.
        ending: As for `get`.
    """
    parts = [*parts]
    text = get(store, parts, ending)
    if text is None:
        text = make()
        put(store, parts, text, ending)
    return text


def _path(store: Store, parts: Iterable[str], ending: str) -> str:
    # The inputs include whole pages. BLAKE2 is faster than SHA-256.
    name = hashlib.blake2b("\0".join([engine(), *parts]).encode("utf-8", "surrogateescape"), digest_size=32).hexdigest()
    return f"{store.root}/rendered/{name}{ending}"
