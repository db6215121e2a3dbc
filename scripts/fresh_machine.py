r"""Make a minimal Debian in a folder, run the README's two commands in it, and say what came of it.

::

    sudo .venv/bin/python scripts/fresh_machine.py /var/tmp/machine --suite trixie

The machine has what the README asks for and nothing else: python3, make and git. Its HOME is empty and so is its store; the project is a clone of the
last commit. What the host needs to reach its mirrors (`host_access`) is copied into it. Logs and the report are kept in ``FOLDER.logs``.

Everything runs in namespaces of its own (`unshare` of util-linux): when this script ends, in whatever way, the kernel ends what runs in the machine and
unmounts what was mounted for it. The machine stays; nothing here removes it. ``--again`` uses it again as it is, ``--empty-home`` with a new HOME.

A machine of Ubuntu needs ``--mirror`` and ``--keyring`` on a host that is none.

Exit codes: 0 every command ended with 0, 1 one did not, 2 wrong use, 3 the host lacks something or no machine could be made, 128 and more a signal's.
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
"""What the README says to type."""
PROGRAMS = {
    "debootstrap": "debootstrap",
    "git": "git",
    "unshare": "util-linux",
    "setpriv": "util-linux",
    "pivot_root": "util-linux",
}
"""The host's programs that are needed, and their packages."""


class Refused(Exception):
    """The machine cannot be made or used.

    Args:
        code: The exit code.
        message: What is wrong and what to do.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


class Ended(BaseException):
    """A signal ended this script."""

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.number = number


def check_host(suite: str, mirror: str) -> None:
    """See that this host can make a machine of a suite, or use one if that is "".

    Raises:
        Refused: It cannot.
    """
    if os.geteuid() != 0:
        typed = shlex.join(["sudo", sys.executable, *sys.argv])
        raise Refused(LACKS, f"this needs root, for it installs a system and mounts in it; type\n  {typed}")
    lacking = {package for name, package in PROGRAMS.items() if shutil.which(name) is None and (suite or name != "debootstrap")}
    if lacking:
        raise Refused(LACKS, f"programs are missing on this host; type\n  apt-get install {' '.join(sorted(lacking))}")
    family = "ubuntu" if suite in UBUNTU else "debian"
    if suite and not mirror and platform.freedesktop_os_release().get("ID") != family:
        raise Refused(
            WRONG,
            f"this host's apt has no mirror for {suite}: name one with --mirror, and the keys of its archive with --keyring",
        )


def check_folder(folder: Path, again: bool) -> None:
    """See that a folder may be used.

    Raises:
        Refused: It may not.
    """
    if ROOT.is_relative_to(folder) or folder.is_relative_to(ROOT):
        raise Refused(WRONG, f"{folder} and the project ({ROOT}) lie in each other: name a folder elsewhere")
    if folder.exists() and not folder.is_dir():
        raise Refused(WRONG, f"{folder} is no folder: name another one")
    entries = {path.name for path in folder.iterdir()} if folder.exists() else set()
    if entries - {"lost+found"} and not again:
        raise Refused(WRONG, f"{folder} is not empty: name another folder, or use the machine that is there with --again")
    if again and not {"etc", "usr", "root"} <= entries:
        raise Refused(WRONG, f"there is no machine in {folder}: make one with --suite in place of --again")
    if again and "debootstrap" in entries:
        raise Refused(
            WRONG,
            f"the machine in {folder} was not finished: remove it (rm -r --one-file-system) and make it with --suite in place of --again",
        )
    mounts = mounted_below(folder, Path("/proc/self/mountinfo").read_text("utf-8", "replace"))
    if mounts:
        raise Refused(WRONG, f"something is mounted in {folder}; type\n  umount {shlex.join(reversed(mounts))}")
    processes = inside(folder) if entries else []
    if processes:
        raise Refused(WRONG, f"{folder} is in use by the processes {', '.join(map(str, processes))}: end them or wait for them")


def reserve(folder: Path) -> None:
    """Keep others from using a folder as long as this script runs.

    Raises:
        Refused: Another one is at it.
    """
    try:
        fcntl.flock(os.open(folder, os.O_RDONLY), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Refused(WRONG, f"{folder} is in use by another run of this script: wait for it, or name another folder") from None


def find_entries(chosen: argparse.Namespace) -> tuple[Entry, ...]:
    """Where the machine's apt gets its packages from.

    Raises:
        Refused: The host's apt has no entry of its own release.
    """
    if chosen.again:
        return tuple(read_entries(chosen.folder / "etc/apt"))
    if chosen.mirror:
        return entries_of(chosen.mirror, chosen.suite, chosen.keyring)
    codename = platform.freedesktop_os_release().get("VERSION_CODENAME", "")
    found = renamed(read_entries(Path("/etc/apt")), codename, chosen.suite)
    if not found or chosen.suite not in found[0].suites:
        raise Refused(WRONG, "this host's apt has no entry for its own release: name the archive with --mirror")
    return found


def arguments(words: list[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folder", type=Path, help="where the machine is made: a folder that is empty or not there")
    parser.add_argument("--suite", default="", help="what is installed: bookworm, trixie, ...")
    parser.add_argument("--mirror", default="", help="the archive; the one of this host's own apt if not given")
    parser.add_argument("--keyring", default="", help="the keys of the archive; those of this host's apt if not given")
    parser.add_argument(
        "--again", action="store_true", help="use the machine that is there, as it is, with the project's last commit"
    )
    parser.add_argument("--empty-home", action="store_true", help="with --again: remove its HOME first, and with it the store")
    parser.add_argument("--only-make", action="store_true", help="make the machine and run nothing in it")
    parser.add_argument(
        "--run", action="append", metavar="COMMAND", help="run this in place of the two commands; may be given again"
    )
    parser.add_argument("--logs", type=Path, help="where logs and the report are kept; FOLDER.logs if not given")
    chosen = parser.parse_args(words)
    if chosen.again == bool(chosen.suite):
        parser.error("name a --suite, or take the machine that is there with --again")
    if chosen.keyring and not chosen.mirror:
        parser.error("--keyring is for --mirror: an archive of this host's apt has its keys")
    if chosen.keyring and not Path(chosen.keyring).is_file():
        parser.error(f"there is no file {chosen.keyring}: --keyring names the keys of the archive")
    chosen.keyring = os.path.abspath(chosen.keyring) if chosen.keyring else ""
    if chosen.empty_home and not chosen.again:
        parser.error("--empty-home is for --again: a new machine has an empty HOME")
    return chosen


def main(words: list[str]) -> int:
    """Make a machine, run the commands, tell what came of it; returns the exit code."""
    chosen = arguments(words)
    chosen.folder = chosen.folder.resolve()
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        check_host(chosen.suite, chosen.mirror)
        check_folder(chosen.folder, chosen.again)
        return go(chosen)
    except Refused as error:
        print(f"fresh_machine: {error}", file=sys.stderr)
        return error.code
    except (NotMade, OSError, subprocess.CalledProcessError) as error:
        print(f"fresh_machine: {error}{unfinished(chosen.folder)}", file=sys.stderr)
        return LACKS
    except Ended as error:
        print(f"fresh_machine: {error}; nothing of it runs or is mounted any more{unfinished(chosen.folder)}", file=sys.stderr)
        return 128 + error.number


def unfinished(folder: Path) -> str:
    """The advice on a machine that debootstrap did not finish; "" on another."""
    return (
        f"\nbefore the next try: rm -r --one-file-system {shlex.quote(str(folder))}"
        if (folder / "debootstrap").exists()
        else ""
    )


def stop(number: int, _: FrameType | None) -> NoReturn:
    """End this script because of a signal; what follows it is let be, so that nothing disturbs the end."""
    for other in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(other, signal.SIG_IGN)
    raise Ended(number)


def go(chosen: argparse.Namespace) -> int:
    """Make the machine or take the one that is there, and run the commands in it; returns the exit code."""
    folder: Path = chosen.folder
    logs: Path = (chosen.logs or folder.with_name(f"{folder.name}.logs")).resolve()
    for path in (folder, logs):
        path.mkdir(parents=True, exist_ok=True)
    reserve(folder)
    machine = Machine(folder, logs, read_access(find_entries(chosen)))
    if chosen.suite:
        print(f"making {chosen.suite} in {folder}, log in {logs}", flush=True)
        machine.make(chosen.suite)
        machine.settle()
    if chosen.empty_home:
        machine.empty_home()
    began_with = "empty" if machine.store_size() == 0 else "not empty"
    lines = [f"machine   {machine.system()} in {folder}", f"project   {machine.bring_project()}"]
    done = []
    for number, command in enumerate(() if chosen.only_make else chosen.run or COMMANDS, 1):
        name = f"{number}-{re.sub('[^a-z0-9]+', '-', command.lower()).strip('-')[:40]}"
        print(f"{command}: log in {logs / name}.log", flush=True)
        done.append(machine.run(command, name))
    for one in done:
        lines += one.lines()
    lines += [
        f"store     {machine.store_size() / 2**30:.1f} GiB, {began_with} at the beginning",
        "versions",
        *machine.versions(),
    ]
    report = masked("".join(f"{line}\n" for line in lines), machine.access.masks())
    (logs / "report.txt").write_text(report, "utf-8")
    print(report, end="")
    return FAILED if any(one.status for one in done) else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
