"""Check of artefacts: are the files that a record names still those that its recipe made?

A record has the digest of the content of each path. Reading a kernel's source tree takes a while, so the store also keeps a
fingerprint of what a file system says about each file. Only if that differs, the content is read.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from pathlib import Path

from kvmdocs.core.errors import ValueNotStorable
from kvmdocs.core.model import Record
from kvmdocs.recording.digests import IGNORED, content_digest
from kvmdocs.store.files import read_cache, write_cache
from kvmdocs.store.store import Store


def note(store: Store, record: Record) -> None:
    """Write the fingerprints of a record's artefacts, which its recipe has just made."""
    if record.contents:
        with contextlib.suppress(OSError):
            write_cache(_file(store, record), {path: fingerprint(store.work / path) for path in record.contents})


def damaged(store: Store, record: Record, *, thorough: bool = False) -> list[str]:
    """Return the artefacts of a record that are gone or have another content, relative to the folder of workspaces.

    Args:
        store: The store.
        record: The record.
        thorough: Read every file, whatever its fingerprint.
    """
    if not record.contents:
        return []
    saved = read_cache(_file(store, record))
    before = saved if isinstance(saved, dict) else {}
    now = {path: _fingerprint_or_none(store.work / path) for path in record.contents}
    differ = [path for path in record.contents if thorough or now[path] is None or now[path] != before.get(path)]
    wrong = [path for path in differ if not _has_content(store.work / path, record.contents[path])]
    if not wrong and now != before:
        write_cache(_file(store, record), now)
    return wrong


def forget(store: Store, record: Record) -> None:
    """Remove a record whose artefacts are damaged, so that its recipe runs again. Does nothing on a read-only store."""
    with contextlib.suppress(OSError):
        store.record_file(record.key).unlink(missing_ok=True)
        _file(store, record).unlink(missing_ok=True)


def fingerprint(path: Path) -> str:
    """Return a digest of the name, kind, size, time of change in nanoseconds and inode of every file of a path.

    Raises:
        OSError: It does not exist.
    """
    digest = hashlib.sha256(_entry(os.lstat(path)).encode())
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if name not in IGNORED)
        for name in sorted(files + folders):
            entry = os.path.join(folder, name)
            line = f"{os.path.relpath(entry, path)}\0{_entry(os.lstat(entry))}\n"
            digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()


def _entry(status: os.stat_result) -> str:
    is_folder = status.st_mode & 0o170000 == 0o040000
    # Python may write compiled modules into a folder, which changes the folder's time and size, and nothing that counts.
    return f"{status.st_mode} {status.st_ino}" + ("" if is_folder else f" {status.st_size} {status.st_mtime_ns}")


def _fingerprint_or_none(path: Path) -> str | None:
    try:
        return fingerprint(path)
    except OSError:
        return None


def _has_content(path: Path, digest: str) -> bool:
    try:
        # A link in place of a file or folder that was none leads elsewhere.
        return not (path.is_symlink() and os.path.isabs(os.readlink(path))) and content_digest(path) == digest
    except (OSError, ValueNotStorable):
        return False


def _file(store: Store, record: Record) -> Path:
    return store.root / "fingerprints" / f"{record.key}.json"
