"""One run of recipes for all workers of pytest-xdist.

With ``-n 2`` each worker collects every item and runs some of them. The executor runs recipes in parallel and keeps those
apart that claim the same resource, such as a machine; two executors would not know of each other. So the first worker runs
the recipes that all items need; the other workers wait and read its result.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

KEY = "kvmdocs_shared"
"""Name of the shared folder in a worker's ``workerinput``."""

T = TypeVar("T")

_folder = pytest.StashKey[Path]()


def folder_for_workers(config: pytest.Config) -> Path:
    """Return the folder that all workers of a test run share. The controller makes it and removes it at the end."""
    if _folder not in config.stash:
        made = tempfile.TemporaryDirectory(prefix="kvmdocs-", ignore_cleanup_errors=True)
        config.add_cleanup(made.cleanup)
        config.stash[_folder] = Path(made.name)
    return config.stash[_folder]


def shared_folder(config: pytest.Config) -> Path | None:
    """Return the shared folder in a worker; None outside of a worker, and in a worker on another machine."""
    folder = getattr(config, "workerinput", {}).get(KEY)
    return Path(folder) if folder and os.path.isdir(folder) else None


def once(folder: Path, what: str, make: Callable[[], T]) -> T:
    """Return the result of `make`, which one worker calls for all. If that worker dies, the next one calls it.

    Args:
        folder: The folder that the workers share.
        what: A name for the result, unique in the test run.
        make: Makes the result, which must be picklable.
    """
    # Imported late: a run without other workers needs neither.
    import pickle

    from filelock import FileLock

    path = folder / hashlib.sha256(what.encode()).hexdigest()
    with FileLock(path.with_suffix(".lock")):
        if path.exists():
            result: T = pickle.loads(path.read_bytes())  # noqa: S301  # only this user can write the folder
            return result
        made = make()
        fresh = path.with_suffix(".new")
        fresh.write_bytes(pickle.dumps(made))
        fresh.replace(path)
        return made
