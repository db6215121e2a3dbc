"""Freeing the store: what is old or too much goes, what is in use never does.

In use is the newest record of every recipe with all it names, what a build under way goes by or has given to a worker, and what somebody holds the lock of. A record
is removed before what it speaks of, so that a reader finds it whole or not at all.
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

from kvmdocs.core.paths import KEY_LENGTH
from kvmdocs.recording import values
from kvmdocs.store.store import Store, remove

STALE_WRITE_AGE = 3600.0
"""Seconds after which a file that is being written is not being written any more."""


@dataclass(frozen=True)
class Item:
    """Something in the store that may go.

    Attributes:
        name: The recipe and the first digits of its key.
        key: The whole key, or "" for a workspace whose record is not there.
        workspace: Its workspace.
        size: Bytes it takes on the disk.
        age: Seconds since it was made.
    """

    name: str
    key: str
    workspace: Path
    size: int
    age: float


def collectable(store: Store, now: float | None = None) -> list[Item]:
    """All that nothing uses, the oldest first.

    Args:
        store: The store.
        now: The time to count ages from, in seconds of the epoch; now if not given.
    """
    moment = time.time() if now is None else now
    keys = {path.stem[:KEY_LENGTH]: path.stem for path in (store.root / "records").glob("*.json")}
    kept = set(_in_use(store))
    items = []
    for workspace in store.work.iterdir() if store.work.is_dir() else ():
        digits = workspace.name[-KEY_LENGTH:]
        if workspace.name in kept:
            continue
        key = keys.get(digits, "")
        mark = store.root / "records" / f"{key}.json" if key else workspace
        with contextlib.suppress(FileNotFoundError):  # another clean may be at it
            age = moment - mark.stat().st_mtime
            items.append(Item(workspace.name, key, workspace, _size(workspace) + _size(store.logs(key) if key else None), age))
    return sorted(items, key=lambda item: -item.age)


def _in_use(store: Store) -> Iterator[str]:
    """Names of the workspaces that must stay."""
    latest = store.root / "latest"
    for path in latest.iterdir() if latest.is_dir() else ():
        record = store.latest(path.name)
        if record is not None:
            yield store.workspace(record.recipe, record.key).name
            yield from (inner.partition("/")[0] for inner in values.paths(record.value))
    for task in store.runs.glob("*/task.json"):
        # A run that is over takes its folder with it; of a dead one the next build does.
        with contextlib.suppress(OSError, ValueError, KeyError):
            told = json.loads(task.read_bytes())
            yield Path(told["workspace"]).name
            yield from (inner.partition("/")[0] for value in told["inputs"].values() for inner in values.paths(value))


def choose(items: list[Item], *, older: float | None, total: int, over: int | None) -> list[Item]:
    """Those that are to go.

    Args:
        items: What may go, the oldest first.
        older: Seconds; what is older goes. None: age is no reason.
        total: Bytes the store takes now.
        over: Bytes the store may take; the oldest go until it does. None: size is no reason.

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
    """Remove an item.

    Returns:
        Whether it was removed; it is not when somebody has come to use it since.

    Raises:
        StoreError: The store cannot be written.
    """
    # A run that has no record yet holds a lock by the whole key, of which its workspace has the first digits.
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
    """Files that nobody misses: pages rendered before, and what a write that was cut short has left.

    Args:
        store: The store.
        older: Seconds; pages that are older go. None: they stay.
    """
    rendered = store.root / "rendered"
    pages = (path for path in rendered.iterdir() if not path.name.startswith(".")) if rendered.is_dir() else ()
    now = time.time()
    for paths, age in ((store.half_written(), STALE_WRITE_AGE), (pages, math.inf if older is None else older)):
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                if path.is_file() and now - path.lstat().st_mtime > age:
                    yield path


def delete_files(paths: Iterable[Path], *, dry_run: bool) -> int:
    """Remove files; returns the bytes that they took, or, with `dry_run`, take. What cannot be removed stays and does not count."""
    size = 0
    for path in paths:
        with contextlib.suppress(OSError):
            blocks = path.lstat().st_blocks
            if not dry_run:
                path.unlink()
            size += blocks * 512
    return size


def disk_usage(store: Store) -> int:
    """Bytes that the store takes on the disk."""
    return _size(store.root)


def _size(folder: Path | None) -> int:
    """Bytes that a folder takes on the disk, each file once."""
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
