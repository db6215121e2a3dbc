"""Texts that are made of records, kept in the store: what was made before of the same parts, by the same code, is not made again."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path

from kvmdocs.core.errors import StoreError
from kvmdocs.store.store import Store, add_checksum, atomic_write, strip_checksum

PACKAGE = Path(str(files("kvmdocs")))

MODULES = {"griffelib": "griffe"}
"""What a package is imported as, where that differs from its name."""

LIBRARIES = ("griffelib", "markdown", "msgspec", "pygments")
"""Packages that have a say in a derived text; the first is optional."""


@lru_cache(maxsize=1)
def engine() -> str:
    """SHA-256 of every file of the engine and of the versions of what renders with it; another engine may derive another text."""
    own = sorted(path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc")
    parts = [path.read_bytes() for path in own]
    parts += [f"{name} {version(name)}".encode() for name in LIBRARIES if find_spec(MODULES.get(name, name))]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def recall(store: Store, parts: Iterable[str], ending: str = ".html") -> str | None:
    """A text from the store; None if it is not there, or damaged.

    Args:
        store: The store.
        parts: All that it depends on beside the engine's code.
        ending: That of the file's name; what is made of the same parts in several ways has different ones.
    """
    with contextlib.suppress(OSError, UnicodeDecodeError), open(_path(store, parts, ending), "rb") as file:
        if (found := strip_checksum(file.read())) is not None:
            return found.decode("utf-8")
    return None


def keep(store: Store, parts: Iterable[str], text: str, ending: str = ".html") -> None:
    """Put a text where `recall` finds it. A store that cannot be written still has records to show."""
    with contextlib.suppress(StoreError):
        atomic_write(Path(_path(store, parts, ending)), add_checksum(text.encode()), durable=False)


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
    name = hashlib.blake2b("\0".join([engine(), *parts]).encode("utf-8", "surrogateescape"), digest_size=32).hexdigest()
    return f"{store.root}/rendered/{name}{ending}"
