"""Probes of the host's capabilities.

A capability is probed, not looked up: ``ptrace`` means that a process could be traced, ``reach:qemu.mirror`` that a connection
to that mirror could be made. Results are cached for a while (setting ``limits.tries_age``), so that a build in which nothing is
stale does not wait for the network.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from kvmdocs.core.errors import CatalogError, Evidence
from kvmdocs.core.settings import Settings
from kvmdocs.host.command import run
from kvmdocs.store.files import read_cache, write_cache
from kvmdocs.store.store import Store

TRACE_TIMEOUT = 20.0
"""Seconds an attempt to trace a process may take."""

APT_TIMEOUT = 30.0
"""Seconds apt may take to list its archives."""


_PORTS = {"http": 80, "https": 443, "git": 9418, "ssh": 22, "socks": 1080, "socks4": 1080, "socks5": 1080, "socks5h": 1080}
"""Default ports of URL schemes."""


def _proxy(url: SplitResult) -> str:
    """Return the address of the proxy that curl and git use for a URL; "" for none.

    It comes from ``https_proxy`` and similar variables (curl(1), ENVIRONMENT).
    """
    if url.scheme not in ("http", "https"):
        return ""
    # Imported late: the module imports ssl and http, and few hosts have a proxy.
    if not any(name.lower().endswith("_proxy") for name in os.environ):
        return ""
    from urllib.request import getproxies, proxy_bypass

    proxies = getproxies()
    address = proxies.get(url.scheme) or proxies.get("all") or ""
    if not address or proxy_bypass(url.hostname or ""):
        return ""
    return address if "://" in address else f"http://{address}"


@dataclass(frozen=True)
class ProbeResult:
    """Result of a probe.

    Attributes:
        able: Whether the host has the capability.
        reason: The reason for readers if it does not; otherwise "".
    """

    able: bool
    reason: str = ""


class Capabilities:
    """Capabilities of this host. Results of probes are cached in the store.

    Args:
        settings: The project's settings.
        store: The store that holds the cache.
    """

    def __init__(self, settings: Settings, store: Store) -> None:
        self._settings = settings
        self._path = store.root / "tries.json"
        self._results: dict[str, ProbeResult] = {}

    def missing(self, needs: tuple[str, ...]) -> str:
        """Return the reasons of all capabilities in `needs` that the host lacks; "" if it has all."""
        reasons = [result.reason for need in needs if not (result := self.have(need)).able]
        return "; ".join(dict.fromkeys(reasons))

    def have(self, need: str) -> ProbeResult:
        """Probe a capability, or return the cached result.

        Raises:
            CatalogError: The capability is unknown.
        """
        if need not in self._results:
            self._results[need] = self._cached(need) or self._try(need)
        return self._results[need]

    def probe_cached(self, what: str, attempt: Callable[[], ProbeResult]) -> ProbeResult:
        """Run a probe of the caller's, or return the cached result.

        Only successes are cached; failures are probed again every time.

        Args:
            what: Cache key. It contains everything the result depends on.
            attempt: The probe.
        """
        if what not in self._results:
            result = self._cached(what) or attempt()
            if result.able:
                self._results[what] = result
                self._cache(what, result)
            return result
        return self._results[what]

    def _try(self, need: str) -> ProbeResult:
        kind, _, argument = need.partition(":")
        if kind == "setting":
            return self._setting(argument)
        if kind == "reach":
            result = self._reach(argument)
        elif need in PROBES:
            result = PROBES[need]()
        else:
            known = ", ".join([*PROBES, "reach:<setting>", "setting:<name>=<value>|<value>"])
            raise CatalogError(f"unknown capability {need!r}", Evidence(advice=f"the capabilities are {known}"))
        self._cache(need, result)
        return result

    def _setting(self, argument: str) -> ProbeResult:
        """Check ``setting:NAME=A|B``: the setting has one of the values. Never cached, since it costs nothing."""
        name, _, wanted = argument.partition("=")
        value = str(self._settings[name])
        if value in wanted.split("|"):
            return ProbeResult(True)
        return ProbeResult(False, f"the setting {name} is {value!r}")

    def _reach(self, name: str) -> ProbeResult:
        """Try a TCP connection to the host of a setting's URL, or to the proxy for it."""
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
        """Return a capability with everything its result depends on, such as the mirror's address and the boot."""
        kind, _, argument = need.partition(":")
        if kind == "reach":
            address = str(self._settings[argument])
            on = " ".join(filter(None, (address, _proxy(urlsplit(address)))))
        else:
            on = f"uid {os.geteuid()}"
        return f"{need} {on} {_boot()}"

    def _cached(self, need: str) -> ProbeResult | None:
        if need.startswith("setting:"):
            return None
        entry = self._entries.get(self._identity(need))
        if entry is None or not 0 <= time.time() - entry["at"] < self._settings["limits.tries_age"]:
            return None
        return ProbeResult(entry["able"], entry["reason"])

    def _cache(self, need: str, result: ProbeResult) -> None:
        if self._cached(need) == result:
            return
        entries = self._load()
        entries[self._identity(need)] = {"able": result.able, "reason": result.reason, "at": time.time()}
        write_cache(self._path, entries)
        self._entries = entries

    @cached_property
    def _entries(self) -> dict[str, dict[str, Any]]:
        return self._load()

    def _load(self) -> dict[str, dict[str, Any]]:
        data = read_cache(self._path)
        return data if isinstance(data, dict) else {}

    def forget(self) -> None:
        """Delete all cached results."""
        with contextlib.suppress(OSError):  # on a read-only store nothing is cached
            self._path.unlink()
        self._entries = {}
        self._results.clear()


class AssumedCapabilities(Capabilities):
    """Cached capabilities only. Nothing is probed; a capability without a cached result is assumed to be present.

    Probes may take seconds. Only a build that runs recipes waits for them, not one that shows pages.
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
"""Program that attaches (PTRACE_SEIZE, 0x4206) to a process that is not its child, as gdb does with a running QEMU."""


def _try_ptrace() -> ProbeResult:
    try:
        done = run([sys.executable, "-I", "-c", _ATTACH], TRACE_TIMEOUT)
    except subprocess.TimeoutExpired:
        return ProbeResult(False, f"an attempt to trace a process did not end within {TRACE_TIMEOUT:g} s")
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
    try:
        done = run(["apt-get", "indextargets", "--format", "$(REPO_URI)"], APT_TIMEOUT)
    except subprocess.TimeoutExpired:
        return ProbeResult(False, f"apt on this host did not list its archives within {APT_TIMEOUT:g} s")
    if done.stdout.strip():
        return ProbeResult(True)
    return ProbeResult(False, "apt on this host is configured with no archive")


PROBES: dict[str, Callable[[], ProbeResult]] = {
    "ptrace": _try_ptrace,
    "root": _try_root,
    "apt-sources": _try_apt_sources,
}
"""The probes of capabilities without an argument."""
