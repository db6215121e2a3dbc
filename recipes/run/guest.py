"""The guest that the lab's machines boot, and the accelerator for it: KVM if it really works, else emulation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Guest, boots_under, build_initramfs
from recipes.build.linux import Kernel

FIRMWARE = ("seabios", "qemu-roms")
"""Firmware packages for a QEMU whose source came without firmware, as Debian's does."""

STILL = "nokaslr"
"""Kernel parameters that keep the kernel's code at the addresses in its debug information."""

KVM_LIMIT = 25.0
"""Seconds for a guest under KVM to boot. It needs one or two; a KVM that hangs costs this much once."""

TCG_LIMIT = 240.0
"""Seconds for a guest under emulation to boot on a host that is busy with other work."""


@dataclass(frozen=True)
class Accelerator:
    """Accelerator of this host's guests.

    Attributes:
        name: Value of ``-accel``: ``kvm`` or ``tcg``.
        cpu: Value of ``-cpu`` with which the guest booted.
        reason: Why it is not KVM; "" if it is.
    """

    name: str
    cpu: str
    reason: str = ""


@recipe(tools=("busybox", "cpio", "gzip"), memory="256M", disk="16M", expects="3s")
def linux_guest(sh: Shell, linux_build: Kernel) -> Guest:
    """Pack a root file system of one program, busybox, for the kernel just built.

    Returns:
        The kernel's image and the initramfs.
    """
    with sh.section("pack"):
        initramfs = build_initramfs(sh)
    with sh.section("look"):
        sh.line(f"ls -lh {initramfs.name}")
        held = sh.line(f"zcat {initramfs.name} | cpio -t --quiet")
        assert {"init", "bin/busybox", "bin/sh"} <= set(held.split()), held
    return Guest(linux_build.image, initramfs, STILL)


@recipe(tools=FIRMWARE, facts=("kvm-device", "cpu-flags", "kernel"), memory="512M", timeout="15m", expects="40s")
def accelerator(sh: Shell, qemu_optimised: Path, linux_guest: Guest) -> Accelerator:
    """Find out whether a guest really boots under KVM here; if not, it has to under emulation.

    A ``/dev/kvm`` that exists and answers proves little: a guest may still hang without a message. So a guest is booted.

    Returns:
        The options with which every other machine of the lab is started.
    """
    with sh.section("probe"):
        boots, told = boots_under(sh, qemu_optimised, linux_guest, "kvm", KVM_LIMIT)
        # The guest's output in the last attempt: its last lines, or nothing.
        sh.line("wc -c vm.console && tail -n 3 vm.console", _ok_code=[0, 1])
    if boots:
        return Accelerator("kvm", told)
    with sh.section("fallback"):
        emulated, cpu = boots_under(sh, qemu_optimised, linux_guest, "tcg", TCG_LIMIT)
        assert emulated, f"a guest boots neither under KVM ({told}) nor under emulation ({cpu})"
        sh.line("tail -n 3 vm.console")
    return Accelerator("tcg", cpu, steady(told))


def steady(told: str) -> str:
    """Return a reason without details that differ between attempts, which would make all dependent recipes run again."""
    return re.sub(r"within [\d.]+ s", f"within {KVM_LIMIT:g} s", told).replace("\\", "")
