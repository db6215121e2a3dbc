"""Putting a folder that is complete in the place of one that people read, by renames alone.

``renameat2(RENAME_EXCHANGE)`` has two folders change places in one step: there is no moment at which the path leads to neither, or to a mixture. That is done
twice. First the new folder takes the path. Then the old one, which nobody finds by its path any more, gets the new content, and takes the path back; so the
folder itself stays what it was: its owner and rights, a server that was started in it, a container that has it mounted.

Where that cannot be (a mount point, a parent that may not be written, a file system that does not know the call) the entries of the folder change places one after
the other, and a journal says which, so that whoever comes after a ``kill -9`` in between can finish it.
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
"""In the folder of a swap: the new content, the new content once more, old entries that were in the way, the journal."""

_UNKNOWN = (errno.EINVAL, errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV)
"""What a system says that does not know how to exchange these two."""


def exchange(one: Path, other: Path) -> None:
    """Have two paths change places in one step (renameat2(2), Linux 3.15).

    Raises:
        OSError: They cannot.
    """
    # Python's `os` has no such call.
    call = getattr(_libc, "renameat2", None)
    if call is None:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
    if call(_AT_FDCWD, os.fsencode(one), _AT_FDCWD, os.fsencode(other), _RENAME_EXCHANGE):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), str(one), None, str(other))


def flush(folder: Path) -> None:
    """Wait until the disk has what was written to the file system of a folder (syncfs(2)): a rename may reach it before the content does.

    Raises:
        OSError: Something could not be written.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        if _libc.syncfs(handle):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(handle)


def swap(folder: Path, target: Path, parts: Collection[Path], *, at_once: bool) -> None:
    """Have `target` hold the new content.

    Args:
        folder: The folder of the swap, on the file system of `target`; its entry `NEW` is the new content.
        target: The folder that people read.
        parts: The folders in it that are replaced but for hidden entries, relative to it; of what is beside them only what the new content has, too.
        at_once: Whether to try it in one step.

    Raises:
        OSError: It cannot be done; `target` is as it was.
    """
    new = folder / NEW
    names = sorted(os.listdir(new))
    cleared = Path() in parts
    gone = [name for name in sorted(os.listdir(target)) if cleared and name not in names and not name.startswith(".")]
    (folder / ASIDE).mkdir()
    if at_once and _at_once(folder, target, parts, names, gone):
        return
    keep(target, new, parts, names)
    numbers = {name: _number(new / name) for name in names}
    journal = folder / JOURNAL
    journal.write_text(json.dumps({"new": numbers, "gone": gone}), "utf-8")
    flush(folder)
    try:
        _fill(target, new, folder / ASIDE, numbers, gone)
    finally:
        # Before anything else goes: what a journal names is to be swapped once.
        journal.unlink()


def finish(folder: Path, target: Path) -> None:
    """Do what is left of a swap whose process died when some of the entries had changed places; if none had, there is nothing to do.

    Raises:
        OSError: It cannot be done.
    """
    try:
        told = json.loads((folder / JOURNAL).read_text("utf-8"))
    except (OSError, ValueError):
        return  # a journal is whole before anything is moved
    numbers = told["new"]
    if os.listdir(folder / ASIDE) or any(_number(target / name) == number for name, number in numbers.items()):
        _fill(target, folder / NEW, folder / ASIDE, numbers, told["gone"])
    (folder / JOURNAL).unlink()


def keep(old: Path, new: Path, parts: Collection[Path], names: Collection[str] | None = None, within: Path = Path()) -> None:
    """Link into a new tree what is to stay of the old one: in the folders `parts` what is hidden, as MkDocs spares it, beside them all. What is new wins.

    Args:
        old: The old tree, or the folder `within` of it.
        new: The same of the new one.
        parts: As for `swap`.
        names: The entries of `old` to look at; all if not given.
        within: Where in the tree this is.

    Raises:
        OSError: Something cannot be linked, nor copied.
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
    """Link a file or a whole tree to another place, where what is there already stays.

    Raises:
        OSError: Something can neither be linked nor copied.
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
            # Some file systems have no links, and on others a file must be one's own.
            shutil.copy2(old, new, follow_symlinks=False)


def make_alike(old: Path, new: Path) -> None:
    """Give a folder the owner, group, rights and access lists of another, as far as that is allowed."""
    told = old.stat()
    for owner in (told.st_uid, -1):
        with contextlib.suppress(OSError):
            os.chown(new, owner, told.st_gid)
    shutil.copystat(old, new)


def _at_once(folder: Path, target: Path, parts: Collection[Path], names: Iterable[str], gone: Iterable[str]) -> bool:
    """Swap in one step; whether that was possible."""
    old = folder / NEW  # under this name it is from the exchange on
    try:
        keep(target, folder / NEW, parts)
        exchange(folder / NEW, target)
    except OSError:
        return False
    # The site is the new one. If anything of the rest fails it is so in another folder than before.
    with contextlib.suppress(OSError):
        again = folder / AGAIN
        again.mkdir()
        for name in names:
            link(target / name, again / name)
        _fill(old, again, folder / ASIDE, {name: _number(again / name) for name in names}, gone)
        exchange(old, target)
    return True


def _fill(target: Path, source: Path, aside: Path, numbers: Mapping[str, int], gone: Iterable[str]) -> None:
    """Move entries of `source` into `target` and the old ones out of it, as far as that is not done.

    Args:
        target: The folder that gets them.
        source: Where they are.
        aside: Where old entries go that cannot change places with new ones.
        numbers: Number (inode) of each new entry, which tells it from the old one of its name.
        gone: Old entries without a new one.

    Raises:
        OSError: One cannot be moved; all are back where they were.
    """
    undo: list[Callable[[], None]] = []
    try:
        for name, number in numbers.items():
            if _number(source / name) == number:
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
        if error.errno != errno.EXDEV or not _one_disk(aside.parent, old.parent):
            raise
        # A folder that a container's image brought along (overlayfs) cannot be renamed there, only removed.
        shutil.rmtree(old)


def _one_disk(one: Path, other: Path) -> bool:
    """Whether what is in one folder can be moved to another."""
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


def _number(path: Path) -> int:
    """The number (inode) of what is at a path, 0 if nothing is."""
    try:
        return path.lstat().st_ino
    except FileNotFoundError:
        return 0
