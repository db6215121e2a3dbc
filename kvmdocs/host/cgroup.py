"""CPU and memory limits of this process's control groups (cgroups(7)), such as those of a container.

Limits are read from the own group and all its parents, in version 2 (Documentation/admin-guide/cgroup-v2.rst) and version 1
(Documentation/admin-guide/cgroup-v1/memory.rst, Documentation/scheduler/sched-bwc.rst). The tightest one applies.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

MOUNT = Path("/sys/fs/cgroup")
"""Mount point of version 2, and folder of the mount points of version 1's controllers."""

SELF = Path("/proc/self/cgroup")
"""List of this process's groups: for each hierarchy its number, its controllers (none in version 2) and the group's path."""


def cpus() -> int | None:
    """Return the number of processors that the CPU quota allows, rounded up; None if there is no quota."""
    quotas = (
        _numbers(group / "cpu.max") or _numbers(group / "cpu.cfs_quota_us") + _numbers(group / "cpu.cfs_period_us")
        for group in _groups("cpu")
    )
    # Without a quota, version 2 has the word "max" and version 1 has -1.
    return min((math.ceil(pair[0] / pair[1]) for pair in quotas if len(pair) == 2 and min(pair) > 0), default=None)


def memory() -> int | None:
    """Return the bytes that may still be allocated under the memory limits; None if there is no limit.

    Pages of the page cache count as free: the kernel reclaims them when a limit is reached.
    """
    left = []
    for group in _groups("memory"):
        for limit, usage, prefix in (
            ("memory.max", "memory.current", ""),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_"),
        ):
            if len(numbers := _numbers(group / limit)) == 1:
                used = sum(_numbers(group / usage)) - _page_cache(group, prefix)
                left.append(max(numbers[0] - max(used, 0), 0))
    return min(left, default=None)


def _page_cache(group: Path, prefix: str) -> int:
    """Return the bytes of a group's page cache, without shared memory, which cannot be reclaimed."""
    return sum(
        int(bytes_) for bytes_ in re.findall(rf"^{prefix}(?:in)?active_file (\d+)$", _text(group / "memory.stat"), re.MULTILINE)
    )


def _groups(controller: str) -> Iterator[Path]:
    """Yield the folders of this process's groups with a controller, and of their parents up to the mount point.

    A container without a cgroup namespace sees the path of the host, which does not exist below its mount point. Its own group
    is then mounted there.
    """
    for controllers, path in re.findall(r"^\d+:([^:]*):(/.*)$", _text(SELF), re.MULTILINE):
        if not controllers or controller in controllers.split(","):
            mount = MOUNT / controller if controllers else MOUNT
            group = PurePosixPath(path.lstrip("/"))
            if ".." not in group.parts:  # a group outside of the namespace
                yield from (mount / part for part in (group, *group.parents) if part.parts)
            yield mount


def _numbers(path: Path) -> list[int]:
    """Return the integers in a file; none if it is missing or contains anything else."""
    try:
        return [int(word) for word in _text(path).split()]
    except ValueError:
        return []


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8", "replace")
    except OSError:
        return ""
