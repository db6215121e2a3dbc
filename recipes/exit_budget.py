"""Reading KVM's events, QEMU's log and QEMU's memory map, and putting them together."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class Event:
    """A line of a trace.

    Attributes:
        time: Seconds, of whatever clock the trace has.
        name: The event, such as ``kvm_exit``.
        text: What it says.
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


@dataclass(frozen=True)
class ReasonRow:
    """How often a guest left its processor for one reason.

    Attributes:
        reason: As KVM names it.
        exits: How often.
        user: How many of these went on to QEMU.
    """

    reason: str
    exits: int
    user: int


@dataclass(frozen=True)
class DeviceRow:
    """How often a guest left its processor for one device.

    Attributes:
        space: ``io`` for ports, ``memory`` for MMIO.
        region: QEMU's name for the range; "" where QEMU has nothing.
        first: The lowest address that was used.
        last: The highest.
        exits: How often.
        user: How many of these went on to QEMU.
    """

    space: str
    region: str
    first: int
    last: int
    exits: int
    user: int


@dataclass(frozen=True)
class Budget:
    """All exits of a run.

    Attributes:
        exits: Their number.
        user: How many of them went on to QEMU.
        reasons: By reason, most first.
        devices: Those that are an access to a device, by device, most first.
    """

    exits: int
    user: int
    reasons: tuple[ReasonRow, ...]
    devices: tuple[DeviceRow, ...]


@dataclass(frozen=True)
class Pairing:
    """How KVM's exits to user space and QEMU's log of them agree.

    Attributes:
        paired: Exits that both have, in the same order and with the same reason.
        reasons: How many of each reason, by KVM's name.
        offset: Seconds to be taken from QEMU's clock to have KVM's.
    """

    paired: int
    reasons: dict[str, int]
    offset: float


@dataclass(frozen=True)
class Moment:
    """A row of the events of both sides.

    Attributes:
        side: ``kvm`` or ``qemu``.
        name: The event.
        text: What it says.
    """

    side: str
    name: str
    text: str


_KVM = re.compile(r"^\s*(?:.*\s)?(\d+\.\d+):\s+(?:kvm:)?(kvm_\w+):\s+(.*?)\s*$")
_QEMU = re.compile(r"^(?:\d+@(\d+\.\d+):|(\d{4}-\d\d-\d\dT[\d:.]+)Z\s+(?:\(\S+\)\s+)?)?(\w+) (.*)$")


def parse_kvm(text: str) -> list[Event]:
    """KVM's events from what ``perf script`` or ``trace-cmd report`` printed."""
    return [Event(float(found[1]), found[2], found[3]) for line in text.splitlines() if (found := _KVM.match(line))]


def parse_qemu(text: str) -> list[Event]:
    """QEMU's events from its log; the time is that of the day, or 0 where the log has none.

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
    """The ranges of ports and of MMIO in what ``info mtree -f`` printed: the flat views of a processor, in which nothing overlaps."""
    regions = []
    space = ""
    for line in text.replace("\r", "").splitlines():
        if line.startswith("FlatView"):
            space = ""
        elif found := _VIEW.match(line):
            space = {"I/O": "io", "memory": "memory"}.get(found[1], space)
        elif space and (found := _RANGE.match(line)) and found[3] not in ("ram", "rom", "ramd", "romd"):
            regions.append(Region(space, int(found[1], 16), int(found[2], 16), found[4]))
    return regions


def region_of(regions: list[Region], space: str, address: int) -> str:
    """QEMU's name for what lies at an address; "" if nothing does."""
    return next((it.name for it in regions if it.space == space and it.first <= address <= it.last), "")


@dataclass
class _Exit:
    reason: str
    space: str = ""
    address: int = 0
    user: bool = False


_ADDRESS = {
    "kvm_pio": ("io", re.compile(r"at (0x[0-9a-f]+)")),
    "kvm_mmio": ("memory", re.compile(r"gpa (0x[0-9a-f]+)")),
    "kvm_fast_mmio": ("memory", re.compile(r"gpa (0x[0-9a-f]+)")),
}
"""Which space an event's address is in, and where in its text the address is."""


def _exits(events: list[Event]) -> list[_Exit]:
    """Each exit with what followed it until the next: the first address that was used, and whether QEMU was asked.

    Holds for one processor. An access that QEMU answers is finished when the processor runs again, so its event may come after the
    exit to user space; it still belongs to the exit before it.
    """
    exits: list[_Exit] = []
    for event in events:
        if event.name == "kvm_exit":
            found = re.search(r"reason (\S+)", event.text)
            exits.append(_Exit(found[1] if found else "?"))
        elif exits and event.name == "kvm_userspace_exit":
            exits[-1].user |= "KVM_EXIT_" in event.text
        elif exits and event.name in _ADDRESS and not exits[-1].space:
            space, pattern = _ADDRESS[event.name]
            if found := pattern.search(event.text):
                exits[-1].space, exits[-1].address = space, int(found[1], 16)
    return exits


def budget(events: list[Event], regions: list[Region]) -> Budget:
    """Count exits by reason and by device."""
    exits = _exits(events)
    reasons: Counter[str] = Counter(it.reason for it in exits)
    asked: Counter[str] = Counter(it.reason for it in exits if it.user)
    devices: dict[tuple[str, str], list[_Exit]] = {}
    for it in exits:
        if it.space:
            devices.setdefault((it.space, region_of(regions, it.space, it.address)), []).append(it)
    rows = [
        DeviceRow(
            space,
            name,
            min(it.address for it in those),
            max(it.address for it in those),
            len(those),
            sum(it.user for it in those),
        )
        for (space, name), those in devices.items()
    ]
    return Budget(
        len(exits),
        sum(it.user for it in exits),
        tuple(ReasonRow(reason, number, asked[reason]) for reason, number in reasons.most_common()),
        tuple(sorted(rows, key=lambda row: (-row.exits, row.space, row.first))),
    )


def pair(events: list[Event], logged: list[Event]) -> Pairing:
    """Set each exit to user space that KVM traced beside the one that QEMU logged.

    QEMU does not log a return without a reason, as when a signal came.

    Raises:
        AssertionError: The two do not agree.
    """
    left = [
        (event.time, found[1], int(found[2]))
        for event in events
        if event.name == "kvm_userspace_exit" and (found := re.search(r"(KVM_EXIT_\w+) \((\d+)\)", event.text))
    ]
    right = [
        (event.time, int(found[1]))
        for event in logged
        if event.name == "kvm_run_exit" and (found := re.search(r"reason (\d+)", event.text))
    ]
    both = list(zip(left, right, strict=False))
    for number, ((_, name, reason), (_, told)) in enumerate(both):
        assert reason == told, f"exit {number} to user space was {name} ({reason}) for KVM and {told} for QEMU"
    assert abs(len(left) - len(right)) <= 1, (len(left), len(right))
    # QEMU writes its line after KVM has written its own: the smallest difference is nearest to that of the two clocks.
    offset = min((later - earlier for (earlier, _, _), (later, _) in both), default=0.0)
    return Pairing(len(both), dict(Counter(name for _, name, _ in left[: len(both)]).most_common()), offset)


def journey(events: list[Event], logged: list[Event], offset: float) -> list[Moment]:
    """The events of both sides during the last disk write, from the guest's kick to the end of its interrupt.

    Raises:
        AssertionError: There was no write.
    """
    writes = [event.time - offset for event in logged if event.name == "virtio_blk_handle_write"]
    assert writes, "QEMU logged no write to the disk"
    written = writes[-1]
    kicks = [event.time for event in events if event.name == "kvm_mmio" and "write" in event.text and event.time < written]
    begin = max((event.time for event in events if event.name == "kvm_exit" and event.time <= kicks[-1]), default=kicks[-1])
    done = [event.time - offset for event in logged if event.name == "virtio_blk_req_complete" and event.time - offset >= written]
    ends = [event.time for event in events if event.name == "kvm_eoi" and event.time > done[0]]
    end = ends[0] if ends else done[0]
    merged = [(event.time, Moment("kvm", event.name, event.text)) for event in events] + [
        (event.time - offset, Moment("qemu", event.name, event.text)) for event in logged
    ]
    return [moment for time, moment in sorted(merged, key=lambda pair: pair[0]) if begin <= time <= end]
