"""Boot time of a guest, by its kernel's own clock."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Guest
from recipes.run.guest import FIRMWARE, Accelerator
from recipes.run.machine import machine

STAMPED = "printk.time=1 initcall_debug log_buf_len=1M"
"""Kernel parameters: stamp each message, report each initcall, and have a log large enough for all that."""

MILESTONES = {
    "begin": r"Linux version ",
    "memory": r"Memory: \d+K/\d+K available",
    "processors": r"smp: Brought up ",
    "devices": r"PCI: Using configuration type|pci_bus 0000:00: root bus resource",
    "unpack": r"Trying to unpack rootfs image as initramfs|Unpacking initramfs",
    "serial": r"ttyS0 at I/O 0x3f8",
    "disk": r"virtio_blk virtio\d+: \[vda\]",
    "free": r"Freeing unused kernel image \(initmem\) memory",
    "init": r"Run /init as init process",
}
"""Messages that mark the stages of a boot, by pattern, in the order of Linux 6; a kernel need not print all of them."""

MUST = {"begin", "memory", "devices", "init"}
"""Stages that every kernel of these guides reports."""

_LINE = re.compile(r"^\[ *(\d+\.\d+)\] (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Milestone:
    """A kernel message that marks a stage of the boot.

    Attributes:
        key: Its name in `MILESTONES`.
        when: Seconds on the kernel's clock.
        text: The message.
    """

    key: str
    when: float
    text: str


@dataclass(frozen=True)
class Call:
    """An initcall: a function that initialises something while the kernel boots.

    Attributes:
        name: Its name.
        seconds: Its duration.
    """

    name: str
    seconds: float


@dataclass(frozen=True)
class Boot:
    """Milestones and initcalls of a boot.

    Attributes:
        milestones: The stages with their times.
        calls: The slowest initcalls, slowest first.
        count: Number of all initcalls.
    """

    milestones: tuple[Milestone, ...]
    calls: tuple[Call, ...]
    count: int


@recipe(tools=FIRMWARE, memory="768M", disk="32M", timeout="15m", expects="8s")
def boot_times(sh: Shell, qemu_optimised: Path, linux_guest: Guest, accelerator: Accelerator) -> Boot:
    """Boot a guest whose kernel stamps its messages, and read from them what it did when.

    Returns:
        The stages with their times, and the slowest initcalls.
    """
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(
                machine(sh, qemu_optimised, linux_guest, accelerator, append=STAMPED, disk="64M", name="clock")
            )
        with sh.section("log"):
            log = vm.guest("dmesg | grep -v -e ' calling ' -e ' initcall ' -e ' probe of '")
        with sh.section("calls"):
            count = vm.guest("dmesg | grep -c ' initcall .* returned '")
            calls = vm.guest(
                "dmesg | sed -n 's/.* initcall \\([^+ ]*\\).* after \\([0-9]*\\) usecs.*/\\2 \\1/p' | sort -n -r | head -n 12"
            )
    found = milestones(log)
    keys = {one.key for one in found}
    assert keys >= MUST, f"the kernel never said: {sorted(MUST - keys)}"
    assert [one.when for one in found] == sorted(one.when for one in found), found
    slowest = tuple(Call(name, int(took) / 1e6) for took, name in re.findall(r"^(\d+) (\S+)$", calls, re.MULTILINE))
    assert slowest, calls
    return Boot(found, slowest, int(count))


def milestones(log: str) -> tuple[Milestone, ...]:
    """Return the milestones in a kernel's log, each at the first message that marks it, in order of time.

    Args:
        log: The output of ``dmesg``, with time stamps.
    """
    lines = [(float(when), text) for when, text in _LINE.findall(log)]
    found = [
        next((Milestone(key, when, text) for when, text in lines if re.search(pattern, text)), None)
        for key, pattern in MILESTONES.items()
    ]
    return tuple(sorted((one for one in found if one), key=lambda one: one.when))
