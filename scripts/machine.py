"""A machine in a folder, made with debootstrap. A command in it leaves no process and no mount behind."""

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
"""Packages that the README asks for, and the certificates that pip and git need."""

ALONE = shlex.split("setpriv --pdeathsig KILL unshare --mount --pid --ipc --fork --kill-child=KILL --mount-proc")
"""Prefix that runs a command in new namespaces: its processes and mounts end with it, and it ends with this script."""

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
"""Script that enters a machine. It uses pivot_root(2), since programs below chroot(2) cannot create user namespaces. The outer
bash of the last line reaps orphans."""

VERSIONS = """
for program in python3 gcc gdb qemu-system-x86_64 chromium; do
    type -P $program >/dev/null && printf '  %-18s %s\\n' $program "$($program --version 2>/dev/null | head -n 1)"
done
"""


class NotMade(Exception):
    """Error while making a machine. The message has the end of the output."""


@dataclass(frozen=True)
class Machine:
    """Machine in a folder.

    Attributes:
        path: The folder.
        logs: Folder of its commands' logs.
        access: Settings with which it reaches its mirrors.
    """

    path: Path
    logs: Path
    access: Access

    @property
    def home(self) -> Path:
        """Path of its HOME."""
        return self.path / "root"

    @property
    def clone(self) -> Path:
        """Path of the project in it."""
        return self.home / "handbook"

    def make(self, suite: str) -> None:
        """Make the machine with debootstrap.

        Raises:
            NotMade: debootstrap failed.
        """
        # Unlike apt, debootstrap reads no ASCII-armoured keys; it uses its own keyring then.
        keys = [f"--keyring={path}" for path in self.access.keyrings[:1] if not path.endswith(".asc")]
        chosen = [f"--include={','.join(PACKAGES)}", f"--components={','.join(self.access.entries[0].components)}"]
        command = ["debootstrap", "--variant=minbase", *chosen, *keys, suite, str(self.path), self.access.mirror]
        if suite in UBUNTU:
            # The host's debootstrap may not know a newer suite. All suites of Ubuntu use the script of this one.
            command.append("gutsy")
        self._must("debootstrap", command)

    def settle(self) -> None:
        """Copy the host's settings for reaching the mirrors into the machine."""
        self.access.install(self.path)
        self._must("certificates", self._entering("update-ca-certificates"))

    def system(self) -> str:
        """Return the name and version of its system."""
        named = re.search(r'^PRETTY_NAME="?([^"\n]*)', (self.path / "etc/os-release").read_text("utf-8"), re.MULTILINE)
        # In Debian this file has the point release, in Ubuntu the name of a Debian suite.
        version = (self.path / "etc/debian_version").read_text("utf-8").strip()
        return f"{named[1] if named else 'a system without a name'}{f', {version}' if version[:1].isdigit() else ''}"

    def empty_home(self) -> None:
        """Empty its HOME, except for mounts in it."""
        for path in self.home.iterdir():
            subprocess.run(["rm", "-rf", "--one-file-system", "--", path], check=True)

    def bring_project(self) -> str:
        """Clone the project into it, or update the clone to the project's last commit; return that commit."""
        git = ["git", "-C", str(self.clone)]
        if self.clone.exists():
            self._must("git", [*git, "fetch", "--quiet", str(ROOT), "HEAD"])
            self._must("git", [*git, "checkout", "--quiet", "--detach", "FETCH_HEAD"])
        else:
            self._must("git", ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(self.clone)])
        return subprocess.run([*git, "log", "-1", "--format=%h %s"], capture_output=True, text=True, check=True).stdout.strip()

    def run(self, command: str, name: str) -> Done:
        """Run a command in the machine, in the project's folder; log its output to ``NAME.log``."""
        began = time.monotonic()
        status = run(self._entering(command), self.logs / f"{name}.log", self.access.masks())
        return Done(command, status, time.monotonic() - began, (self.logs / f"{name}.log").read_text("utf-8"))

    def versions(self) -> list[str]:
        """Return the versions of its programs and of the sources in its store, as text lines."""
        lines = self.run(VERSIONS, "versions").output.splitlines()
        trees = {
            path.name
            for path in self.home.glob(".cache/kvmdocs/v*/work/*/*")
            if re.fullmatch(r"(qemu|linux)-\d[^/]*", path.name)
        }
        return lines + [f"  {'source':<18} {name}" for name in sorted(trees)]

    def store_size(self) -> int:
        """Return the disk usage of its store in bytes."""
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
            raise NotMade(f"`{name}` failed with status {status}, log in {log}:\n  {tail}")


def run(command: list[str], log: Path, masks: Mapping[str, str]) -> int:
    """Run a command in separate namespaces and return its exit status.

    Its output is written to `log`, masked. No process and no mount of it remains.
    """
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
    """Kill what `run` started.

    When the first process of a PID namespace dies, the kernel kills all others before the parent is notified
    (pid_namespaces(7)).
    """
    while process.poll() is None:
        with contextlib.suppress(psutil.NoSuchProcess):
            outer = psutil.Process(process.pid)
            for victim in outer.children() or [outer]:
                victim.kill()
        time.sleep(0.05)


def inside(machine: Path) -> list[int]:
    """Return the processes whose root directory is the machine."""
    processes = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if os.path.samefile(entry / "root", machine):
                processes.append(int(entry.name))
        except OSError:
            continue
    return processes


def mounted_below(folder: Path, mountinfo: str) -> list[str]:
    """Return the mount points below a folder, given the text of /proc/self/mountinfo (proc(5))."""
    points = (re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), line.split()[4]) for line in mountinfo.splitlines())
    return [point for point in points if folder in Path(point).parents]
