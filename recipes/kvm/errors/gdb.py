"""The error museum: the debugger's messages about a process, a program and a kernel."""

from __future__ import annotations

import os
import re
from contextlib import ExitStack
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Gdb, Guest, Machine
from recipes.build.linux import Kernel
from recipes.kvm.errors.refusals import printed
from recipes.run.guest import FIRMWARE, Accelerator
from recipes.run.machine import BOOT_LIMIT, machine

GDB = "gdb -q -nx -batch"
"""Command of a non-interactive gdb: no greeting, no start-up files, no questions."""

NOBODY = "setpriv --reuid=65534 --regid=65534 --clear-groups"
"""Command prefix that runs a program as a user other than the process's owner."""

WITHOUT_PTRACE = "setpriv --bounding-set=-sys_ptrace --inh-caps=-sys_ptrace"
"""Command prefix that runs a program as root but without CAP_SYS_PTRACE, which a container does not have either."""

WATCHED = "do_sys_openat2"
"""A kernel function that runs for every opened file."""


@recipe(tools=("gdb", "readelf", "setpriv"), needs=("ptrace",), memory="1G", disk="64M", timeout="10m", expects="10s")
def museum_gdb(sh: Shell, qemu_optimised: Path, qemu_source: Path, linux_build: Kernel) -> None:
    """Attach without permission, break in a program without symbols, and miss the kernel's own gdb commands."""
    if os.geteuid() != 0:
        sh.skip("only root can give rights away; this user is not root")
    sh.sources(qemu=qemu_source)
    with sh.section("denied"):
        target = sh.spawn("sleep", "600", cwd=Path("/"))
        with sh.cd("/"):
            for less in (NOBODY, WITHOUT_PTRACE):
                told = says(sh, f"{less} {GDB} -p {target.pid}")
                assert "ptrace: Operation not permitted" in told, told
            told = says(sh, f"{GDB} -p {target.pid} -ex 'info proc'")
            assert f"process {target.pid}" in told, told
    with sh.section("stripped"):
        sh.strip("-o", "stripped", qemu_optimised)
        told = says(sh, f"{GDB} -ex 'break virtqueue_flush' ./stripped")
        assert "No symbol table is loaded" in told or "not defined" in told, told
        told = says(sh, f"{GDB} -ex 'break virtqueue_flush' -s {qemu_optimised} -e ./stripped")
        assert "Breakpoint 1 at" in told, told
    with sh.section("lx"):
        told = says(sh, f"{GDB} -ex lx-version {linux_build.vmlinux}")
        assert 'Undefined command: "lx-version"' in told, told
        assert "auto-loading has been declined" in told, told
        told = says(sh, f"{GDB} -iex 'add-auto-load-safe-path {linux_build.build}' -ex lx-version {linux_build.vmlinux}")
        assert "Linux version" in told, told


def says(sh: Shell, line: str) -> str:
    """Return a line's output on both streams, whatever its exit status: gdb's says little about the commands it ran."""
    sh.line(line, _ok_code=range(256))
    return printed(sh)


@recipe(tools=("gdb", "readelf", *FIRMWARE), memory="1500M", disk="16M", timeout="40m", expects="20s")
def museum_gdb_kernel(
    sh: Shell, qemu_optimised: Path, linux_guest: Guest, linux_build: Kernel, linux_source: Path, accelerator: Accelerator
) -> None:
    """Debug a kernel with the wrong architecture, and one that is not where its symbols say; then find it in two ways."""
    sh.sources(linux=linux_source)
    moved = Guest(linux_guest.kernel, linux_guest.initramfs)  # without nokaslr
    vmlinux = linux_build.vmlinux

    safe = (f"add-auto-load-safe-path {linux_build.build}",)

    def stubbed(name: str, guest: Guest, *args: str) -> Machine:
        return machine(sh, qemu_optimised, guest, accelerator, name=name, gdbstub=True, args=args, shell=not args)

    with sh.section("place"):
        here = address(sh.line(f"nm {vmlinux} | grep ' _text$'"))
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(stubbed("moved", moved))
            tries = 1
            while address(vm.guest(TEXT)) - here < FAR and tries < TRIES:
                stack.close()
                vm = stack.enter_context(stubbed("moved", moved))
                tries += 1
        with sh.section("architecture"):
            told = says(sh, f"{GDB} -ex 'set architecture i386' -ex 'target remote {vm.gdbstub}'")
            assert "Remote 'g' packet reply is too long" in told, told
            told = says(sh, f"{GDB} -ex 'target remote {vm.gdbstub}' -ex 'info registers rip'")
            assert re.search(r"^rip\s+0x", told, re.MULTILINE), told
        with sh.section("kaslr"):
            _miss(vm, stack.enter_context(Gdb(sh, program=vmlinux, init=safe, remote=vm.gdbstub)))
    with (
        sh.section("early"),
        stubbed("early", linux_guest, "-S") as vm,
        Gdb(sh, program=vmlinux, init=safe, timeout=BOOT_LIMIT) as gdb,
    ):
        gdb(f"target remote {vm.gdbstub}")
        gdb("hbreak start_kernel")
        told = gdb("continue")
        assert re.search(r"Breakpoint 1, .*start_kernel", told, re.DOTALL), told
        # By now the kernel is at its final address, and a breakpoint instruction can be written there.
        gdb(f"break {WATCHED}")
        told = gdb("continue")
        assert re.search(rf"Breakpoint 2, .*{WATCHED}", told, re.DOTALL), told
        gdb("bt 4")
        gdb("delete")
        gdb("detach")
    with sh.section("offset"), stubbed("moved", moved) as vm:
        there = address(vm.guest(TEXT))
        vm.guest_start(OPENS)
        with Gdb(sh, init=safe, remote=vm.gdbstub) as gdb:
            gdb(f"symbol-file -o {there - here:#x} {vmlinux}")
            _hit(gdb)


TEXT = "grep ' _text$' /proc/kallsyms"
"""Command for the guest's shell that prints where the kernel's code begins."""

FAR = 64 << 20
"""Minimum distance in bytes from the address in the symbols, so that nothing of the kernel is there. About one boot in thirty
is nearer."""

TRIES = 5
"""Largest number of boots until the kernel has chosen an address that far away."""

OPENS = "while cat /guest/proc/version; do :; done"
"""A loop that opens files endlessly."""


def _miss(vm: Machine, gdb: Gdb) -> None:
    """Set a breakpoint at an address without the kernel. The machine opens files, shuts down, and never stops there."""
    gdb("bt 2")
    assert "Cannot access memory" in gdb("x/s linux_banner")
    gdb(f"hbreak {WATCHED}")
    gdb("continue &")
    assert "Linux version" in vm.guest("cat /proc/version")
    vm.guest_start("/guest/bin/poweroff -f")
    vm.wait_exit()
    told = gdb("info breakpoints")
    assert WATCHED in told, told
    assert "already hit" not in told, told


def _hit(gdb: Gdb) -> None:
    """Stop in the function that runs for every opened file, and continue."""
    assert "Linux version" in gdb("x/s linux_banner")
    gdb(f"hbreak {WATCHED}")
    told = gdb("continue")
    assert re.search(rf"Breakpoint 1, .*{WATCHED}", told, re.DOTALL), told
    assert "already hit 1 time" in gdb("info breakpoints")
    gdb("delete")
    gdb("detach")


def address(symbol: str) -> int:
    """Return the address in a line of ``nm`` or ``/proc/kallsyms``."""
    return int(symbol.split(maxsplit=1)[0], 16)
