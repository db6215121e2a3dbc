"""Garbage collection of the store: delete what is old or exceeds the size limit, and never what is in use.

In use are: the latest record of every recipe with all artefacts it names, the artefacts that a current build uses or has passed
to a worker, and everything whose lock is held. A record is deleted before the files it refers to, so a reader never sees a
record without them.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kvmdocs.core.errors import StoreError
from kvmdocs.core.paths import KEY_LENGTH
from kvmdocs.recording import digests
from kvmdocs.store.files import remove
from kvmdocs.store.store import Store

STALE_WRITE_AGE = 3600.0
"""Age in seconds after which the temporary file of a write counts as abandoned."""


@dataclass(frozen=True)
class Item:
    """A workspace that may be deleted, with its record and logs.

    Attributes:
        name: The recipe and the first digits of its key.
        key: The full key; "" for a workspace without a record.
        workspace: The workspace.
        size: Bytes on the disk.
        age: Seconds since it was made.
    """

    name: str
    key: str
    workspace: Path
    size: int
    age: float


def collectable(store: Store, now: float | None = None) -> list[Item]:
    """Return everything that is not in use, oldest first.

    Args:
        store: The store.
        now: The time from which ages are counted, in seconds since the epoch; by default the current time.
    """
    moment = time.time() if now is None else now
    keys = {path.stem[:KEY_LENGTH]: path.stem for path in (store.root / "records").glob("*.json")}
    in_use = set(_in_use(store))
    items = []
    for workspace in _listing(store.work):
        digits = workspace.name[-KEY_LENGTH:]
        if workspace.name in in_use:
            continue
        key = keys.get(digits, "")
        dated = store.root / "records" / f"{key}.json" if key else workspace
        with contextlib.suppress(FileNotFoundError):  # another process may be cleaning too
            age = moment - dated.stat().st_mtime
            items.append(Item(workspace.name, key, workspace, _size(workspace) + _size(store.logs(key) if key else None), age))
    return sorted(items, key=lambda item: -item.age)


def _in_use(store: Store) -> Iterator[str]:
    """Yield the names of the workspaces that are in use."""
    for path in _listing(store.root / "latest"):
        record = store.latest(path.name)
        if record is not None:
            yield store.workspace(record.recipe, record.key, record.workspace).name
            yield from (inner.partition("/")[0] for inner in digests.paths(record.value))
    yield from used_by_builds(store)


def used_by_builds(store: Store, *, others_than: int = 0) -> Iterator[str]:
    """Yield the names of the workspaces that current builds use or have passed to a worker.

    Args:
        store: The store.
        others_than: Process id of a build to leave out.
    """
    for task in store.runs.glob("*/task.json"):
        if others_than and task.parent.name.startswith(f"{others_than}-"):
            continue
        # A run deletes its folder at its end; the next build deletes those of killed runs.
        with contextlib.suppress(OSError, ValueError, KeyError):
            data = json.loads(task.read_bytes())
            yield Path(data["workspace"]).name
            yield from (inner.partition("/")[0] for value in data["inputs"].values() for inner in digests.paths(value))


def choose(items: list[Item], *, older: float | None, total: int, over: int | None) -> list[Item]:
    """Return the items to delete.

    Args:
        items: The candidates, oldest first.
        older: Delete items older than this, in seconds. None for no age limit.
        total: The current size of the store in bytes.
        over: Delete the oldest items until the store has at most this size, in bytes. None for no size limit.

    Returns:
        A part of `items`.
    """
    chosen = [item for item in items if older is not None and item.age > older]
    left = total - sum(item.size for item in chosen)
    for item in items:
        if over is None or left <= over:
            break
        if item not in chosen:
            chosen.append(item)
            left -= item.size
    return chosen


def delete(store: Store, item: Item) -> bool:
    """Delete an item.

    Returns:
        False if it has come into use and was not deleted.

    Raises:
        StoreError: The store cannot be written.
    """
    # A run without a record holds the lock of its full key. The workspace's name has only the first digits.
    locks = (store.root / "locks").glob(f"{item.workspace.name[-KEY_LENGTH:]}*.lock")
    key = item.key or next((path.stem for path in locks), "")
    lock = store.try_lock(key) if key else None
    if key and lock is None:
        return False
    try:
        if item.workspace.name in set(_in_use(store)):
            return False
        if item.key:
            for path in (store.root / "records" / f"{item.key}.json", store.root / "keys" / f"{item.key}.json"):
                path.unlink(missing_ok=True)
            if store.logs(item.key).exists():
                remove(store.logs(item.key))
        if item.workspace.exists():
            remove(item.workspace)
        return True
    finally:
        if lock is not None:
            lock.release()


def stale_files(store: Store, older: float | None) -> Iterator[Path]:
    """Yield files that can be deleted without loss: old cache files, remains of interrupted writes, unused lock files.

    Args:
        store: The store.
        older: Yield cache files older than this, in seconds. None for none.
    """
    caches = (
        path
        for name in ("code", "rendered")
        for path in _listing(store.root / name)
        if not path.name.startswith(".")  # a write in progress
    )
    now = time.time()
    for paths, age in ((store.half_written(), STALE_WRITE_AGE), (caches, math.inf if older is None else older)):
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and now - path.lstat().st_mtime > age:
                    yield path
    yield from _unused_locks(store)


def _unused_locks(store: Store) -> Iterator[Path]:
    """Yield the lock files that nobody holds, of keys without a record and a workspace.

    The lock is held until the next file is requested, so that no build acquires it while the caller deletes the file. A build
    that has opened the file before sees that it is deleted (filelock checks the link count) and creates a new one.
    """
    records = {path.stem for path in _listing(store.root / "records")}
    workspaces = {path.name[-KEY_LENGTH:] for path in _listing(store.work)}
    for path in _listing(store.root / "locks"):
        if path.suffix == ".lock" and path.stem not in records and path.stem[:KEY_LENGTH] not in workspaces:
            with contextlib.suppress(StoreError):
                if lock := store.try_lock(path.stem):
                    try:
                        yield path
                    finally:
                        lock.release()


def _listing(folder: Path) -> list[Path]:
    """Return the entries of a folder; none if there is no such folder."""
    return list(folder.iterdir()) if folder.is_dir() else []


def delete_files(paths: Iterable[Path], *, dry_run: bool) -> int:
    """Delete files and return the bytes they took on the disk. Files that cannot be deleted do not count."""
    size = 0
    for path in paths:
        with contextlib.suppress(OSError):
            blocks = path.lstat().st_blocks
            if not dry_run:
                path.unlink()
            size += blocks * 512
    return size


def disk_usage(store: Store) -> int:
    """Return the bytes that the store takes on the disk."""
    return _size(store.root)


def _size(folder: Path | None) -> int:
    """Return the bytes that a folder takes on the disk. Hard links count once."""
    if folder is None or not folder.is_dir():
        return 0
    seen: set[tuple[int, int]] = set()
    size = 0
    for path, _, files in os.walk(folder):
        for name in files:
            with contextlib.suppress(OSError):
                status = os.lstat(os.path.join(path, name))
                if (status.st_dev, status.st_ino) not in seen:
                    seen.add((status.st_dev, status.st_ino))
                    size += status.st_blocks * 512
    return size
