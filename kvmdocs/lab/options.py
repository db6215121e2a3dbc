"""The QEMU command line of a lab's machine."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from kvmdocs.lab.firmware import firmware_folders
from kvmdocs.lab.guest import Guest

CPUS = {"tcg": ("max",), "kvm": ("host", "host,arch-capabilities=off")}
"""Values of ``-cpu`` to try with each accelerator, best first. The last one is for a software KVM (kvm_pvm)."""

KERNEL_LINE = ("console=ttyS0", "panic=-1", "no_timer_check")
"""Kernel command-line arguments of every machine.

``no_timer_check``: a booting kernel counts timer interrupts and panics if there are too few, which happens with an emulated
timer on a busy host. Under KVM it does not count them (arch/x86/kernel/apic/io_apic.c, arch/x86/kernel/kvm.c).
"""


def options(
    name: str,
    qemu: Path,
    guest: Guest,
    *,
    accel: str,
    cpu: str | None,
    cpus: int,
    memory: str,
    disk: str | Path | None,
    args: Sequence[str | Path],
    append: str,
    gdbstub: str,
    firmware: Sequence[str | Path] | None,
) -> list[str]:
    """Return the arguments of a machine's QEMU, without the program itself.

    The parameters are those of `kvmdocs.lab.machine.Machine`, except `gdbstub`: the unix socket of the gdb stub, "" for none.
    """
    return [
        *("-name", f"{name},debug-threads=on"),
        *("-accel", accel),
        *("-cpu", cpu or CPUS.get(accel.partition(",")[0], ("max",))[0]),
        *("-smp", str(cpus)),
        *("-m", memory),
        *(word for folder in firmware_folders(qemu, firmware) for word in ("-L", str(folder))),
        *("-kernel", str(guest.kernel)),
        *("-initrd", str(guest.initramfs)),
        *("-append", " ".join([*KERNEL_LINE, *guest.append.split(), *append.split()])),
        *_drive(name, disk),
        # No default devices. -no-reboot: a guest that resets ends QEMU, so that a panic does not become a boot loop.
        *("-nodefaults", "-display", "none", "-no-reboot"),
        *("-serial", f"file:{name}.console"),
        *("-serial", f"unix:{name}.shell,server=on,wait=off"),
        *("-qmp", f"unix:{name}.qmp,server=on,wait=off"),
        *("-pidfile", f"{name}.pid"),
        *(("-gdb", f"unix:{gdbstub},server=on,wait=off") if gdbstub else ()),
        *map(str, args),
    ]


def _drive(name: str, disk: str | Path | None) -> Iterator[str]:
    if disk:
        image = disk if isinstance(disk, Path) else f"{name}.img"
        yield from ("-drive", f"file={image},format=raw,if=none,id=disk")
        yield from ("-device", "virtio-blk-pci,drive=disk")
