"""Check of a host: what it offers of all that a project's recipes declare, with advice for what is missing."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kvmdocs.core.units import size
from kvmdocs.execution.project import Project
from kvmdocs.host import facts

MIN_FREE_DISK = 8 << 30
"""Free disk, in bytes, below which the doctor warns: enough for two builds of QEMU and one of Linux, with their sources."""


@dataclass(frozen=True)
class Check:
    """Result of one check.

    Attributes:
        name: Name of the capability, tool or quantity.
        good: Whether the host has it.
        told: What the check found.
        advice: What to do if it is not good.
        blocks: Whether this is a missing package, without which recipes are skipped.
    """

    name: str
    good: bool
    told: str
    advice: str = ""
    blocks: bool = False

    def line(self) -> str:
        """Return the check as text for a terminal."""
        advice = f"\n{'':<4}→ {self.advice}" if self.advice and not self.good else ""
        return f"{'ok' if self.good else 'NO':<3} {self.name:<34} {self.told}{advice}"

    def as_dict(self) -> dict[str, Any]:
        """Return the check in JSON form."""
        return asdict(self)


def examine(project: Project) -> list[Check]:
    """Check everything that the project's recipes declare on this host."""
    host = facts.describe(project.settings)
    free = project.store.free()
    checks = [
        Check("system", True, f"{host.system}, Linux {host.kernel}, {host.machine}"),
        Check("processors and memory", True, f"{host.cpus}, {size(facts.memory(project.settings))} available"),
        Check(
            "disk for the store",
            free >= MIN_FREE_DISK,
            f"{size(free)} free at {project.store.path}",
            f"free {size(MIN_FREE_DISK)} there or set KVMDOCS_STORE_PATH",
        ),
    ]
    project.capabilities.forget()
    for need in sorted({need for entry in project.catalog.entries.values() for need in entry.recipe.needs}):
        probe = project.capabilities.have(need)
        checks.append(Check(need, probe.able, probe.reason or "works"))
    for tool in project.all_tools():
        missing = bool(project.missing_tools((tool,)))
        version = "missing" if missing else project.tool_versions((tool,))[tool]
        checks.append(Check(f"tool {tool}", not missing, version, project.install_advice((tool,)) if missing else "", missing))
    return checks
