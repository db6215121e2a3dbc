"""Reading KVM's events, QEMU's log and QEMU's memory map."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Event:
    """A line of a trace.

    Attributes:
        time: Seconds, on the clock of the trace.
        name: The event, such as ``kvm_exit``.
        text: The event's details.
    """

    time: float
    name: str
    text: str


@dataclass(frozen=True)
class Region:
    """A range of ports or of memory that belongs to a device.

    Attributes:
        space: ``io`` or ``memory``.
        first: The first address.
        last: The last address.
        name: QEMU's name for it.
    """

    space: str
    first: int
    last: int
    name: str


_KVM = re.compile(r"^\s*(?:.*\s)?(\d+\.\d+):\s+(?:kvm:)?(kvm_\w+):\s+(.*?)\s*$")
_QEMU = re.compile(r"^(?:\d+@(\d+\.\d+):|(\d{4}-\d\d-\d\dT[\d:.]+)Z\s+(?:\(\S+\)\s+)?)?(\w+) (.*)$")


def parse_kvm(text: str) -> list[Event]:
    """Return KVM's events in the output of ``perf script`` or ``trace-cmd report``."""
    return [Event(float(found[1]), found[2], found[3]) for line in text.splitlines() if (found := _KVM.match(line))]


def parse_qemu(text: str) -> list[Event]:
    """Return QEMU's events in its log. Their time is the wall-clock time, or 0 if the log has none.

    QEMU up to 10.1 writes ``1234@1700000000.123456:name …``; newer ones may write the time as ISO 8601 does.
    """
    events = []
    for line in text.splitlines():
        if found := _QEMU.match(line):
            time = float(found[1]) if found[1] else datetime.fromisoformat(f"{found[2]}+00:00").timestamp() if found[2] else 0.0
            events.append(Event(time, found[3], found[4]))
    return events


_VIEW = re.compile(r'^\s*AS "([^"]+)"')
_RANGE = re.compile(r"^\s+([0-9a-f]{16})-([0-9a-f]{16}) \(prio -?\d+, ([\w/]+)\): (.+?)(?: @[0-9a-f]+)?(?: KVM)?$")


def parse_regions(text: str) -> list[Region]:
    """Return the ranges of ports and of MMIO in the output of ``info mtree -f``.

    These are the flat views of a processor, in which nothing overlaps. The region ``io`` is the space of all ports itself: its
    entries in a flat view are the gaps between devices.
    """
    regions = []
    space = ""
    for line in text.replace("\r", "").splitlines():
        if line.startswith("FlatView"):
            space = ""
        elif found := _VIEW.match(line):
            space = {"I/O": "io", "memory": "memory"}.get(found[1], space)
        elif space and (found := _RANGE.match(line)) and found[3] == "i/o" and found[4] != "io":
            regions.append(Region(space, int(found[1], 16), int(found[2], 16), found[4]))
    return regions


def region_of(regions: list[Region], space: str, address: int) -> str:
    """Return QEMU's name for the region at an address, "" if there is none."""
    return next((it.name for it in regions if it.space == space and it.first <= address <= it.last), "")


def in_short(name: str, text: str) -> str:
    """Return an event for a Markdown table: its name and its details.

    The vCPU's number, leading zeros and details that need another event to be understood are left out.
    """
    text = re.sub(r"^vcpu \d+,? | ?\binfo1 .*| ?\berror_code .*", "", text).strip()
    text = re.sub(r"0x0{4,}([0-9a-f])", r"0x\1", text).replace("|", "\\|")
    return f"**{name}** {text}".strip()
