"""Packages of the host: the command that installs missing tools, and running it where possible.

Only apt is run. For dnf and pacman the command is only printed. The command is always printed, so that nobody has to trust this
program with root. `kvmdocs.host.tools` has the tools and the packages that contain them.
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
from kvmdocs.host.tools import MANAGERS, Missing, Tool

PROGRAMS = {"apt": "apt-get", "dnf": "dnf", "pacman": "pacman"}
"""The program of each package manager."""

MANAGER_OF = {"debian": "apt", "ubuntu": "apt", "fedora": "dnf", "rhel": "dnf", "centos": "dnf", "arch": "pacman"}
"""The package manager of each distribution, by ``ID`` and ``ID_LIKE`` of os-release(5)."""

FAMILIES = {"apt": "Debian, Ubuntu", "dnf": "Fedora", "pacman": "Arch Linux"}
"""The distributions of each package manager, as readers know them."""

INSTALL_COMMANDS = {
    "apt": ["apt-get", "install", "--no-install-recommends"],
    "dnf": ["dnf", "install", "--setopt=install_weak_deps=False"],
    "pacman": ["pacman", "-S", "--needed"],
}
"""The install command of each package manager."""

TAIL = 12
"""Maximum number of output lines of a failed installation in an error."""


def detect_manager() -> str | None:
    """Return this host's package manager: ``apt``, ``dnf``, ``pacman``, or None if it has none of them.

    The distribution decides: apt may be installed on Fedora, and pacman on Debian.
    """
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        release = {}
    family = [release.get("ID", ""), *release.get("ID_LIKE", "").split()]
    likely = [MANAGER_OF[name] for name in family if name in MANAGER_OF]
    return next((manager for manager in (*likely, *MANAGERS) if shutil.which(PROGRAMS[manager])), None)


def install_command(missing: Iterable[Missing], manager: str) -> list[str]:
    """Return the command that installs packages for the tools, as the user would type it; empty if no package is known.

    It begins with ``sudo`` if the user is not root and sudo exists.

    Args:
        missing: The tools.
        manager: ``apt``, ``dnf`` or ``pacman``.
    """
    packages = sorted({package for item in missing for package in item.packages.get(manager, ())})
    if not packages:
        return []
    return [*_as_root(), *INSTALL_COMMANDS[manager], *packages]


def by_family(tools: Iterable[Tool]) -> dict[str, str]:
    """Return the commands that root types to install the tools, for readers on any distribution.

    Args:
        tools: The tools, including those that are installed on this host.

    Returns:
        A command for each family of distributions whose packages contain some of the tools.
    """
    every = list(tools)
    lines = {}
    for manager, family in FAMILIES.items():
        if packages := sorted({package for tool in every for package in getattr(tool, manager)}):
            lines[family] = _line([*INSTALL_COMMANDS[manager], *packages], manager, [])
    return lines


def _line(command: list[str], manager: str, root: list[str]) -> str:
    """Return an install command as a shell line. With apt it fetches the index first."""
    line = shlex.join(command)
    return f"{shlex.join([*root, 'apt-get', 'update'])} && {line}" if manager == "apt" else line


def typed(missing: Iterable[Missing], manager: str) -> str:
    """Return the complete shell line that installs packages for the tools; "" if no package is known.

    With apt it fetches the index first. A user who is not root and has no sudo gets ``su -c``.
    """
    command = install_command(missing, manager)
    if not command:
        return ""
    root = _as_root()
    line = _line(command, manager, root)
    return line if root or os.geteuid() == 0 else f"su -c {shlex.quote(line)}"


def obstacle(manager: str | None) -> str:
    """Return the reason why `install` cannot work with this package manager and these rights; "" if it may work."""
    if manager is None:
        return f"this host has none of the supported package managers: {', '.join(MANAGERS)}"
    if manager != "apt":
        return f"kvmdocs installs packages with apt only, not with {manager}"
    if os.geteuid() == 0:
        return ""
    if shutil.which("sudo") is None:
        return "installing packages needs root, and there is no sudo"
    if _terminal() or subprocess.run(["sudo", "-n", "true"], capture_output=True, check=False).returncode == 0:
        return ""
    return "installing packages needs root, and sudo asks for a password, but there is no terminal to enter it"


def confirm(question: str) -> bool:
    """Ask a question on the terminal. With ``YES=1`` or without a terminal the answer is yes."""
    if os.environ.get("YES", "").lower() in {"1", "y", "yes", "true"} or not _terminal():
        return True
    try:
        answer = input(f"{question} [Y/n] ")
    except EOFError:
        return False
    return answer.strip().lower() in {"", "y", "yes"}


def install(missing: Sequence[Missing], manager: str | None) -> None:
    """Install packages for the tools, and check that the tools then exist.

    If installing all packages at once fails, each tool is installed separately, so that one unavailable package does not affect
    the others.

    Args:
        missing: The tools.
        manager: The result of `detect_manager`.

    Raises:
        HostLacks: Some of the tools are still missing. The advice is the command to type.
    """
    if reason := obstacle(manager):
        advice = typed(missing, manager) if manager else f"install by hand: {', '.join(item.tool for item in missing)}"
        raise HostLacks(f"cannot install packages: {reason}", Evidence(advice=advice))
    assert manager is not None
    _run(["apt-get", "update", "-q"])  # a failure may not matter; if it does, a tool is still missing below
    tail = _install_all([item for item in missing if item.packages.get(manager)], manager)
    left = [item for item in missing if item.check.lacking()]
    if left:
        raise HostLacks(
            "still missing: " + "; ".join(f"{item.tool} ({item.reason})" for item in left),
            Evidence(tail=tail, advice=typed(left, manager) or "install them by hand"),
        )


def _install_all(missing: Sequence[Missing], manager: str) -> str:
    """Install packages. Return the last output lines of the last failure, or ""."""
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
    """Run apt as root, without questions, and print its output.

    Returns:
        Its status and its last output lines.
    """
    quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "NEEDRESTART_SUSPEND=1", "LC_ALL=C.UTF-8"]
    program, *rest = command
    # Wait for another apt, which often runs on a machine that has just been set up.
    argv = [*_as_root(), *quiet, program, "-o", "DPkg::Lock::Timeout=600", "-o", "Dpkg::Use-Pty=0", *rest]
    tail: deque[str] = deque(maxlen=TAIL)
    with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as apt:
        assert apt.stdout is not None
        for raw in apt.stdout:
            line = raw.decode("utf-8", "replace").rstrip().rpartition("\r")[2]  # dpkg shows its progress on one line
            tail.append(line)
            print(f"  {line}", flush=True)
    return apt.returncode, "\n".join(tail)


def _as_root() -> list[str]:
    return [] if os.geteuid() == 0 or shutil.which("sudo") is None else ["sudo"]


def _terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()
