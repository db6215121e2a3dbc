"""Make a machine in a folder with debootstrap, and run commands in it of which nothing stays: no process, nothing mounted."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
from host_access import UBUNTU, Access, masked
from machine_report import Done

ROOT = Path(__file__).resolve().parent.parent

PACKAGES = ("ca-certificates", "python3", "python3-venv", "make", "git")
"""What the README asks for, and what pip and git need to trust a server."""

ALONE = shlex.split("setpriv --pdeathsig KILL unshare --mount --pid --ipc --fork --kill-child=KILL --mount-proc")
"""Run a command whose processes and mounts end with it, and which ends with this script."""

ENTER = """
set -e
export PATH=/usr/sbin:/usr/bin:/sbin:/bin
machine=$1 command=$2 count=$3
shift 3
mount --bind "$machine" "$machine"
cd "$machine"
mount -t proc proc proc
mount --rbind /dev dev
mount -t tmpfs -o mode=1777 tmpfs dev/shm
mount --rbind /sys sys
for ((; count; count--)); do mkdir -p ".$1"; mount -o bind,ro "$1" ".$1"; shift; done
pivot_root . mnt
cd /
umount -l /mnt
umask 022
exec env -i --default-signal "$@" bash -c 'cd; cd handbook 2>/dev/null; bash -c "$0"; exit "$?"' "$command"
"""
"""Enter a machine. A changed root is one that its programs can make namespaces in, as on a machine of its own; below chroot(2) they could not. The outer bash
of the last line is there to collect orphans."""

VERSIONS = """
for program in python3 gcc gdb qemu-system-x86_64 chromium; do
    type -P $program >/dev/null && printf '  %-18s %s\\n' $program "$($program --version 2>/dev/null | head -n 1)"
done
"""


class NotMade(Exception):
    """A machine could not be made; the message has what was printed last."""


@dataclass(frozen=True)
class Machine:
    """A machine in a folder.

    Attributes:
        path: The folder.
        logs: Where what its commands print is kept.
        access: How it reaches what it installs.
    """

    path: Path
    logs: Path
    access: Access

    @property
    def home(self) -> Path:
        """Its HOME."""
        return self.path / "root"

    @property
    def clone(self) -> Path:
        """The project in it."""
        return self.home / "handbook"

    def make(self, suite: str) -> None:
        """Make it with debootstrap.

        Raises:
            NotMade: It could not be made.
        """
        # debootstrap reads no keys in ASCII, as apt does; its own are taken then.
        keys = [f"--keyring={path}" for path in self.access.keyrings[:1] if not path.endswith(".asc")]
        chosen = [f"--include={','.join(PACKAGES)}", f"--components={','.join(self.access.entries[0].components)}"]
        command = ["debootstrap", "--variant=minbase", *chosen, *keys, suite, str(self.path), self.access.mirror]
        if suite in UBUNTU:
            # A suite newer than the host's debootstrap is made as those before it.
            command.append("gutsy")
        self._must("debootstrap", command)

    def settle(self) -> None:
        """Let it reach the mirrors."""
        self.access.install(self.path)
        self._must("certificates", self._entering("update-ca-certificates"))

    def system(self) -> str:
        """Its name, as it gives it itself."""
        named = re.search(r'^PRETTY_NAME="?([^"\n]*)', (self.path / "etc/os-release").read_text("utf-8"), re.MULTILINE)
        # Debian has its point release here, Ubuntu the name of a Debian.
        version = (self.path / "etc/debian_version").read_text("utf-8").strip()
        return f"{named[1] if named else 'a system without a name'}{f', {version}' if version[:1].isdigit() else ''}"

    def empty_home(self) -> None:
        """Remove what is in its HOME; what is mounted below is not touched."""
        for path in self.home.iterdir():
            subprocess.run(["rm", "-rf", "--one-file-system", "--", path], check=True)

    def bring_project(self) -> str:
        """Clone the project into it, or bring the clone to the project's last commit; returns that commit."""
        git = ["git", "-C", str(self.clone)]
        if self.clone.exists():
            self._must("git", [*git, "fetch", "--quiet", str(ROOT), "HEAD"])
            self._must("git", [*git, "checkout", "--quiet", "--detach", "FETCH_HEAD"])
        else:
            self._must("git", ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(self.clone)])
        return subprocess.run([*git, "log", "-1", "--format=%h %s"], capture_output=True, text=True, check=True).stdout.strip()

    def run(self, command: str, name: str) -> Done:
        """Run a command in it, in the project's folder; what it prints is in ``NAME.log``."""
        began = time.monotonic()
        status = run(self._entering(command), self.logs / f"{name}.log", self.access.masks())
        return Done(command, status, time.monotonic() - began, (self.logs / f"{name}.log").read_text("utf-8"))

    def versions(self) -> list[str]:
        """The versions found in it: of programs, and of the sources in its store."""
        lines = self.run(VERSIONS, "versions").output.splitlines()
        trees = {
            path.name
            for path in self.home.glob(".cache/kvmdocs/v*/work/*/*")
            if re.fullmatch(r"(qemu|linux)-\d[^/]*", path.name)
        }
        return lines + [f"  {'source':<18} {name}" for name in sorted(trees)]

    def store_size(self) -> int:
        """What its store takes of the disk, in bytes."""
        done = subprocess.run(["du", "-s", "-B1", self.home / ".cache/kvmdocs"], capture_output=True, text=True, check=False)
        return int(done.stdout.split()[0]) if done.returncode == 0 else 0

    def _entering(self, command: str) -> list[str]:
        folders = self.access.folders
        environ = ["HOME=/root", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8", "YES=1"]
        environ += [f"{name}={value}" for name, value in self.access.proxies.items()]
        return ["bash", "-c", ENTER, "enter", str(self.path), command, str(len(folders)), *folders, *environ]

    def _must(self, name: str, command: list[str]) -> None:
        log = self.logs / f"{name}.log"
        status = run(command, log, self.access.masks())
        if status:
            tail = "\n  ".join(log.read_text("utf-8").splitlines()[-15:])
            raise NotMade(f"`{name}` ended with status {status}, log in {log}:\n  {tail}")


def run(command: list[str], log: Path, masks: Mapping[str, str]) -> int:
    """Run a command in namespaces of its own, its output masked in a file; returns its exit status, and leaves nothing of it behind."""
    command = [*ALONE, *command]
    none, pipe, same = subprocess.DEVNULL, subprocess.PIPE, subprocess.STDOUT
    with (
        open(log, "w", encoding="utf-8") as file,
        subprocess.Popen(command, stdin=none, stdout=pipe, stderr=same, start_new_session=True) as process,
    ):
        try:
            for line in process.stdout or ():
                file.write(masked(line.decode("utf-8", "replace"), masks))
                file.flush()
            return process.wait()
        finally:
            end(process)


def end(process: subprocess.Popen[bytes]) -> None:
    """End what `run` started: with the first process of a namespace all others die, before its parent sees its end."""
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            outer = psutil.Process(process.pid)
            for victim in outer.children() or [outer]:
                victim.kill()
        time.sleep(0.05)


def inside(machine: Path) -> list[int]:
    """The processes whose root is a machine's."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.path.samefile(entry / "root", machine):
                found.append(int(entry.name))
        except OSError:
            continue
    return found


def mounted_below(folder: Path, mountinfo: str) -> list[str]:
    """What is mounted below a folder, in the form of /proc/self/mountinfo (proc(5))."""
    points = (re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), line.split()[4]) for line in mountinfo.splitlines())
    return [point for point in points if folder in Path(point).parents]
