"""The journey of one virtio-blk write: the functions that handle it, one after another, with the callers of each."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from kvmdocs import Shell, Tree, recipe
from recipes.build.linux import Kernel
from recipes.kvm.journey_events import GUEST, KVM, QEMU, WORKER, Address, Event, Frame, Hop, Wanted, find, merged, parse
from recipes.kvm.journey_run import BYTES, DELIVER, SECTOR, SIGNALS, Recorded

ISSUED = rf"WS? {BYTES} \(\) {SECTOR} \+ {BYTES // 512}\b"
"""Trace of the request in the block layer: a write (synchronous), its bytes, first sector and number of sectors."""

VCPU, DISK = "CPU 0/KVM", "IO disk"
"""Names of QEMU's threads: the vCPU's, in which KVM runs the guest, and the disk's."""

EXIT = {"kvm-amd": r"npf .*info2 {page}", "kvm-intel": r"EPT_MISCONFIG"}
"""Details of the exit for a write to a device's page."""


def door(fast: bool) -> tuple[Wanted, ...]:
    """Return the hops from KVM's exit to QEMU's eventfd.

    Args:
        fast: True if KVM first looks the page up on a separate bus; False if it emulates the instruction.
    """
    signal = Wanted("door", KVM, VCPU, "ioeventfd_write")
    if fast:
        return signal, Wanted("mmio", KVM, VCPU, "kvm_fast_mmio", r"gpa {page}")
    return Wanted("mmio", KVM, VCPU, "kvm_mmio", r"mmio write .*gpa {page}", through="x86_emulate_instruction"), signal


def stations(vendor: str, fast: bool) -> tuple[Wanted, ...]:
    """Return the hops of the write, in order.

    Args:
        vendor: The vendor's module of KVM.
        fast: As in `door`.
    """
    return (
        Wanted("submit", GUEST, ".*", "blk_mq_submit_bio", through="ksys_write"),
        Wanted("driver", GUEST, ".*", "virtio_queue_rqs?"),
        Wanted("issue", GUEST, ".*", "block_rq_issue", ISSUED),
        Wanted("notify", GUEST, ".*", "vp_notify(_with_data)?"),
        Wanted("exit", KVM, VCPU, "kvm_exit", EXIT[vendor]),
        *door(fast),
        Wanted("kick", QEMU, DISK, "virtio_queue_notify_vq"),
        Wanted("take", QEMU, DISK, "virtio_blk_handle_request"),
        Wanted("start", QEMU, DISK, "blk_aio_pwritev", rf"offset={SECTOR * 512}\b"),
        Wanted("file", QEMU, DISK, "raw_co_prw", rf"bytes={BYTES}\b"),
        Wanted("write", WORKER, "worker", "handle_aiocb_rw"),
        Wanted("complete", QEMU, DISK, "virtio_blk_rw_complete"),
        Wanted("push", QEMU, DISK, "virtqueue_push"),
        Wanted("signal", QEMU, DISK, "|".join(SIGNALS)),
        Wanted("wakeup", KVM, DISK, "irqfd_wakeup", through="ksys_write"),
        Wanted("message", KVM, DISK, "kvm_msi_set_irq", through="irqfd_wakeup"),
        Wanted("deliver", KVM, DISK, DELIVER[vendor], through="irqfd_wakeup"),
        Wanted("inject", KVM, VCPU, "kvm_inj_virq", r"IRQ 0x{hex_vector}\b", through="kvm_vcpu_ioctl"),
        Wanted("enter", KVM, VCPU, "kvm_entry", through="kvm_vcpu_ioctl"),
        Wanted("interrupt", GUEST, ".*", "vring_interrupt"),
        Wanted("done", GUEST, ".*", "virtblk_done"),
        Wanted("end", GUEST, ".*", "blk_mq_end_request\\w*"),
    )


@recipe(tools=("addr2line", "objdump"), memory="512M", disk="16M", timeout="10m", expects="5s")
def journey(
    sh: Shell, journey_run: Recorded, linux_build: Kernel, linux_source: Path, qemu_debug: Path, qemu_source: Path
) -> list[Hop]:
    """Put the traces on one clock, find the write in them, and give every caller its file and line.

    Returns:
        The hops in order.
    """
    sh.emulated |= journey_run.emulated
    sh.sources(linux=linux_source, qemu=qemu_source)
    guest = parse(journey_run.guest.read_text("utf-8"), GUEST)
    host = parse(journey_run.host.read_text("utf-8"), KVM, journey_run.base, journey_run.size)
    wanted = stations(journey_run.vendor, any(event.name == "kvm_fast_mmio" for event in host))
    events = find(merged(guest, host, journey_run.offset), wanted)
    times = [event.when for event in events]
    assert times == sorted(set(times)), f"the hops do not follow one another: {times}"
    places = _places(sh, events, linux_build, qemu_debug, (linux_source, qemu_source))
    hops = [_hop(one, event, times[0], places) for one, event in zip(wanted, events, strict=True)]
    for number, hop in enumerate(hops, 1):
        name = sh.write(f"hop-{number:02}-{hop.key}.txt", _stack(hop))
        with sh.section(hop.key):
            sh.line(f"cat {name.name}")
    return hops


def _hop(wanted: Wanted, event: Event, begin: int, places: dict[Address, tuple[Frame, ...]]) -> Hop:
    stack = [frame for address in event.stack for frame in places[address]]
    while stack and stack[0].inlined and stack[0].function.startswith("trace_"):
        stack.pop(0)
    assert stack, f"the hop {wanted.key!r} has no stack: {event}"
    first = stack[0]
    text = re.sub(r" <-.*| \(0x[0-9a-f]+\)| f\d+=\S+", "", event.text).rstrip(":")
    return Hop(
        wanted.key, wanted.actor, event.task, first.function, first.file, first.line, event.when - begin, text, tuple(stack)
    )


def _stack(hop: Hop) -> str:
    """Return the stack of a hop in the form shown on the page."""
    frames = [f"{frame.function} {_at(frame)}{' (inlined)' * frame.inlined}" for frame in hop.stack]
    return "\n".join([f"{hop.task}: {hop.text}", *frames, ""])


def _at(frame: Frame) -> str:
    return f"at {frame.file}:{frame.line}" if frame.file else "(code that the build generated)"


def _places(
    sh: Shell, events: Sequence[Event], kernel: Kernel, qemu: Path, trees: Sequence[Path]
) -> dict[Address, tuple[Frame, ...]]:
    """Return the function, file and line of each address, including functions inlined there."""
    by_module: dict[str | None, dict[Address, None]] = {}
    for address in (address for event in events for address in event.stack):
        by_module.setdefault(address.module if address.function else None, {})[address] = None
    modules = {module.stem.replace("-", "_"): module for module in kernel.build.glob("arch/x86/kvm/*.ko")}
    places: dict[Address, tuple[Frame, ...]] = {}
    for module, wanted in by_module.items():
        with sh.section(f"lines-{module or ('linux' if module == '' else 'qemu')}"):
            if module is None:
                places |= _lines(sh, qemu, "", {one: one.offset for one in wanted}, trees)
            else:
                places |= _kernel_lines(sh, modules[module] if module else kernel.vmlinux, tuple(wanted), trees)
    return places


def _kernel_lines(
    sh: Shell, program: Path, wanted: Sequence[Address], trees: Sequence[Path]
) -> dict[Address, tuple[Frame, ...]]:
    """Do the same for a kernel or a module.

    An address is a function and an offset, and each section of a module begins at 0.
    """
    names = "|".join(sorted({re.escape(one.function) for one in wanted}))
    symbols = symbols_of(sh.line(f"objdump -t {program} | grep -E ' ({names})$'"))
    places: dict[Address, tuple[Frame, ...]] = {}
    for section in dict.fromkeys(symbols[one.function][0] for one in wanted):
        inside = {one: symbols[one.function][1] + one.offset for one in wanted if symbols[one.function][0] == section}
        places |= _lines(sh, program, section if program.suffix == ".ko" else "", inside, trees)
    return places


def symbols_of(told: str) -> dict[str, tuple[str, int]]:
    """Return the section and address of each function in the output of ``objdump -t``."""
    found = re.findall(r"^([0-9a-f]+) .{7} (\.\S+)\s+[0-9a-f]+\s+(?:\.hidden\s+)?(\S+)$", told, re.MULTILINE)
    return {name: (section, int(address, 16)) for address, section, name in found}


def _lines(
    sh: Shell, program: Path, section: str, wanted: dict[Address, int], trees: Sequence[Path]
) -> dict[Address, tuple[Frame, ...]]:
    """Run ``addr2line``. A caller's address is the one after its call; the byte before belongs to the call."""
    at = {one: address - one.called for one, address in wanted.items()}
    options = f"-a -i -f -p {f'-j {section} ' * bool(section)}-e {program}"
    told = sh.line(f"addr2line {options} {' '.join(f'{address:#x}' for address in dict.fromkeys(at.values()))}")
    frames = frames_of(told, trees)
    return {one: frames[address] for one, address in at.items()}


_AT = re.compile(r"(?P<function>\S+) at (?P<file>\S+):(?P<line>\d+|\?)")


def frames_of(told: str, trees: Iterable[Path]) -> dict[int, tuple[Frame, ...]]:
    """Return for each address in ``addr2line -a -i -f -p`` its function and the functions that this one is inlined into."""
    frames: dict[int, tuple[Frame, ...]] = {}
    known = [Tree(tree.name, tree, str(tree)) for tree in trees]

    def inside(file: str) -> str:
        return next((path for tree in known if (path := tree.find(file))), "")

    for part in re.split(r"^(?=0x)", told, flags=re.MULTILINE)[1:]:
        address, _, rest = part.partition(": ")
        found = _AT.findall(rest)
        frames[int(address, 16)] = tuple(
            Frame(function, inside(file), int(line) if line.isdigit() else 0, number < len(found))
            for number, (function, file, line) in enumerate(found, 1)
        )
    return frames
