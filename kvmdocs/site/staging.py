"""Where a site is made while the old one is still read: a folder beside it, which takes its place at the very end.

Such a folder is called ``.kvmdocs-NAME-PID-…`` and is locked (flock) by the build that makes it, so that the next build tells what a dead one left, which it
removes, from what another one is busy with, also where the two are in containers and know nothing of each other's processes.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kvmdocs.core.errors import Evidence, HostLacks
from kvmdocs.execution.run_dirs import defer_sigint, maker_is_gone
from kvmdocs.site.layout import SiteLayout, check, real
from kvmdocs.site.swap import NEW, finish, flush, make_alike, swap

PREFIX = ".kvmdocs-"
PATIENCE = 60.0
"""Seconds to wait for another build that is just swapping."""
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
"""What an `OSError` says that is about the disk and not about the file."""


@dataclass(frozen=True)
class Stage:
    """A site that is being made.

    Attributes:
        layout: Where its languages are.
        target: The folder that it will be; links are followed.
        folder: The folder in which it is made.
        at_once: Whether it may take the place of the old one in one step.
    """

    layout: SiteLayout
    target: Path
    folder: Path
    at_once: bool

    @property
    def site(self) -> Path:
        """The new site's folder until it is published."""
        return self.folder / NEW

    def later(self, path: Path) -> Path:
        """The path that a file of the new site will have."""
        return self.layout.output / path.relative_to(self.site)

    def publish(self) -> None:
        """Have the new site take the place of the old one.

        Raises:
            OSError: It cannot; the old one is as it was.
            HostLacks: Another build swaps and does not come to an end.
        """
        flush(self.folder)
        if not self.target.exists():
            with contextlib.suppress(OSError):  # another build may have made one meanwhile
                os.rename(self.site, self.target)
                return
        with _locked(self.target), _locked(self.site), defer_sigint():
            # A swap that is not finished would be finished on top of this one.
            _sweep_site(self.target)
            swap(self.folder, self.target, self.layout.parts.values(), at_once=self.at_once)


@contextlib.contextmanager
def stage(layout: SiteLayout) -> Iterator[Stage]:
    """Begin a site: nothing of the old one is touched before `Stage.publish`, and whatever is not published goes.

    Raises:
        SettingError: The site cannot go where it is told to.
        HostLacks: That cannot be written.
    """
    target = real(layout)
    missing = [folder for folder in target.parents if not folder.exists()]
    with contextlib.ExitStack() as stack:
        try:
            mounts = check(layout)
            for folder in reversed(missing):
                folder.mkdir()
                stack.callback(_remove_empty, folder)
            if target.is_dir():
                _see_to_rights(layout, target)
                with _locked(target):
                    _sweep_site(target)
            else:
                _sweep_site(target)
            folder = _beside_or_in(target, stack, inside=target in mounts)
            _prepare(layout, target, folder / NEW)
            yield Stage(layout, target, folder, at_once=folder.parent != target and not mounts)
        except OSError as error:
            about = Path(str(error.filename or ""))
            if error.errno in FULL or PREFIX in str(about) or about.is_relative_to(target) or about in target.parents:
                raise HostLacks(
                    f"the site {layout.output} cannot be written: {error.strerror}; it is as it was",
                    Evidence(advice="free space or rights there, or let --output name another folder"),
                ) from error
            raise


@contextlib.contextmanager
def scratch(parent: Path, name: str) -> Iterator[Path]:
    """A folder in `parent` for what is made and not kept. It goes in the end, also when this process is told to end (SIGTERM, SIGHUP).

    Raises:
        OSError: It cannot be made.
    """
    with _ending_in_order():
        while True:
            folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-{os.getpid()}-", dir=parent))
            handle = _hold(folder)
            if handle is not None:
                break  # else it was taken for a dead one's in the moment before it was locked
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def sweep(parent: Path, name: str, target: Path | None = None) -> None:
    """Remove what dead builds left of their scratch folders in `parent`.

    Args:
        parent: The folder.
        name: The name of the scratch folders.
        target: The site whose swap a dead one may have begun: that is finished before. The caller holds its lock.

    Raises:
        OSError: A swap cannot be finished.
    """
    pattern = re.compile(rf"{re.escape(f'{PREFIX}{name}')}-\d+-\w{{8}}")
    try:
        left = [parent / entry.name for entry in os.scandir(parent) if pattern.fullmatch(entry.name)]
    except OSError:
        return  # it is not there, or may be used and not looked into
    for entry in left:
        handle = _hold(entry)
        if handle is None:
            continue
        try:
            if target is not None:
                finish(entry, target)
            shutil.rmtree(entry, ignore_errors=True)
        finally:
            os.close(handle)


def _sweep_site(target: Path) -> None:
    sweep(target.parent, target.name, target)
    sweep(target, target.name, target)


def _beside_or_in(target: Path, stack: contextlib.ExitStack, *, inside: bool) -> Path:
    """A scratch folder beside `target`, or in it where that is a disk of its own or its parent may not be written."""
    if not inside:
        try:
            return stack.enter_context(scratch(target.parent, target.name))
        except OSError:
            if not target.is_dir():
                raise
    return stack.enter_context(scratch(target, target.name))


def _see_to_rights(layout: SiteLayout, target: Path) -> None:
    """See that the folders which are to be swapped may be written: it would come out after all recipes have run."""
    for place in (target, *(target / part for part in layout.parts.values())):
        if place.is_dir() and not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))


def _prepare(layout: SiteLayout, target: Path, site: Path) -> None:
    """The empty folders of a new site, with owner, group and rights of the old ones: what is made in them may take these over."""
    site.mkdir()
    for part in sorted(layout.parts.values()):
        for place in reversed([part, *part.parents]):
            (site / place).mkdir(exist_ok=True)
            if (target / place).is_dir():
                make_alike(target / place, site / place)


def _remove_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _hold(folder: Path) -> int | None:
    """A descriptor that holds the lock of a scratch folder; None when another process has it, or the folder is gone or is another user's."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        if _lock(handle, folder) and os.path.samestat(os.fstat(handle), folder.stat()):
            return handle
    except FileNotFoundError:
        pass
    os.close(handle)
    return None


def _lock(handle: int, folder: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Not every file system over a network has locks; there the number in the name must do.
        maker = folder.name.split("-")[-2]
        return int(maker) == os.getpid() or maker_is_gone(f"{maker}-")
    return True


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder that is at a path.

    Raises:
        HostLacks: Another program holds it and does not let go.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            if time.monotonic() > deadline:
                raise HostLacks(
                    f"another program has held the lock of {folder} for {PATIENCE:.0f} s; the site is as it was",
                    Evidence(advice=f"see which (`lsof +d {folder}`), and build again when it has ended"),
                ) from None
            time.sleep(0.05)
            continue
        except OSError:
            pass  # no locks on this file system: two builds must not end in the same moment there
        # While this waited another build may have swapped it for a new one.
        if os.path.samestat(os.fstat(handle), os.stat(folder)):
            break
        os.close(handle)
    try:
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _ending_in_order() -> Iterator[None]:
    """Have SIGTERM and SIGHUP end this process by an exception, which lets go of what is held, unless somebody has other plans with them."""

    def end(number: int, _frame: Any) -> None:
        sys.exit(128 + number)

    ours = [number for number in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(number) is signal.SIG_DFL]
    if threading.current_thread() is not threading.main_thread():
        ours = []
    for number in ours:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in ours:
            signal.signal(number, signal.SIG_DFL)
