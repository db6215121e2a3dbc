r"""Install a minimal Debian in a folder, run the README's two commands in it, and report the results.

::

    sudo .venv/bin/python scripts/fresh_machine.py /var/tmp/machine --suite trixie

The machine has only what the README asks for: python3, make and git. Its HOME and its store are empty; the project is a clone
of the last commit. The settings that the host needs to reach its mirrors are copied into the machine (`host_access`). Logs and
the report are in ``FOLDER.logs``.

Everything runs in separate namespaces (`unshare` of util-linux). When this script ends, even if it is killed, the kernel kills
the machine's processes and removes its mounts. The script never removes the machine: ``--again`` reuses it as it is,
``--empty-home`` with an empty HOME.

An Ubuntu machine needs ``--mirror`` and ``--keyring`` on a host that is not Ubuntu.

Exit codes: 0 every command exited with 0, 1 a command failed, 2 wrong use, 3 the host lacks something or the machine could not
be made, 128 + N ended by signal N.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import platform
import re
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from types import FrameType
from typing import NoReturn

# This script is run with the project's Python; the project's folder is on its path.
from host_access import UBUNTU, entries_of, masked, read_access, renamed
from machine import ROOT, Machine, NotMade, inside, mounted_below

from recipes.get.apt_sources import Entry, read_entries

FAILED, WRONG, LACKS = 1, 2, 3

COMMANDS = ("make site", "make test")
"""Commands that the README tells users to type."""
PROGRAMS = {
    "debootstrap": "debootstrap",
    "git": "git",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "pivot_root": "util-linux",
}
"""Programs that the host needs, and their packages."""


class Refused(Exception):
    """Error that prevents making or using the machine.

    Args:
        code: The exit code.
        message: The problem and its solution.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Ended(BaseException):
    """Signal that ends this script."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.number = number


def check_host(suite: str, mirror: str) -> None:
    """Check that this host can make a machine of a suite; if `suite` is "", that it can use an existing one.

    Raises:
        Refused: It cannot.
    """
    if os.geteuid() != 0:
        command = shlex.join(["sudo", sys.executable, *sys.argv])
        raise Refused(LACKS, f"this needs root, since it installs a system and mounts file systems in it; type\n  {command}")
    missing = {package for name, package in PROGRAMS.items() if shutil.which(name) is None and (suite or name != "debootstrap")}
    if missing:
        raise Refused(LACKS, f"programs are missing on this host; type\n  apt-get install {' '.join(sorted(missing))}")
    family = "ubuntu" if suite in UBUNTU else "debian"
    if suite and not mirror and platform.freedesktop_os_release().get("ID") != family:
        raise Refused(
            WRONG,
            f"this host's apt has no mirror for {suite}: name one with --mirror, and the archive's keyring with --keyring",
        )


def check_folder(folder: Path, again: bool) -> None:
    """Check that a folder may be used.

    Raises:
        Refused: It may not.
    """
    if ROOT.is_relative_to(folder) or folder.is_relative_to(ROOT):
        raise Refused(WRONG, f"one of {folder} and the project ({ROOT}) contains the other: name a folder elsewhere")
    if folder.exists() and not folder.is_dir():
        raise Refused(WRONG, f"{folder} is not a folder: name another one")
    entries = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if entries - {"lost+found"} and not again:
        raise Refused(WRONG, f"{folder} is not empty: name another folder, or reuse the machine in it with --again")
    if again and not {"etc", "usr", "root"} <= entries:
        raise Refused(WRONG, f"there is no machine in {folder}: make one with --suite instead of --again")
    if again and "debootstrap" in entries:
        raise Refused(
            WRONG,
            f"the machine in {folder} is incomplete: remove it (rm -r --one-file-system) "
            "and make it with --suite instead of --again",
        )
    mounts = mounted_below(folder, Path("/proc/self/mountinfo").read_text("utf-8", "replace"))
    if mounts:
        raise Refused(WRONG, f"there are mounts in {folder}; type\n  umount {shlex.join(reversed(mounts))}")
    processes = inside(folder) if entries else []
    if processes:
        raise Refused(WRONG, f"{folder} is in use by the processes {', '.join(map(str, processes))}: end them or wait for them")


def reserve(folder: Path) -> None:
    """Lock a folder until this script ends.

    Raises:
        Refused: Another run has the lock.
    """
    try:
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused(WRONG, f"{folder} is in use by another run of this script: wait for it, or name another folder") from None


def find_entries(options: argparse.Namespace) -> tuple[Entry, ...]:
    """Return the sources of the machine's apt.

    Raises:
        Refused: The host's apt has no entry for the host's own release.
    """
    if options.again:
        return tuple(read_entries(options.folder / "etc/apt"))
    if options.mirror:
        return entries_of(options.mirror, options.suite, options.keyring)
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    entries = renamed(read_entries(Path("/etc/apt")), codename, options.suite)
    if not entries or options.suite not in entries[0].suites:
        raise Refused(WRONG, "this host's apt has no entry for its own release: name the archive with --mirror")
    return entries


def arguments(words: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="folder of the machine: empty or not existing yet")
    parser.add_argument("--suite", default="", help="suite to install: bookworm, trixie, ...")
    parser.add_argument("--mirror", default="", help="the archive (default: that of this host's apt)")
    parser.add_argument("--keyring", default="", help="keyring of the archive (default: that of this host's apt)")
    parser.add_argument("--again", action="store_true", help="reuse an existing machine with the project's last commit")
    parser.add_argument("--empty-home", action="store_true", help="with --again: empty its HOME first, including the store")
    parser.add_argument("--only-make", action="store_true", help="make the machine and run nothing in it")
    parser.add_argument("--run", action="append", metavar="COMMAND", help="command to run instead of the two; repeatable")
    parser.add_argument("--logs", type=Path, help="folder of the logs and the report (default: FOLDER.logs)")
    options = parser.parse_args(words)
    if options.again == bool(options.suite):
        parser.error("name a --suite, or reuse an existing machine with --again")
    if options.keyring and not options.mirror:
        parser.error("--keyring needs --mirror: for the archive of this host's apt the keys are known")
    if options.keyring and not Path(options.keyring).is_file():
        parser.error(f"there is no file {options.keyring}: --keyring names the archive's keyring")
    options.keyring = os.path.abspath(options.keyring) if options.keyring else ""
    if options.empty_home and not options.again:
        parser.error("--empty-home needs --again: a new machine has an empty HOME")
    return options


def main(words: list[str]) -> int:
    """Make a machine, run the commands, print the report; return the exit code."""
    options = arguments(words)
    options.folder = options.folder.resolve()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        check_host(options.suite, options.mirror)
        check_folder(options.folder, options.again)
        return go(options)
    except Refused as error:
        print(f"fresh_machine: {error}", file=sys.stderr)
        return error.code
    except (NotMade, OSError, subprocess.CalledProcessError) as error:
        print(f"fresh_machine: {error}{incomplete_advice(options.folder)}", file=sys.stderr)
        return LACKS
    except Ended as error:
        print(f"fresh_machine: {error}; its processes and mounts are gone{incomplete_advice(options.folder)}", file=sys.stderr)
        return 128 + error.number


def incomplete_advice(folder: Path) -> str:
    """Return advice on a machine that debootstrap did not finish; "" for another machine."""
    return (
        f"\nbefore you try again: rm -r --one-file-system {shlex.quote(str(folder))}"
        if (folder / "debootstrap").exists()
        else ""
    )


def stop(number: int, _: FrameType | None) -> NoReturn:
    """Raise `Ended` for a signal; ignore further signals so that they do not disturb the cleanup."""
    for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise Ended(number)


def go(options: argparse.Namespace) -> int:
    """Make the machine or reuse the existing one, and run the commands in it; return the exit code."""
    folder: Path = options.folder
    logs: Path = (options.logs or folder.with_name(f"{folder.name}.logs")).resolve()
    for path in (folder, logs):
        path.mkdir(parents=True, exist_ok=True)
    reserve(folder)
    machine = Machine(folder, logs, read_access(find_entries(options)))
    if options.suite:
        print(f"making {options.suite} in {folder}, log in {logs}", flush=True)
        machine.make(options.suite)
        machine.settle()
    if options.empty_home:
        machine.empty_home()
    before = "empty" if machine.store_size() == 0 else "not empty"
    lines = [f"machine   {machine.system()} in {folder}", f"project   {machine.bring_project()}"]
    results = []
    for number, command in enumerate(() if options.only_make else options.run or COMMANDS, 1):
        name = f"{number}-{re.sub('[^a-z0-9]+', '-', command.lower()).strip('-')[:40]}"
        print(f"{command}: log in {logs / name}.log", flush=True)
        results.append(machine.run(command, name))
    for result in results:
        lines += result.lines()
    lines += [
        f"store     {machine.store_size() / 2**30:.1f} GiB, {before} at the start",
        "versions",
        *machine.versions(),
    ]
    report = masked("".join(f"{line}\n" for line in lines), machine.access.masks())
    (logs / "report.txt").write_text(report, "utf-8")
    print(report, end="")
    return FAILED if any(result.status for result in results) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
