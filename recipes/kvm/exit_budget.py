"""Combining KVM's events, QEMU's log and QEMU's memory map."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from recipes.kvm.events import Event, Region, region_of


@dataclass(frozen=True)
class ReasonRow:
    """Number of exits for one reason.

    Attributes:
        reason: KVM's name of the reason.
        exits: Number of exits.
        user: How many of these were passed on to QEMU.
    """

    reason: str
    exits: int
    user: int


@dataclass(frozen=True)
class DeviceRow:
    """Number of exits for one device.

    Attributes:
        space: ``io`` for ports, ``memory`` for MMIO.
        region: QEMU's name for the range; "" if QEMU has no region there.
        first: The lowest address that was accessed.
        last: The highest address that was accessed.
        exits: Number of exits.
        user: How many of these were passed on to QEMU.
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
        exits: Number of exits.
        user: How many of them were passed on to QEMU.
        faults: How many were page faults on the first access to a page of memory, without a device.
        reasons: Exits by reason, most frequent first.
        devices: Exits caused by accesses to devices, by device, most frequent first; an address without a device is a row of
            its own.
    """

    exits: int
    user: int
    faults: int
    reasons: tuple[ReasonRow, ...]
    devices: tuple[DeviceRow, ...]


@dataclass(frozen=True)
class Pairing:
    """Agreement of KVM's exits to user space and QEMU's log of them.

    Attributes:
        paired: Number of exits that both have, in the same order and with the same reason.
        reasons: Number of exits for each reason, by KVM's name and its number, such as ``KVM_EXIT_IO 2``.
        offset: Seconds to subtract from QEMU's clock to get KVM's.
    """

    paired: int
    reasons: dict[str, int]
    offset: float


@dataclass(frozen=True)
class Moment:
    """A row in the list of events of both sides.

    Attributes:
        side: ``kvm`` or ``qemu``.
        name: Name of the event.
        text: The event's details.
    """

    side: str
    name: str
    text: str


@dataclass(frozen=True)
class Exits:
    """Recording of a boot.

    Attributes:
        budget: The exits by reason and by device.
        pairing: Agreement of KVM and QEMU.
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
"""Reasons that a trace reader may print for a `KVM_RUN` that a signal interrupted. It failed with EINTR, has no reason, and
does not involve QEMU."""

_ASKED = re.compile(rf"(?!{'|'.join(INTERRUPTED)})(KVM_EXIT_\w+) \((\d+)\)")

_ADDRESS = {
    "kvm_pio": ("io", re.compile(r"at (0x[0-9a-f]+)")),
    "kvm_mmio": ("memory", re.compile(r"gpa (0x[0-9a-f]+)")),
    "kvm_fast_mmio": ("memory", re.compile(r"gpa (0x[0-9a-f]+)")),
}
"""For each event, the address space and the place of the address in the event's text."""


def _exits(events: list[Event]) -> list[_Exit]:
    """Return each exit with its consequences until the next exit: the first accessed address, and whether QEMU handled it.

    This is correct for one processor only. An access that QEMU handles is completed when the processor runs again, so its event
    may come after the exit to user space; it still belongs to the exit before it.
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
    """Match each exit to user space in KVM's trace with the one in QEMU's log.

    QEMU does not log returns caused by a signal.

    Raises:
        AssertionError: The trace and the log differ.
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
    # QEMU logs after KVM, so the smallest difference is nearest to that of the two clocks.
    offset = min((later - earlier for (earlier, _, _), (later, _) in both), default=0.0)
    return Pairing(len(both), dict(Counter(f"{name} {reason}" for (_, name, reason), _ in both).most_common()), offset)


def _interrupt_ends(events: list[Event], after: float) -> float:
    """Return the time at which the guest acknowledges the first message-signalled interrupt after `after`.

    A processor that does this without an exit leaves no such event; then return the time at which the guest next runs.
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
    """Return whether an event is a write to a device's memory. On VMX a fast path (handle_ept_misconfig) has its own event."""
    return event.name == "kvm_fast_mmio" or (event.name == "kvm_mmio" and "write" in event.text)


def journey(events: list[Event], logged: list[Event], offset: float) -> list[Moment]:
    """Return the events of both sides during the last disk write, from the guest's kick to the end of its interrupt.

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
