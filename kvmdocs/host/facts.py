"""Facts of the host, and the resources that recipes may use."""

from __future__ import annotations

import os
import platform
import re
import socket
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from kvmdocs.core.errors import CatalogError, Evidence
from kvmdocs.core.model import Host
from kvmdocs.core.settings import Settings
from kvmdocs.host import cgroup


def describe(settings: Settings) -> Host:
    """Return the facts of this host that a record shows to readers."""
    return Host(
        name=settings["host.name"] or socket.gethostname(),
        system=_system(),
        kernel=platform.release(),
        machine=platform.machine(),
        cpus=cpus(settings),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )


def cpus(settings: Settings) -> int:
    """Return the number of processors for recipes: the setting ``limits.cpus``, else those available to this process."""
    available = len(os.sched_getaffinity(0))
    return int(settings["limits.cpus"]) or min(available, cgroup.cpus() or available)


def memory(settings: Settings) -> int:
    """Return the memory in bytes for recipes: the setting ``limits.memory``, else what is available now."""
    if settings["limits.memory"]:
        return int(settings["limits.memory"])
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    available = int(found[1]) * 1024 if found else 1 << 30
    left = cgroup.memory()
    return available if left is None else min(available, left)


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _cpu_flags() -> str:
    """Return the processor's flags for virtualisation, sorted; "" if it has none."""
    found = re.search(r"^flags\s*:(.*)", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return " ".join(sorted({"svm", "vmx", "npt", "ept", "hypervisor"} & set(found[1].split()))) if found else ""


def _kvm_device() -> str:
    device = "/dev/kvm"
    if not os.path.exists(device):
        return "absent"
    return "usable" if os.access(device, os.R_OK | os.W_OK) else "no rights"


FACTS: dict[str, Callable[[], str]] = {
    "machine": platform.machine,
    "kernel": platform.release,
    "system": _system,
    "cpu-flags": _cpu_flags,
    "kvm-device": _kvm_device,
}
"""Functions that read the facts a recipe may declare."""


def facts(names: tuple[str, ...]) -> dict[str, str]:
    """Return the values of host facts.

    Raises:
        CatalogError: A name is not a host fact.
    """
    for name in names:
        if name not in FACTS:
            raise CatalogError(f"unknown host fact {name!r}", Evidence(advice=f"the host facts are {', '.join(FACTS)}"))
    return {name: FACTS[name]() for name in names}


def now() -> str:
    """Return the time in UTC, in ISO 8601 format with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
