"""Debugging KVM itself with gdb: a stub in the QEMU that runs L1, and the debug information of the kernel built here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Gdb, Machine
from recipes.build.linux import Kernel
from recipes.debug.qemu_gdb import Frame, number, parse_frames
from recipes.kvm.host import L1_TOOLS, KvmHost, l1, load_kvm

LETTERS = r"""
/* letters: a virtual machine whose guest writes the letters A to Z to an I/O port, and halts. */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

static const unsigned char code[] = {
    0xba, 0xf8, 0x03,   /*       mov $0x3f8, %dx   the port  */
    0xb0, 'A',          /*       mov $'A', %al               */
    0xee,               /* next: out %al, (%dx)    the exit  */
    0xfe, 0xc0,         /*       inc %al                     */
    0x3c, 'Z' + 1,      /*       cmp $'Z' + 1, %al           */
    0x75, 0xf9,         /*       jne next                    */
    0xf4,               /*       hlt                         */
};

int main(void)
{
    int kvm = open("/dev/kvm", O_RDWR);
    int vm = ioctl(kvm, KVM_CREATE_VM, 0);
    void *memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    struct kvm_userspace_memory_region region = {
        .guest_phys_addr = 0x1000, .memory_size = 4096, .userspace_addr = (unsigned long)memory };
    ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);
    memcpy(memory, code, sizeof code);

    int vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
    struct kvm_run *run = mmap(NULL, ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), PROT_READ | PROT_WRITE, MAP_SHARED, vcpu, 0);
    struct kvm_sregs sregs;
    ioctl(vcpu, KVM_GET_SREGS, &sregs);
    sregs.cs.base = sregs.cs.selector = 0;
    ioctl(vcpu, KVM_SET_SREGS, &sregs);
    ioctl(vcpu, KVM_SET_REGS, &(struct kvm_regs){ .rip = 0x1000, .rflags = 2 });

    while (ioctl(vcpu, KVM_RUN, 0) == 0 && run->exit_reason == KVM_EXIT_IO)
        write(1, (char *)run + run->io.data_offset, run->io.size);
    write(1, "\n", 1);
    return run->exit_reason != KVM_EXIT_HLT;
}
"""
"""A minimal virtual machine, used as the guest while KVM is debugged: it does just enough to cause exits."""

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"

PORT = 0x3F8
"""Port that the letters are written to."""

BACKTRACE = "pipe bt | sed -n '1,/entry_64.S/p'"
"""Command that prints the call stack up to the system call. gdb would continue: it takes the saved registers of user space for
frames."""

GDB_LIMIT = 240.0
"""Seconds for one command of gdb: reading all debug information, or running into a breakpoint on a busy host."""

GO = 42
"""Value that gdb assigns to a kernel variable to let a script in the guest continue."""

WAIT = f'while [ "$(cat /guest/proc/sys/kernel/panic)" -ne {GO} ]; do :; done'
"""Wait loop of that script. The file shows the kernel's variable ``panic_timeout``."""


FIRST = ("kvm_x86_vendor_init", "kvm_init")
"""First function of ``kvm.ko`` that the vendor's module calls: the first name in Linux 6.12, the second in Linux 6.1. Both call
``svm_hardware_setup``."""

PATH = ("io_interception", "svm_handle_exit", "kvm_arch_vcpu_ioctl_run", "kvm_vcpu_ioctl", "__x64_sys_ioctl", "do_syscall_64")
"""Functions on the path of an exit, innermost first. There are others between them, which differ between versions."""

EXIT_IOIO = 0x7B
"""Exit code of port I/O (SVM_EXIT_IOIO in arch/x86/include/uapi/asm/svm.h)."""

KVM_EXIT_IO = 2
"""Exit reason for user space (include/uapi/linux/kvm.h)."""


@recipe(tools=("gdb", "gcc", *L1_TOOLS), memory="1500M", disk="32M", timeout="20m", expects="12s")
def debug_kvm(sh: Shell, qemu_optimised: Path, linux_build: Kernel, linux_source: Path, kvm_host: KvmHost) -> list[Frame]:
    """Stop KVM where it enters a guest and where it handles the exit, look at the vCPU, change what it does, and let it run.

    Returns:
        The call stack from the exit's handler to the system call.
    """
    sh.sources(linux=linux_source)
    host = with_svm(kvm_host)
    with _with_letters(sh, qemu_optimised, linux_build, host) as vm, ExitStack() as stack:
        with sh.section("load"):
            load_kvm(vm, host)
            assert vm.guest("letters").strip() == ALPHABET
            handlers = int(vm.guest("grep -w svm_exit_handlers /proc/kallsyms").split()[0], 16)
            # Wait for gdb first: if a machine is stopped while L2 runs, gdb sees the memory of L2.
            vm.guest_start(f"{{ {WAIT}; while letters >>/guest/tmp/said; do :; done; }}")
        with sh.section("connect"):
            gdb = _connected(sh, stack, linux_build, vm)
            assert "Linux version" in gdb("lx-version"), "the kernel's commands for gdb are not there"
        with sh.section("symbols"):
            assert "not defined" in gdb("info line kvm_arch_vcpu_ioctl_run")
            told = gdb(f"lx-symbols {linux_build.build}")
            assert set(loaded(told)) == {"irqbypass", "kvm", "kvm-amd"}, told
            assert "starts at address" in gdb("info line kvm_arch_vcpu_ioctl_run")
        _enter(sh, gdb)
        frames = _exit(sh, gdb, linux_source)
        _state(sh, gdb, handlers)
        _result(sh, gdb)
        with sh.section("helpers"):
            assert "letters" in gdb("lx-ps")
            assert re.search(r"kvm_amd\s+\d+\s+\d", gdb("lx-lsmod"))
            gdb("pipe lx-dmesg | tail -n 3")
            assert "nokaslr" in gdb("lx-cmdline")
        with sh.section("detach"):
            gdb("delete")
            assert "detached" in gdb("detach")
            said = vm.guest("await \"grep -m 1 '!' /guest/tmp/said\"")
            assert "!" in said and ALPHABET[-1] in said, said
    return frames


@recipe(tools=("gdb", "gcc", *L1_TOOLS), memory="1500M", disk="32M", timeout="20m", expects="12s")
def debug_kvm_from_load(sh: Shell, qemu_optimised: Path, linux_build: Kernel, linux_source: Path, kvm_host: KvmHost) -> None:
    """Connect before KVM is loaded, and stop in the code that runs while it loads."""
    sh.sources(linux=linux_source)
    host = with_svm(kvm_host)
    with _with_letters(sh, qemu_optimised, linux_build, host) as vm, ExitStack() as stack:
        with sh.section("start"):
            names = " ".join(module.name for module in host.modules)
            vm.guest_start(f"{{ {WAIT}; for name in {names}; do insmod /lib/modules/$name; done; letters; }}")
        with sh.section("connect"):
            gdb = _connected(sh, stack, linux_build, vm)
        with sh.section("symbols"):
            assert not loaded(gdb(f"lx-symbols {linux_build.build}"))
            assert "do_init_module" in gdb("maintenance info breakpoints")
        with sh.section("pending"):
            gdb("set breakpoint pending on")
            first = first_call(linux_source)
            assert "pending" in gdb(f"tbreak {first}")
            assert "<PENDING>" in gdb("info breakpoints")
        with sh.section("go"):
            gdb("print panic_timeout")
            gdb(f"set var panic_timeout = {GO}")
            told = gdb("continue")
            assert set(loaded(told)) == {"irqbypass", "kvm", "kvm-amd"}, told
            assert re.search(rf"Temporary breakpoint 1(\.1)?, {first} ", told), told
            assert "?? ()" in gdb("bt 9"), "the functions thrown away after use have names here"
        with sh.section("then"):
            # The function has not been called yet.
            assert "at 0x" in gdb("hbreak svm_hardware_setup")
            gdb("tbreak svm_vcpu_run")
            assert "svm_vcpu_run (vcpu=" in gdb("continue")
            assert "letters" in gdb("print $lx_current().comm")
            told = gdb("info breakpoints")
            assert "svm_hardware_setup" in told and "already hit" not in told, told
        with sh.section("detach"):
            gdb("delete")
            assert "detached" in gdb("detach")
            assert "kvm_amd" in vm.guest("lsmod")


def with_svm(host: KvmHost) -> KvmHost:
    """Return the same host if its processor has SVM, whose functions are followed here; else the one that QEMU emulates.

    QEMU's emulation has SVM on every host, but not VMX.
    """
    if host.vendor == "kvm-amd":
        return host
    modules = (*host.modules[:-1], host.other)
    return KvmHost("tcg", "max", modules, host.modules[-1], "the functions of SVM are followed here, and its processor has VMX")


def first_call(source: Path) -> str:
    """Return the function of `FIRST` that the vendors' modules in a source tree call.

    Args:
        source: The kernel's source tree.
    """
    half = (source / "arch/x86/kvm/svm/svm.c").read_text("utf-8")
    return next(name for name in FIRST if f"{name}(" in half)


def loaded(told: str) -> list[str]:
    """Return the modules whose symbols ``lx-symbols`` reported as loaded."""
    return re.findall(r"^loading @0x[0-9a-f]+: \S+/([\w-]+)\.ko$", told, re.MULTILINE)


def in_order(wanted: Sequence[str], names: Sequence[str]) -> bool:
    """Return whether all of `wanted` are in `names`, in that order; others may be between them."""
    rest = iter(names)
    return all(name in rest for name in wanted)


def build_letters(sh: Shell) -> Path:
    """Compile the program `LETTERS`, which needs no shared library."""
    sh.write("letters.c", LETTERS.lstrip())
    sh.gcc("-static", "-O1", "-o", "letters", "letters.c")
    return sh.workspace / "letters"


@contextmanager
def _with_letters(sh: Shell, qemu: Path, kernel: Kernel, host: KvmHost) -> Iterator[Machine]:
    """Run an L1 with a gdb stub and the program `letters` during a ``with`` block."""
    with sh.section("program"):
        letters = build_letters(sh)
    with sh.section("pack"):
        machine = l1(sh, qemu, kernel, host, files={"/bin/letters": letters}, gdbstub=True)
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(machine)
        yield vm


def _connected(sh: Shell, stack: ExitStack, kernel: Kernel, vm: Machine) -> Gdb:
    """Start a gdb that has the kernel's symbols and gdb scripts, and connect it to a machine's stub."""
    safe = f"add-auto-load-safe-path {kernel.build}"
    gdb = stack.enter_context(Gdb(sh, init=[safe], program=kernel.vmlinux, timeout=GDB_LIMIT))
    assert "Remote debugging" in gdb(f"target remote {vm.gdbstub}")
    return gdb


def _enter(sh: Shell, gdb: Gdb) -> None:
    """Follow the path from the system call to the function that enters the guest."""
    with sh.section("hardware"):
        assert "Hardware assisted breakpoint 1" in gdb("hbreak kvm_arch_vcpu_ioctl_run")
        assert "hw breakpoint" in gdb("info breakpoints")
        gdb(f"set var panic_timeout = {GO}")
        assert re.search(r"Breakpoint 1, kvm_arch_vcpu_ioctl_run", gdb("continue"))
    with sh.section("junk"):
        assert "in entry_SYSCALL_64" in gdb("bt -frame-arguments none")
    with sh.section("vcpu"):
        gdb("set $vcpu = vcpu")
        assert "letters" in gdb("print $lx_current().comm")
        assert number(gdb("print $vcpu->vcpu_id")) == 0
        assert number(gdb("print $vcpu->kvm->created_vcpus")) == 1
        gdb("print $vcpu->stat.exits")
    with sh.section("enter"):
        gdb("delete 1")
        gdb("tbreak svm_vcpu_run")
        assert re.search(r"Temporary breakpoint 2, svm_vcpu_run", gdb("continue"))
        assert "kvm_arch_vcpu_ioctl_run" in gdb("bt 5")


def _exit(sh: Shell, gdb: Gdb, source: Path) -> list[Frame]:
    """Continue to the handler of the exit that the guest's `out` causes, and return the call stack there."""
    with sh.section("exit"):
        gdb("tbreak io_interception")
        assert re.search(r"Temporary breakpoint 3\S*, io_interception", gdb("continue"))
    with sh.section("stack"):
        frames = parse_frames(gdb(BACKTRACE), source)
        names = [frame.function for frame in frames]
        assert in_order(PATH, names), names
        assert names[-1].startswith("entry_SYSCALL_64"), names
    return frames


def _state(sh: Shell, gdb: Gdb, handlers: int) -> None:
    """Show the state of the exit in the processor and in KVM.

    Args:
        sh: The recipe's shell.
        gdb: The debugger, in the exit's handler.
        handlers: Address of the table of handlers according to L1's kernel. gdb itself looks for variables of Linux 6.12's
            modules in the wrong section.
    """
    with sh.section("vmcb"):
        gdb("set $vmcb = ((struct vcpu_svm *)$vcpu)->vmcb")
        assert hexadecimal(gdb("print/x $vmcb->control.exit_code")) == EXIT_IOIO
        what = hexadecimal(gdb("print/x $vmcb->control.exit_info_1"))
        assert hexadecimal(gdb("print/x $vmcb->control.exit_info_1 >> 16")) == PORT == what >> 16
        assert number(gdb("print $vmcb->control.exit_info_1 & 1")) == 0
        assert number(gdb("print $vmcb->control.exit_info_1 >> 4 & 7")) == 1
        after = hexadecimal(gdb("print/x $vmcb->control.exit_info_2"))
        assert hexadecimal(gdb("print/x $vmcb->save.rip")) == after - 1, "`out %al, (%dx)` is one byte long"
        assert "io_interception" in gdb(f"info symbol ((long *){handlers:#x})[{EXIT_IOIO:#x}]")
    with sh.section("registers"):
        assert chr(hexadecimal(gdb("print/x $vcpu->arch.regs[0]"))) in ALPHABET
        assert hexadecimal(gdb("print/x $vcpu->arch.regs[2]")) == PORT


def _result(sh: Shell, gdb: Gdb) -> None:
    """Show the result for user space, and change a letter on its way there."""
    with sh.section("finish"):
        assert re.search(r"Value returned is \$\d+ = 0", gdb("finish"))
    with sh.section("run"):
        assert number(gdb("print $vcpu->run->exit_reason")) == KVM_EXIT_IO
        told = gdb("print $vcpu->run->io")
        assert "direction = 1" in told and f"port = {PORT}" in told, told
        letter = re.search(r"'(.)'$", gdb("print/c *(char *)$vcpu->arch.pio_data"), re.MULTILINE)
        assert letter and letter[1] in ALPHABET, letter
        gdb("set var *(char *)$vcpu->arch.pio_data = '!'")
    with sh.section("step"):
        assert "ENABLE=1,NOIRQ=2,NOTIMER=4" in gdb("maintenance packet qqemu.sstepbits")
        assert re.search(r'received: "0x[0-7]"', gdb("maintenance packet qqemu.sstep"))
        for _ in range(3):
            told = gdb("next")
            assert re.search(r"^\d+\t|\) at .*:\d+", told, re.MULTILINE), told


def hexadecimal(told: str) -> int:
    """Return the number that gdb's ``print/x`` printed.

    Raises:
        AssertionError: There is no number.
    """
    found = re.search(r"^\$\d+ = (0x[0-9a-f]+)$", told, re.MULTILINE)
    assert found, f"gdb printed no hexadecimal number: {told!r}"
    return int(found[1], 16)
