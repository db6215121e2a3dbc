"""Staging folder: a new site is built beside the old one, which is read until the new one takes its place at the end.

The folder is called ``.kvmdocs-NAME-PID-…``. The build that creates it holds its lock (flock(2)), so that the next build
can tell the folder of a dead build, which it removes, from one in use, even if the builds run in containers that do not see
each other's processes.
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
"""Seconds to wait for another build that is replacing the site."""
DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG)
"""Error numbers of an `OSError` about the disk and not about one file."""
_ADVICE = {
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), "free disk space there"),
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), "get the right to write there"),
    **dict.fromkeys((errno.ENOTDIR, errno.EEXIST), "move the file {} away"),
    errno.ENAMETOOLONG: "use a shorter name",
}
"""Advice about an error number, with a place for the path that it is about."""


@dataclass(frozen=True)
class Stage:
    """Site that is being built.

    Attributes:
        layout: The folders of the site and its languages.
        target: The final folder of the site, with links resolved.
        folder: The staging folder.
        at_once: Whether the site may replace the old one in one step.
    """

    layout: SiteLayout
    target: Path
    folder: Path
    at_once: bool

    @property
    def site(self) -> Path:
        """The folder of the new site until it is published."""
        return self.folder / NEW

    def later(self, path: Path) -> Path:
        """Return the path that a file of the new site will have."""
        return self.layout.output / path.relative_to(self.site)

    def publish(self) -> None:
        """Replace the old site by the new one.

        Raises:
            OSError: It cannot be replaced; the old site is unchanged.
            HostLacks: Another build holds the lock of the site for too long.
        """
        flush(self.folder)
        if not self.target.exists():
            with contextlib.suppress(OSError):  # another build may have created it meanwhile
                os.rename(self.site, self.target)
                return
        with _locked(self.target), _locked(self.site), defer_sigint():
            # Finish an interrupted swap first: done later, it would overwrite this site.
            _sweep_site(self.target)
            swap(self.folder, self.target, self.layout.parts.values(), at_once=self.at_once)


@contextlib.contextmanager
def stage(layout: SiteLayout) -> Iterator[Stage]:
    """Create the staging folder of a site, and remove it at the end. The old site is untouched until `Stage.publish`.

    Raises:
        SettingError: The site's folder is not suitable.
        HostLacks: The site's folder cannot be written, or a file that the build needs cannot be read or written.
    """
    target = real(layout)
    with contextlib.ExitStack() as stack:
        try:
            mounts = check(layout)
            missing = [folder for folder in target.parents if not folder.exists()]
            for folder in reversed(missing):
                folder.mkdir()
                stack.callback(_remove_empty, folder)
            if target.is_dir():
                _check_rights(layout, target)
                with _locked(target):
                    _sweep_site(target)
            else:
                _sweep_site(target)
            folder = _beside_or_in(target, stack, inside=target in mounts)
            _prepare(layout, target, folder / NEW)
            yield Stage(layout, target, folder, at_once=folder.parent != target and not mounts)
        except OSError as error:
            if (lacks := _host_lacks(error, layout, target)) is None:
                raise
            raise lacks from error


def _host_lacks(error: OSError, layout: SiteLayout, target: Path) -> HostLacks | None:
    """Return an error that says what to do about an `OSError`; None if it is not about the disk or a file."""
    # A copy has two file names; a file descriptor is none.
    paths = [Path(os.fsdecode(name)) for name in (error.filename, error.filename2) if name and not isinstance(name, int)]
    ours = [path for path in paths if PREFIX in str(path) or path.is_relative_to(target) or path in target.parents]
    if paths and not ours:
        advice = f"check that {paths[0]} exists and may be read or written, and build again"
        return HostLacks(f"{paths[0]}: {error.strerror}; the site is as it was", Evidence(advice=advice))
    if not paths and error.errno not in DISK_ERRORS:
        return None
    path = ours[0] if ours else target
    while error.errno in {errno.ENOTDIR, errno.EEXIST} and path.parent.is_file():
        path = path.parent
    advice = _ADVICE.get(error.errno or 0, "free space or rights there").format(path)
    return HostLacks(
        f"the site {layout.output} cannot be written: {error.strerror}; it is as it was",
        Evidence(advice=f"{advice}, or let --output name another folder"),
    )


@contextlib.contextmanager
def scratch(parent: Path, name: str) -> Iterator[Path]:
    """Create a temporary folder in `parent`. It is removed at the end, and also on SIGTERM and SIGHUP.

    Raises:
        OSError: It cannot be created.
    """
    with _exit_on_signals():
        while True:
            folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{name}-{os.getpid()}-", dir=parent))
            handle = _hold(folder)
            if handle is not None:
                break  # else another build took it for an abandoned one before it was locked
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(handle)


def sweep(parent: Path, name: str, target: Path | None = None) -> None:
    """Remove the temporary folders that dead builds left in `parent`.

    Args:
        parent: The folder.
        name: The name that was given to `scratch`.
        target: The site that a dead build may have been replacing, which is finished first. The caller holds its lock.

    Raises:
        OSError: The replacement cannot be finished.
    """
    pattern = re.compile(rf"{re.escape(f'{PREFIX}{name}')}-\d+-\w{{8}}")
    try:
        abandoned = [parent / entry.name for entry in os.scandir(parent) if pattern.fullmatch(entry.name)]
    except OSError:
        return  # it does not exist, or may not be listed
    for entry in abandoned:
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
    """Create the staging folder beside `target`, or in it if it is a mount point or its parent cannot be written."""
    if not inside:
        try:
            return stack.enter_context(scratch(target.parent, target.name))
        except OSError:
            if not target.is_dir():
                raise
    return stack.enter_context(scratch(target, target.name))


def _check_rights(layout: SiteLayout, target: Path) -> None:
    """Check the rights to write the folders that will be replaced, before all recipes run."""
    for place in (target, *(target / part for part in layout.parts.values())):
        if place.is_dir() and not os.access(place, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))


def _prepare(layout: SiteLayout, target: Path, site: Path) -> None:
    """Create the empty folders of a new site with owner, group and rights of the old ones, which new files may inherit."""
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
    """Return a descriptor that holds the lock of a temporary folder; None if it is locked, gone or another user's."""
    try:
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    with contextlib.suppress(FileNotFoundError):
        if _lock(handle, folder) and os.path.samestat(os.fstat(handle), folder.stat()):
            return handle
    os.close(handle)
    return None


def _lock(handle: int, folder: Path) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        # Some network file systems have no locks: decide by the process ID in the name.
        pid = folder.name.split("-")[-2]
        return int(pid) == os.getpid() or maker_is_gone(f"{pid}-")
    return True


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of the folder at a path.

    Raises:
        HostLacks: Another program holds it for longer than `PATIENCE`.
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
                    Evidence(advice=f"find it (`lsof +d {folder}`), and build again when it has ended"),
                ) from None
            time.sleep(0.05)
            continue
        except OSError:
            pass  # a file system without locks: two builds must not end at the same moment
        # Another build may have replaced the folder meanwhile.
        if os.path.samestat(os.fstat(handle), os.stat(folder)):
            break
        os.close(handle)
    try:
        yield
    finally:
        os.close(handle)


@contextlib.contextmanager
def _exit_on_signals() -> Iterator[None]:
    """Exit by `SystemExit` on SIGTERM and SIGHUP, so that resources are released, unless the signal has another handler."""

    def leave(number: int, _frame: Any) -> None:
        sys.exit(128 + number)

    main = threading.current_thread() is threading.main_thread()  # other threads may not set handlers
    signals = [number for number in (signal.SIGTERM, signal.SIGHUP) if main and signal.getsignal(number) is signal.SIG_DFL]
    for number in signals:
        signal.signal(number, leave)
    try:
        yield
    finally:
        for number in signals:
            signal.signal(number, signal.SIG_DFL)
