"""The error museum: the debugger's messages about a QEMU and a kernel that run under KVM."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Gdb, Machine
from recipes.build.linux import Kernel
from recipes.kvm.host import INNER_LIMIT, L1_TOOLS, KvmHost, inner, l1, load_kvm

WIRES = {"l1.signals": "/dev/ttyS2", "l1.breakpoints": "/dev/ttyS3"}
"""L1's third and fourth serial port, by the host's socket at the other end. Each debugger has its own port, because data that
one of them left unread would confuse the next."""

L2 = (
    "/bin/qemu-system-x86_64 -accel kvm -cpu host -m 64M -L /firmware -nodefaults -display none -no-reboot "
    "-kernel /inner/bzImage -initrd /inner/initramfs.cpio.gz -serial file:/guest/tmp/l2.console"
)
"""A machine under KVM that boots and shuts down; its output goes to a file in L1."""


@recipe(tools=("gdb", "gdbserver", *L1_TOOLS), memory="1500M", disk="192M", timeout="20m", expects="30s")
def museum_gdb_kvm(
    sh: Shell, qemu_optimised: Path, qemu_source: Path, linux_build: Kernel, linux_source: Path, kvm_host: KvmHost
) -> None:
    """Debug a QEMU that uses KVM, and stop at its signals; then debug its guest's kernel too early."""
    sh.sources(qemu=qemu_source, linux=linux_source)
    with sh.section("pack"):
        parts = inner(sh, qemu_optimised, linux_build)
        wires = [word for name in WIRES for word in ("-serial", f"unix:{name},server=on,wait=off")]
        vm = l1(sh, qemu_optimised, linux_build, kvm_host, inner=parts, programs=("gdbserver",), args=wires)
    with ExitStack() as stack:
        with sh.section("start"):
            stack.enter_context(vm)
            load_kvm(vm, kvm_host)
        with sh.section("sigusr1"):
            _signals(sh, vm, qemu_optimised)
        with sh.section("breakpoints"):
            _breakpoints(sh, vm, linux_build, kvm_host)


def _signals(sh: Shell, vm: Machine, qemu: Path) -> None:
    """Run a QEMU under the debugger until it gets a signal, then have the debugger pass signals on."""
    name, port = "l1.signals", WIRES["l1.signals"]
    vm.guest_start(f"gdbserver {port} {L2} -append 'console=ttyS0 quiet panic=-1'")
    _wait_for_the_wire(vm, port)
    with Gdb(sh, program=qemu, init=("set sysroot /",), timeout=INNER_LIMIT) as gdb:
        gdb(f"target remote {name}")
        told = gdb("continue")
        assert "received signal SIGUSR1" in told, told
        gdb("bt 6")
        gdb("handle SIGUSR1 pass nostop noprint")
        told = gdb("continue")
        # gdbserver 13 sometimes misses how the last thread ended.
        assert re.search(r"exited normally|No unwaited-for children left", told), told
    assert "hello" in vm.guest("cat /guest/tmp/l2.console")


def _breakpoints(sh: Shell, vm: Machine, kernel: Kernel, host: KvmHost) -> None:
    """Break in a kernel whose code is not in memory yet: by writing an instruction, and by a debug register."""
    name, port = "l1.breakpoints", WIRES["l1.breakpoints"]
    vm.guest_start(f"{L2} -append 'console=ttyS0 quiet panic=-1 nokaslr' -S -gdb {port}")
    _wait_for_the_wire(vm, port)
    with Gdb(sh, program=kernel.vmlinux, init=(f"add-auto-load-safe-path {kernel.build}",), timeout=INNER_LIMIT) as gdb:
        gdb(f"target remote {name}")
        gdb("break start_kernel")
        told = gdb("continue")
        assert "Cannot access memory at address" in told, told
        gdb("delete")
        assert "Hardware assisted breakpoint" in gdb("hbreak start_kernel")
        told = gdb("continue")
        if host.accel == "kvm" or "exited normally" not in told:
            assert re.search(r"Breakpoint 2, .*start_kernel", told), told
            gdb("delete")
            told = gdb("continue")
        # If QEMU 7.2 emulates L1's processor, the guest does not stop. QEMU 10.0 has debug registers for a nested guest.
        assert "exited normally" in told, told


def _wait_for_the_wire(vm: Machine, port: str) -> None:
    """Wait until the newest process has opened the serial port; until then the port echoes the debugger's data."""
    vm.guest(f"await 'ls -l /proc/$!/fd | grep -q {port}'", timeout=INNER_LIMIT)
