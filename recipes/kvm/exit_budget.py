"""Putting together KVM's events, QEMU's log and QEMU's memory map."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from recipes.kvm.events import Event, Region, region_of


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
        faults: How many were for a page of memory that was used for the first time: a page fault, and no device.
        reasons: By reason, most first.
        devices: Those that are an access to a device, by device, most first; an address without a device is a row of its own.
    """

    exits: int
    user: int
    faults: int
    reasons: tuple[ReasonRow, ...]
    devices: tuple[DeviceRow, ...]


@dataclass(frozen=True)
class Pairing:
    """How KVM's exits to user space and QEMU's log of them agree.

    Attributes:
        paired: Exits that both have, in the same order and with the same reason.
        reasons: How many of each reason, by KVM's name and its number, such as ``KVM_EXIT_IO 2``.
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


@dataclass(frozen=True)
class Exits:
    """What was recorded of a boot.

    Attributes:
        budget: The exits by reason and by device.
        pairing: How KVM and QEMU agree.
        write: The events of both sides during one disk write.
    """

    budget: Budget
    pairing: Pairing
    write: list[Moment]


@dataclass
class _Exit:
    reason: str
    fault: bool = False
    space: str = ""
    address: int = 0
    user: bool = False


INTERRUPTED = ("KVM_EXIT_UNKNOWN", "KVM_EXIT_INTR")
"""What a reader of a trace may show for a `KVM_RUN` that a signal ended: it failed with EINTR and has no reason. Nobody is asked."""

_ASKED = re.compile(rf"(?!{'|'.join(INTERRUPTED)})(KVM_EXIT_\w+) \((\d+)\)")

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
            exits[-1].user |= bool(_ASKED.search(event.text))
        elif exits and event.name == "kvm_page_fault":
            exits[-1].fault = True
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
    devices: dict[tuple[str, str, int], list[_Exit]] = {}
    for it in exits:
        if it.space:
            name = region_of(regions, it.space, it.address)
            devices.setdefault((it.space, name, 0 if name else it.address), []).append(it)
    rows = [
        DeviceRow(
            space,
            name,
            min(it.address for it in those),
            max(it.address for it in those),
            len(those),
            sum(it.user for it in those),
        )
        for (space, name, _), those in devices.items()
    ]
    return Budget(
        len(exits),
        sum(it.user for it in exits),
        sum(it.fault and not it.space for it in exits),
        tuple(ReasonRow(reason, number, asked[reason]) for reason, number in reasons.most_common()),
        tuple(sorted(rows, key=lambda row: (-row.exits, row.space, row.first))),
    )


def pair(events: list[Event], logged: list[Event]) -> Pairing:
    """Set each exit to user space that KVM traced beside the one that QEMU logged.

    QEMU does not log a return because of a signal.

    Raises:
        AssertionError: The two do not agree.
    """
    left = [
        (event.time, found[1], int(found[2]))
        for event in events
        if event.name == "kvm_userspace_exit" and (found := _ASKED.search(event.text))
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
    return Pairing(len(both), dict(Counter(f"{name} {reason}" for (_, name, reason), _ in both).most_common()), offset)


def _interrupt_ends(events: list[Event], after: float) -> float:
    """When the guest says that it is done with the first message-signalled interrupt after a time.

    A processor that does this without an exit leaves no such event; then it is when the guest next runs.
    """
    later = [event for event in events if event.time > after]
    vectors = [
        found[1] for event in later if event.name == "kvm_msi_set_irq" and (found := re.search(r"\bvec (\d+)", event.text))
    ]
    ends = [
        event.time for event in later if vectors and event.name == "kvm_eoi" and event.text.endswith(f"vector {vectors[0]}")
    ]
    return next(iter([*ends, *(event.time for event in later if event.name == "kvm_entry")]), after)


def _is_kick(event: Event) -> bool:
    """A write to a device's memory; on VMX a short way deals with it (handle_ept_misconfig), which has an event of its own."""
    return event.name == "kvm_fast_mmio" or (event.name == "kvm_mmio" and "write" in event.text)


def journey(events: list[Event], logged: list[Event], offset: float) -> list[Moment]:
    """The events of both sides during the last disk write, from the guest's kick to the end of its interrupt.

    Raises:
        AssertionError: There was no write.
    """
    writes = [event.time - offset for event in logged if event.name == "virtio_blk_handle_write"]
    assert writes, "QEMU logged no write to the disk"
    written = writes[-1]
    kicks = [event.time for event in events if event.time < written and _is_kick(event)]
    begin = max((event.time for event in events if event.name == "kvm_exit" and event.time <= kicks[-1]), default=kicks[-1])
    done = [
        event.time - offset for event in logged if event.name == "virtio_blk_req_complete" and event.time - offset >= written
    ]
    end = _interrupt_ends(events, done[0])
    merged = [(event.time, Moment("kvm", event.name, event.text)) for event in events] + [
        (event.time - offset, Moment("qemu", event.name, event.text)) for event in logged
    ]
    return [moment for time, moment in sorted(merged, key=lambda pair: pair[0]) if begin <= time <= end]
