"""The host: its facts, and what it is able to do.

A capability is *tried*, not looked up: ``ptrace`` means that a process could be attached to, ``reach:qemu.mirror`` that a
connection to that mirror was made. What was tried is believed for a while (setting ``limits.tries_age``), so that a build in which nothing is stale
does not wait for the network.
"""

from __future__ import annotations

import contextlib
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from kvmdocs.core.errors import CatalogError, Evidence
from kvmdocs.core.model import Host
from kvmdocs.core.settings import Settings
from kvmdocs.store.store import Store, read_cache, write_cache


def describe(settings: Settings) -> Host:
    """The facts of this host that a reader wants to know."""
    return Host(
        name=settings["host.name"] or socket.gethostname(),
        system=_system(),
        kernel=platform.release(),
        machine=platform.machine(),
        cpus=cpus(settings),
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
    )


def cpus(settings: Settings) -> int:
    """Processors that recipes may use: the setting ``limits.cpus``, else those this process may run on."""
    return int(settings["limits.cpus"]) or len(os.sched_getaffinity(0))


def memory(settings: Settings) -> int:
    """Memory in bytes that recipes may use: the setting ``limits.memory``, else what is available now."""
    if settings["limits.memory"]:
        return int(settings["limits.memory"])
    found = re.search(r"^MemAvailable:\s+(\d+) kB", Path("/proc/meminfo").read_text(), re.MULTILINE)
    return int(found[1]) * 1024 if found else 1 << 30


_PORTS = {"http": 80, "https": 443, "git": 9418, "ssh": 22, "socks": 1080, "socks4": 1080, "socks5": 1080, "socks5h": 1080}
"""The port of a URL that names none."""


def _proxy(url: SplitResult) -> str:
    """Address of the proxy by which curl and git reach a URL, "" if they go there themselves: ``https_proxy`` and its like (curl(1), ENVIRONMENT)."""
    if url.scheme not in ("http", "https"):
        return ""
    # Few hosts have one, and the module brings ssl and http along.
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from urllib.request import getproxies, proxy_bypass

    known = getproxies()
    address = known.get(url.scheme) or known.get("all") or ""
    if not address or proxy_bypass(url.hostname or ""):
        return ""
    return address if "://" in address else f"http://{address}"


def _system() -> str:
    try:
        return platform.freedesktop_os_release().get("PRETTY_NAME", platform.system())
    except OSError:
        return platform.system()


def _cpu_flags() -> str:
    """The processor's flags that bear on virtualisation, sorted; "" if it has none."""
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
"""Facts a recipe may declare, and how each is read."""


def facts(names: tuple[str, ...]) -> dict[str, str]:
    """The facts of these names.

    Raises:
        CatalogError: There is no fact of a name.
    """
    for name in names:
        if name not in FACTS:
            raise CatalogError(f"there is no host fact {name!r}", Evidence(advice=f"known are {', '.join(FACTS)}"))
    return {name: FACTS[name]() for name in names}


@dataclass(frozen=True)
class ProbeResult:
    """What trying a capability gave.

    Attributes:
        able: Whether the host has it.
        reason: Why not, in words a reader understands; "" when it has.
    """

    able: bool
    reason: str = ""


class Capabilities:
    """Tries capabilities and remembers, in the store, what came of it.

    Args:
        settings: The project's settings.
        store: Where tries are kept between builds.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._path = store.root / "tries.json"
        self._tried: dict[str, ProbeResult] = {}

    def missing(self, needs: tuple[str, ...]) -> str:
        """Why these needs are not met: the reasons of those that are not, or ""."""
        reasons = [tried.reason for need in needs if not (tried := self.have(need)).able]
        return "; ".join(dict.fromkeys(reasons))

    def have(self, need: str) -> ProbeResult:
        """Try one capability, or believe an earlier try.

        Raises:
            CatalogError: Nobody knows how to try it.
        """
        if need not in self._tried:
            self._tried[need] = self._remembered(need) or self._try(need)
        return self._tried[need]

    def probe_cached(self, what: str, attempt: Callable[[], ProbeResult]) -> ProbeResult:
        """Try something of the caller's, or believe an earlier try that went well; failures are tried again every time.

        Args:
            what: A text that is another one when the outcome may be another.
            attempt: How it is tried.
        """
        if what not in self._tried:
            tried = self._remembered(what) or attempt()
            if tried.able:
                self._tried[what] = tried
                self._remember(what, tried)
            return tried
        return self._tried[what]

    def _try(self, need: str) -> ProbeResult:
        kind, _, argument = need.partition(":")
        if kind == "setting":
            return self._setting(argument)
        if kind == "reach":
            tried = self._reach(argument)
        elif need in PROBES:
            tried = PROBES[need]()
        else:
            known = ", ".join([*PROBES, "reach:<setting>", "setting:<name>=<value>|<value>"])
            raise CatalogError(f"nobody knows how to try the capability {need!r}", Evidence(advice=f"known are {known}"))
        self._remember(need, tried)
        return tried

    def _setting(self, argument: str) -> ProbeResult:
        """``setting:NAME=A|B`` holds if the setting has one of the values; it is never remembered, since it costs nothing."""
        name, _, wanted = argument.partition("=")
        value = str(self._settings[name])
        if value in wanted.split("|"):
            return ProbeResult(True)
        return ProbeResult(False, f"the setting {name} is {value!r}")

    def _reach(self, name: str) -> ProbeResult:
        """Whether a TCP connection to the host of a setting's URL, or to the proxy that leads there, can be made within the limit."""
        url = urlsplit(str(self._settings[name]))
        if not url.hostname:
            return ProbeResult(False, f"the setting {name} is no URL")
        through = urlsplit(_proxy(url))
        to, by = (through, "its proxy: ") if through.hostname else (url, "")
        try:
            socket.create_connection(
                (to.hostname, to.port or _PORTS.get(to.scheme, 443)), timeout=self._settings["network.connect"]
            ).close()
        except OSError as error:
            why = error.strerror or str(error) or "no answer"
            return ProbeResult(False, f"{url.hostname} cannot be reached from this host ({by}{why})")
        return ProbeResult(True)

    def _identity(self, need: str) -> str:
        """A need with what its outcome depends on; another mirror or another boot is another try."""
        kind, _, argument = need.partition(":")
        if kind == "reach":
            address = str(self._settings[argument])
            on = " ".join(filter(None, (address, _proxy(urlsplit(address)))))
        else:
            on = f"uid {os.geteuid()}"
        return f"{need} {on} {_boot()}"

    def _remembered(self, need: str) -> ProbeResult | None:
        if need.startswith("setting:"):
            return None
        entry = self._entries.get(self._identity(need))
        if entry is None or not 0 <= time.time() - entry["at"] < self._settings["limits.tries_age"]:
            return None
        return ProbeResult(entry["able"], entry["reason"])

    def _remember(self, need: str, tried: ProbeResult) -> None:
        if self._remembered(need) == tried:
            return
        entries = self._load()
        entries[self._identity(need)] = {"able": tried.able, "reason": tried.reason, "at": time.time()}
        write_cache(self._path, entries)
        self._entries = entries

    @cached_property
    def _entries(self) -> dict[str, dict[str, Any]]:
        return self._load()

    def _load(self) -> dict[str, dict[str, Any]]:
        data = read_cache(self._path)
        return data if isinstance(data, dict) else {}

    def forget(self) -> None:
        """Try everything anew."""
        with contextlib.suppress(OSError):  # where it cannot be written, nothing can be remembered either
            self._path.unlink()
        self._entries = {}
        self._tried.clear()


class AssumedCapabilities(Capabilities):
    """Capabilities as far as they are known: nothing is tried, and what was not tried lately is taken to be there.

    A try may take seconds, and who only shows pages does not wait for it. Whoever runs a recipe tries.
    """

    def _try(self, need: str) -> ProbeResult:
        return super()._try(need) if need.startswith("setting:") else ProbeResult(True)


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


_ATTACH = """
import ctypes, os, signal, sys, time
child = os.fork()
if not child:
    time.sleep(30); os._exit(0)
tracer = os.fork()
if not tracer:
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    os._exit(0 if libc.ptrace(0x4206, child, None, None) == 0 else ctypes.get_errno())
status = os.waitpid(tracer, 0)[1]
os.kill(child, signal.SIGKILL); os.waitpid(child, 0)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Attach (PTRACE_SEIZE, 0x4206) to a process that is not one's child, as gdb does to a running QEMU."""


def _try_ptrace() -> ProbeResult:
    done = subprocess.run([sys.executable, "-I", "-c", _ATTACH], capture_output=True, timeout=20, check=False)
    if done.returncode == 0:
        return ProbeResult(True)
    scope = Path("/proc/sys/kernel/yama/ptrace_scope")
    hint = "sysctl kernel.yama.ptrace_scope=0" if scope.exists() and scope.read_text().strip() != "0" else "CAP_SYS_PTRACE"
    return ProbeResult(
        False, f"this host does not let one process trace another ({os.strerror(done.returncode)}; {hint} allows it)"
    )


def _try_root() -> ProbeResult:
    return ProbeResult(os.geteuid() == 0, "" if os.geteuid() == 0 else "the build does not run as root")


def _try_apt_sources() -> ProbeResult:
    if shutil.which("apt-get") is None:
        return ProbeResult(False, "this host has no apt, so it has no Debian source packages")
    done = subprocess.run(
        ["apt-get", "indextargets", "--format", "$(REPO_URI)"], capture_output=True, text=True, timeout=30, check=False
    )
    if done.stdout.strip():
        return ProbeResult(True)
    return ProbeResult(False, "apt on this host is configured with no archive")


PROBES: dict[str, Callable[[], ProbeResult]] = {
    "ptrace": _try_ptrace,
    "root": _try_root,
    "apt-sources": _try_apt_sources,
}
"""How each capability without an argument is tried."""


def now() -> str:
    """The time in UTC, ISO 8601 with seconds."""
    return datetime.now(UTC).isoformat(timespec="seconds")
