"""Packages of the host: the command that brings missing tools, and running it where that can be done.

Only apt is run; for dnf and pacman the command is told. What is typed is always told too, so nobody has to trust us
with root. `kvmdocs.host.tools` says which tools there are and which package brings them.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections import deque
from collections.abc import Iterable, Sequence

from kvmdocs.core.errors import Evidence, HostLacks
from kvmdocs.host.tools import MANAGERS, Missing, Tool, Tools

__all__ = [
    "FAMILIES",
    "MANAGERS",
    "Missing",
    "Tool",
    "Tools",
    "by_family",
    "confirm",
    "detect_manager",
    "install",
    "install_command",
    "obstacle",
    "typed",
]

PROGRAMS = {"apt": "apt-get", "dnf": "dnf", "pacman": "pacman"}
"""The program of each package manager."""

KIN = {"debian": "apt", "ubuntu": "apt", "fedora": "dnf", "rhel": "dnf", "centos": "dnf", "arch": "pacman"}
"""The package manager of each family of distributions, by the names in os-release(5)."""

FAMILIES = {"apt": "Debian, Ubuntu", "dnf": "Fedora", "pacman": "Arch Linux"}
"""Whose package manager it is, as readers know them."""

VERBS = {
    "apt": ["apt-get", "install", "--no-install-recommends"],
    "dnf": ["dnf", "install", "--setopt=install_weak_deps=False"],
    "pacman": ["pacman", "-S", "--needed"],
}
"""What installs packages, for each package manager."""

TAIL = 12
"""Lines of a failed installation that an error carries."""


def detect_manager() -> str | None:
    """The package manager of this host: ``apt``, ``dnf``, ``pacman``, or None when it has none of them.

    The distribution's own decides: a Fedora may have an apt and a Debian a pacman installed.
    """
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    family = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    likely = [KIN[name] for name in family if name in KIN]
    return next((manager for manager in (*likely, *MANAGERS) if shutil.which(PROGRAMS[manager])), None)


def install_command(missing: Iterable[Missing], manager: str) -> list[str]:
    """The command that installs what brings these tools, as its user types it; empty when no package is known.

    It begins with ``sudo`` when the user is not root and sudo is there.

    Args:
        missing: The tools.
        manager: ``apt``, ``dnf`` or ``pacman``.
    """
    packages = sorted({package for item in missing for package in item.packages.get(manager, ())})
    if not packages:
        return []
    return [*_as_root(), *VERBS[manager], *packages]


def by_family(tools: Iterable[Tool]) -> dict[str, str]:
    """What root types to bring these tools to any host: for readers, whose host is not this one.

    Args:
        tools: The tools, those among them that are here already, too.

    Returns:
        A line for each family of distributions in whose packages some of the tools are.
    """
    known = list(tools)
    lines = {}
    for manager, family in FAMILIES.items():
        if packages := sorted({package for tool in known for package in getattr(tool, manager)}):
            lines[family] = _line([*VERBS[manager], *packages], manager, [])
    return lines


def _line(command: list[str], manager: str, root: list[str]) -> str:
    """A command that installs, as one types it: with apt after its index was fetched."""
    line = shlex.join(command)
    return f"{shlex.join([*root, 'apt-get', 'update'])} && {line}" if manager == "apt" else line


def typed(missing: Iterable[Missing], manager: str) -> str:
    """All that is to be typed to bring these tools, in one line; "" when no package is known.

    With apt its index is fetched first. A user who is not root and has no sudo is shown ``su``.
    """
    command = install_command(missing, manager)
    if not command:
        return ""
    root = _as_root()
    line = _line(command, manager, root)
    return line if root or os.geteuid() == 0 else f"su -c {shlex.quote(line)}"


def obstacle(manager: str | None) -> str:
    """Why `install` cannot work with this package manager and these rights; "" when it may."""
    if manager is None:
        return "this system has none of the package managers that are known: apt, dnf, pacman"
    if manager != "apt":
        return f"only apt is run from here, not {manager}"
    if os.geteuid() == 0:
        return ""
    if shutil.which("sudo") is None:
        return "installing packages needs root, and there is no sudo"
    if _terminal() or subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
        return ""
    return "installing packages needs root, and sudo wants a password that nobody is here to type"


def confirm(question: str) -> bool:
    """Ask on a terminal; ``YES=1`` and a run without a terminal go ahead."""
    if os.environ.get("YES", "").lower() in {"1", "y", "yes", "true"} or not _terminal():
        return True
    try:
        answer = input(f"{question} [Y/n] ")
    except EOFError:
        return False
    return answer.strip().lower() in {"", "y", "yes"}


def install(missing: Sequence[Missing], manager: str | None) -> None:
    """Install what brings these tools, and make sure that it did.

    One package that cannot be had must not keep the others away: when all together fail, each tool is tried alone.

    Args:
        missing: The tools.
        manager: What `detect_manager` gave.

    Raises:
        HostLacks: Some of the tools are still missing; its advice is what to type.
    """
    if why := obstacle(manager):
        advice = typed(missing, manager) if manager else f"install by hand: {', '.join(item.tool for item in missing)}"
        raise HostLacks(f"not installed: {why}", Evidence(advice=advice))
    assert manager is not None
    _run(["apt-get", "update", "-q"])  # an index that cannot be fetched may not matter; what is missing then says so
    tail = _install_all([item for item in missing if item.packages.get(manager)], manager)
    left = [item for item in missing if item.check.lacking()]
    if left:
        raise HostLacks(
            "still missing: " + "; ".join(f"{item.tool} ({item.reason})" for item in left),
            Evidence(tail=tail, advice=typed(left, manager) or "install them by hand"),
        )


def _install_all(missing: Sequence[Missing], manager: str) -> str:
    """Install; returns the last lines of what failed last, or ""."""
    status, tail = _apt(missing, manager) if missing else (0, "")
    if status == 0 or len(missing) == 1:
        return tail if status else ""
    last = ""
    for item in missing:
        status, tail = _apt([item], manager)
        last = tail if status else last
    return last


def _apt(missing: Sequence[Missing], manager: str) -> tuple[int, str]:
    packages = sorted({package for item in missing for package in item.packages[manager]})
    return _run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages])


def _run(command: list[str]) -> tuple[int, str]:
    """Run apt as root with nobody to answer its questions, showing what it prints; its status and its last lines."""
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "LC_ALL=C.UTF-8"]
    program, *rest = command
    # Another apt may be at work, as on a machine that has just been set up: wait for it.
    whole = [*_as_root(), *quiet, program, "-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Use-Pty=0", *rest]
    tail: deque[str] = deque(maxlen=TAIL)
    with subprocess.Popen(whole, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as apt:
        assert apt.stdout is not None
        for raw in apt.stdout:
            line = raw.decode("utf-8", "replace").rstrip().rpartition("\r")[2]  # dpkg counts on one line
            tail.append(line)
            print(f"  {line}", flush=True)
    return apt.returncode, "\n".join(tail)


def _as_root() -> list[str]:
    return [] if os.geteuid() == 0 or shutil.which("sudo") is None else ["sudo"]


def _terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
