"""Files of the store: atomic writes, checksums, caches, removal of trees."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import Evidence, StoreError


def atomic_write(path: Path, data: bytes, *, durable: bool = True) -> None:
    """Write a file atomically: readers see the old content or the new, never a part.

    Args:
        path: The file.
        data: Its content.
        durable: True to wait for the disk (fsync), so that a power failure cannot damage the file. False for files that only
            the processes of one build read, and for caches.

    Raises:
        StoreError: It cannot be written. An existing file is unchanged.
    """
    fresh: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # The prefix is the writer's pid: `kvmdocs.execution.run_dirs.kill_orphans` removes the files of killed writers.
        handle, fresh = tempfile.mkstemp(dir=path.parent, prefix=f".{os.getpid()}-")
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            if durable:
                os.fsync(file.fileno())
        os.replace(fresh, path)
    except OSError as error:
        raise StoreError(
            f"{path} cannot be written: {error.strerror}",
            Evidence(advice="free space on that disk, or set KVMDOCS_STORE_PATH to another disk"),
        ) from error
    finally:
        # Also after Ctrl-C, which is no OSError. After a successful rename the file does not exist.
        if fresh is not None:
            with contextlib.suppress(OSError):
                Path(fresh).unlink()


def add_checksum(body: bytes) -> bytes:
    """Return data preceded by its checksum: SHA-256 in hexadecimal, a line end, the data."""
    return hashlib.sha256(body).hexdigest().encode() + b"\n" + body


def strip_checksum(data: bytes) -> bytes | None:
    """Return the data without its checksum; None if the checksum does not match."""
    checksum, _, body = data.partition(b"\n")
    return body if checksum.decode("ascii", "replace") == hashlib.sha256(body).hexdigest() else None


def read_cache(path: Path) -> Any:
    """Return the JSON data that `write_cache` wrote; None if it is missing, unreadable or damaged."""
    try:
        body = strip_checksum(path.read_bytes())
        return None if body is None else json.loads(body)
    except (OSError, ValueError):
        return None


def write_cache(path: Path, data: Any) -> None:
    """Write JSON data to a cache file. Does nothing on a read-only store."""
    with contextlib.suppress(StoreError):
        atomic_write(path, add_checksum(json.dumps(data).encode()), durable=False)


def remove(folder: Path) -> None:
    """Remove a tree, including read-only folders (source packages and build systems create some)."""

    def retry(function: Any, path: str, _: Any) -> None:
        os.chmod(os.path.dirname(path), 0o700)
        os.chmod(path, 0o700)
        function(path)

    # Python 3.12 renamed the argument. Both variants pass the function, the path and the error.
    if sys.version_info >= (3, 12):
        shutil.rmtree(folder, onexc=retry)
    else:
        shutil.rmtree(folder, onerror=retry)
