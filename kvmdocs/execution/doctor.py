"""What a host can do for a project: everything its recipes declare, tried, each with what to do about it."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from kvmdocs.execution import report
from kvmdocs.execution.project import Project
from kvmdocs.host import probes

ROOM = 8 << 30
"""Free disk, in bytes, below which the doctor warns: two builds of QEMU and one of Linux with their sources."""


@dataclass(frozen=True)
class Check:
    """One thing that was tried.

    Attributes:
        name: What.
        good: Whether the host has it.
        told: What was found.
        advice: What to do when it is not good.
        blocks: Whether a package is missing, for want of which recipes are skipped.
    """

    name: str
    good: bool
    told: str
    advice: str = ""
    blocks: bool = False

    def line(self) -> str:
        """For a terminal."""
        advice = f"\n{'':<4}→ {self.advice}" if self.advice and not self.good else ""
        return f"{'ok' if self.good else 'NO':<3} {self.name:<34} {self.told}{advice}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def examine(project: Project) -> list[Check]:
    """Try all that the project's recipes declare on this host."""
    told = probes.describe(project.settings)
    free = project.store.free()
    checks = [
        Check("system", True, f"{told.system}, Linux {told.kernel}, {told.machine}"),
        Check("processors and memory", True, f"{told.cpus}, {report.size(probes.memory(project.settings))} available"),
        Check(
            "disk for the store",
            free >= ROOM,
            f"{report.size(free)} free at {project.store.path}",
            f"free {report.size(ROOM)} there or set KVMDOCS_STORE_PATH",
        ),
    ]
    project.capabilities.forget()
    for need in sorted({need for entry in project.catalog.entries.values() for need in entry.recipe.needs}):
        tried = project.capabilities.have(need)
        checks.append(Check(need, tried.able, tried.reason or "tried: works"))
    for tool in project.all_tools():
        missing = bool(project.missing_tools((tool,)))
        found = "missing" if missing else project.tool_versions((tool,))[tool]
        checks.append(Check(f"tool {tool}", not missing, found, project.install_advice((tool,)) if missing else "", missing))
    return checks
