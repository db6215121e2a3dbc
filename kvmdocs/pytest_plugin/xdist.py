"""One run of recipes for all workers of pytest-xdist.

With ``-n 2`` each worker collects everything and is then handed some of the items. What runs recipes in parallel is the executor, which also keeps those that
want the same machine or other named thing apart; two executors side by side would not know of each other. So the first worker runs all
that the items need, and the others wait for it and read what came of it.
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
"""What a worker's input calls the folder that all workers of a test run have in common."""

T = TypeVar("T")

_folder = pytest.StashKey[Path]()


def folder_for_workers(config: pytest.Config) -> Path:
    """The folder that the workers of a test run have in common, made and removed by the process that starts them."""
    if _folder not in config.stash:
        made = tempfile.TemporaryDirectory(prefix="kvmdocs-", ignore_cleanup_errors=True)
        config.add_cleanup(made.cleanup)
        config.stash[_folder] = Path(made.name)
    return config.stash[_folder]


def shared_folder(config: pytest.Config) -> Path | None:
    """The same seen by a worker; None in a process that is none, and in one on another machine."""
    folder = getattr(config, "workerinput", {}).get(KEY)
    return Path(folder) if folder and os.path.isdir(folder) else None


def once(folder: Path, what: str, make: Callable[[], T]) -> T:
    """What `make` gives, called by one worker only; should that one die, by the next."""
    # Only where there are other workers.
    import pickle

    from filelock import FileLock

    path = folder / hashlib.sha256(what.encode()).hexdigest()
    with FileLock(path.with_suffix(".lock")):
        if path.exists():
            known: T = pickle.loads(path.read_bytes())  # noqa: S301  # the folder is this user's alone
            return known
        made = make()
        fresh = path.with_suffix(".new")
        fresh.write_bytes(pickle.dumps(made))
        fresh.replace(path)
        return made
