"""Atomic replacement of a folder that people read by a complete new one, with renames only.

``renameat2(RENAME_EXCHANGE)`` exchanges two folders in one step: at no moment does the path lead to neither, or to a
mixture. This is done twice. First the new folder takes the path. Then the old folder, which has no readers by path any
more, gets the new content and takes the path back. So the folder itself stays the same, with its owner and rights, for a
server that was started in it, or a container that has it mounted.

Where this is not possible (a mount point, a parent that may not be written, a file system without the call), the entries of
the folder are exchanged one by one. A journal lists them, so that the next build can finish after a ``kill -9`` in between.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import shutil
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path

_libc = ctypes.CDLL(None, use_errno=True)
_AT_FDCWD = -100
_RENAME_EXCHANGE = 2

NEW, AGAIN, ASIDE, JOURNAL = "site", "again", "aside", "swap.json"
"""Entries of the staging folder: the new content, a second link of it, old entries that were moved away, the journal."""

_UNKNOWN = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV)
"""Error numbers of a system or file system that cannot exchange two paths."""


def exchange(one: Path, other: Path) -> None:
    """Exchange two paths in one step (renameat2(2), Linux 3.15).

    Raises:
        OSError: They cannot be exchanged.
    """
    # Python's `os` has no such call.
    call = getattr(_libc, "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one), None, str(other))


def flush(folder: Path) -> None:
    """Write the file system of a folder to disk (syncfs(2)): a rename may reach the disk before the content does.

    Raises:
        OSError: Some data could not be written.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        if _libc.syncfs(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(handle)


def swap(folder: Path, target: Path, parts: Collection[Path], *, at_once: bool) -> None:
    """Replace the content of `target`.

    Args:
        folder: The staging folder, on the file system of `target`; its entry `NEW` is the new content.
        target: The folder that people read.
        parts: The folders, relative to `target`, that are replaced except for hidden entries. Beside them, only entries of
            the same name are replaced.
        at_once: Whether to try it in one step.

    Raises:
        OSError: The content cannot be replaced; `target` is unchanged.
    """
    new = folder / NEW
    names = sorted(os.listdir(new))
    cleared = Path() in parts
    gone = [name for name in sorted(os.listdir(target)) if cleared and name not in names and not name.startswith(".")]
    (folder / ASIDE).mkdir()
    if at_once and _at_once(folder, target, parts, names, gone):
        return
    keep(target, new, parts, names)
    numbers = {name: _inode(new / name) for name in names}
    journal = folder / JOURNAL
    journal.write_text(json.dumps({"new": numbers, "gone": gone}), "utf-8")
    flush(folder)
    try:
        _fill(target, new, folder / ASIDE, numbers, gone)
    finally:
        # Before any clean-up: entries in a journal must be swapped only once.
        journal.unlink()


def finish(folder: Path, target: Path) -> None:
    """Finish a swap whose process died after some entries had been exchanged. Does nothing if none had.

    Raises:
        OSError: The swap cannot be finished.
    """
    try:
        content = json.loads((folder / JOURNAL).read_text("utf-8"))
    except (OSError, ValueError):
        return  # incomplete: nothing is moved before the journal is complete
    numbers = content["new"]
    if os.listdir(folder / ASIDE) or any(_inode(target / name) == number for name, number in numbers.items()):
        _fill(target, folder / NEW, folder / ASIDE, numbers, content["gone"])
    (folder / JOURNAL).unlink()


def keep(old: Path, new: Path, parts: Collection[Path], names: Collection[str] | None = None, within: Path = Path()) -> None:
    """Link the entries of the old tree that must stay into the new one. New entries win.

    These are the hidden entries of the folders `parts`, as in MkDocs, and all entries beside those folders.

    Args:
        old: The old tree, or the folder `within` of it.
        new: The new tree, or the same folder of it.
        parts: As for `swap`.
        names: The entries of `old` to consider; all by default.
        within: The folder, relative to the tree.

    Raises:
        OSError: An entry can neither be linked nor copied.
    """
    for name in sorted(os.listdir(old)):
        place = within / name
        if any(part == place or place in part.parents for part in parts):
            if (new / name).is_dir() and (old / name).is_dir():
                keep(old / name, new / name, parts, within=place)
        elif within in parts and not name.startswith("."):
            continue
        elif names is None or name in names:
            link(old / name, new / name)


def link(old: Path, new: Path) -> None:
    """Hard-link a file or a whole tree to another path. Existing entries stay.

    Raises:
        OSError: An entry can neither be linked nor copied.
    """
    if old.is_dir() and not old.is_symlink():
        fresh = not os.path.lexists(new)
        if fresh:
            new.mkdir()
        if new.is_dir() and not new.is_symlink():
            for name in os.listdir(old):
                link(old / name, new / name)
        if fresh:
            make_alike(old, new)
    elif not os.path.lexists(new):
        try:
            os.link(old, new, follow_symlinks=False)
        except OSError:
            # Some file systems have no hard links, others allow them only for one's own files.
            shutil.copy2(old, new, follow_symlinks=False)


def make_alike(old: Path, new: Path) -> None:
    """Give a folder the owner, group, rights and access lists of another, as far as allowed."""
    status = old.stat()
    for owner in (status.st_uid, -1):
        with contextlib.suppress(OSError):
            os.chown(new, owner, status.st_gid)
    shutil.copystat(old, new)


def _at_once(folder: Path, target: Path, parts: Collection[Path], names: Iterable[str], gone: Iterable[str]) -> bool:
    """Swap in one step. Return whether that was possible."""
    old = folder / NEW  # its path after the exchange
    try:
        keep(target, folder / NEW, parts)
        exchange(folder / NEW, target)
    except OSError:
        return False
    # The new site is in place. If the rest fails, the site is complete, but not in the original folder.
    with contextlib.suppress(OSError):
        again = folder / AGAIN
        again.mkdir()
        for name in names:
            link(target / name, again / name)
        _fill(old, again, folder / ASIDE, {name: _inode(again / name) for name in names}, gone)
        exchange(old, target)
    return True


def _fill(target: Path, source: Path, aside: Path, numbers: Mapping[str, int], gone: Iterable[str]) -> None:
    """Move entries of `source` into `target` and the old ones out of it, except those already moved.

    Args:
        target: The folder that gets the entries.
        source: The folder that has them.
        aside: The folder for old entries that cannot be exchanged with new ones.
        numbers: The inode number of each new entry, which distinguishes it from the old entry of the same name.
        gone: Old entries without a new one.

    Raises:
        OSError: An entry cannot be moved; all moves have been undone.
    """
    undo: list[Callable[[], None]] = []
    try:
        for name, number in numbers.items():
            if _inode(source / name) == number:
                _move(source / name, target / name, aside / name, undo)
        for name in gone:
            if os.path.lexists(target / name):
                _put_aside(target / name, aside / name, undo)
    except OSError:
        for back in reversed(undo):
            back()
        raise


def _move(new: Path, old: Path, aside: Path, undo: list[Callable[[], None]]) -> None:
    if os.path.lexists(old):
        try:
            exchange(new, old)
        except OSError as error:
            if error.errno not in _UNKNOWN:
                raise
            _put_aside(old, aside, undo)
        else:
            undo.append(partial(exchange, new, old))
            return
    _rename(new, old, undo)


def _put_aside(old: Path, aside: Path, undo: list[Callable[[], None]]) -> None:
    try:
        _rename(old, aside, undo)
    except OSError as error:
        if error.errno != errno.EXDEV or not _same_disk(aside.parent, old.parent):
            raise
        # A folder of a container's image (overlayfs) can be removed, but not renamed.
        shutil.rmtree(old)


def _same_disk(one: Path, other: Path) -> bool:
    """Check whether entries of one folder can be renamed into another."""
    probe = one / f".{os.getpid()}"
    probe.mkdir()
    try:
        os.rename(probe, other / probe.name)
        os.rename(other / probe.name, probe)
    except OSError:
        return False
    finally:
        probe.rmdir()
    return True


def _rename(one: Path, other: Path, undo: list[Callable[[], None]]) -> None:
    os.rename(one, other)
    undo.append(partial(os.rename, other, one))


def _inode(path: Path) -> int:
    """Return the inode number at a path; 0 if there is nothing."""
    try:
        return path.lstat().st_ino
    except FileNotFoundError:
        return 0
