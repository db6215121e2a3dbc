"""Easier ways to look into a kernel with KVM: crash and drgn on a dump of its memory."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import SpecifierSet

from kvmdocs import Shell, recipe
from recipes.build.linux import Kernel
from recipes.kvm.host import INNER_LIMIT, L1_TOOLS, KvmHost, inner, inner_script, l1, load_kvm

HALTED = "System halted"
"""Last message of a Linux that is told to halt (kernel/reboot.c); its processor then waits forever."""

_INNER_INIT = """\
#!/bin/sh
/bin/busybox halt -f
"""

_INNER_SCRIPT = inner_script("-name l2,debug-threads=on", serial="file:/tmp/l2.console")


@dataclass(frozen=True)
class Dump:
    """The memory of a machine at one moment.

    Attributes:
        file: An ELF core file.
        task: Process id, in the machine, of the vCPU thread of the QEMU that ran there.
    """

    file: Path
    task: int


@recipe(tools=L1_TOOLS, memory="1500M", disk="768M", timeout="20m", expects="20s")
def kvm_dump(sh: Shell, qemu_optimised: Path, linux_build: Kernel, kvm_host: KvmHost) -> Dump:
    """Dump the memory of an L1 in which KVM runs a guest.

    Returns:
        The dump, and the id of the vCPU's thread.
    """
    with sh.section("pack"):
        parts = inner(sh, qemu_optimised, linux_build, init=_INNER_INIT, script=_INNER_SCRIPT)
        vm = l1(
            sh,
            qemu_optimised,
            linux_build,
            kvm_host,
            inner=parts,
            memory="384M",
            args=("-device", "vmcoreinfo"),
        )
    with sh.section("start"), vm:
        load_kvm(vm, kvm_host)
        with sh.section("guest"):
            vm.guest_start("inner")
            vm.guest(f"await \"grep -q -s '{HALTED}' /tmp/l2.console\"", timeout=INNER_LIMIT)
            threads = vm.guest("grep . /proc/$!/task/*/comm")
            found = re.search(r"task/(\d+)/comm:CPU 0/KVM", threads)
            assert found, threads
            vm.guest("thread=$(grep -l 'CPU 0/KVM' /proc/$!/task/*/comm)")
            vm.guest("await \"grep -q '^State:.S' ${thread%comm}status\"", timeout=INNER_LIMIT)
        with sh.section("dump"):
            vm.qmp("dump-guest-memory", paging=True, protocol="file:l1.core", timeout=300.0)
            sh.ls("-lh", "l1.core")
    return Dump(sh.workspace / "l1.core", int(found[1]))


CRASH = """\
mod
mod -s kvm {kvm}
list -H vm_list -o kvm.vm_list -s kvm.userspace_pid,created_vcpus
list task_struct.tasks -h init_task -s task_struct.pid,comm
bt {task}
log -t | grep -i kvm
quit
"""
"""Commands for crash: KVM's modules, each VM, each process, the position of the vCPU's thread, and KVM's log messages."""

DRGN = """\
from drgn import cast, container_of
from drgn.helpers.linux.list import list_for_each_entry
from drgn.helpers.linux.xarray import xa_for_each

# Each VM of the host, each vCPU of the VM, and what made it leave its guest so far.
for kvm in list_for_each_entry("struct kvm", prog["vm_list"].address_of_(), "vm_list"):
    print("VM of process", kvm.userspace_pid.value_())
    for number, entry in xa_for_each(kvm.vcpu_array.address_of_()):
        vcpu = cast("struct kvm_vcpu *", entry)
        for reason in ("exits", "io_exits", "mmio_exits", "irq_exits", "halt_exits"):
            print(f"  vCPU {number} {reason}:", getattr(vcpu.stat, reason).value_())
{vendor}
# The thread that runs the vCPU, and where in the kernel it is.
for leader in list_for_each_entry("struct task_struct", prog["init_task"].tasks.address_of_(), "tasks"):
    for thread in list_for_each_entry("struct task_struct", leader.signal.thread_head.address_of_(), "thread_node"):
        if thread.comm.string_().startswith(b"CPU "):
            print(thread.pid.value_(), thread.comm.string_().decode())
            print(prog.stack_trace(thread))
"""

SVM = """\
        control = container_of(vcpu, "struct vcpu_svm", "vcpu").vmcb.control
        print(f"  vCPU {number} left last with exit code:", hex(control.exit_code.value_()))
"""
"""The field where AMD's module keeps the last exit reason; Intel's module has to ask the processor."""


MODULES = ("include/linux/module.h", "struct module_memory", "Linux 6.4 and newer")
"""A change of the kernel: each kind of a module's memory has its own description."""
TASKS = ("include/linux/pid.h", "struct upid numbers[];", "Linux 6.5 and newer, and updates of 6.1")
"""A change of the kernel: the array that crash counts tasks with has no length any more. An older crash finds only one task."""

KNOWS = {"crash": ("8.0.4", (MODULES, TASKS)), "drgn": ("0.0.23", (MODULES,))}
"""First version of each tool that knows these changes of the kernel. A change is a file, a text in it, and the kernels that
have it."""


@recipe(tools=("crash", "readelf"), memory="1500M", disk="16M", timeout="10m", expects="15s")
def with_crash(sh: Shell, kvm_dump: Dump, linux_build: Kernel, linux_source: Path) -> None:
    """Look into the dump with crash: modules, VMs, processes, the stack of a vCPU's thread.

    Raises:
        Skipped: This host's crash is older than the kernel.
    """
    with sh.section("version"):
        check_version(sh, "crash", linux_source)
    with sh.section("look"):
        sh.write("look", CRASH.format(kvm=linux_build.build / "arch/x86/kvm/kvm.ko", task=kvm_dump.task))
        told = sh.line(f"crash -s -i look {linux_build.vmlinux} {kvm_dump.file} </dev/null")
    assert re.search(r"^\S+ +kvm +\S+ +\d+ +\S+/kvm\.ko", told, re.MULTILINE), told
    assert re.search(r"userspace_pid = [1-9]\d*,\s+created_vcpus = 1,", told), told
    assert 'comm = "kthreadd' in told, told
    assert re.search(r"^ #\d+ \[\w+\] kvm_arch_vcpu_ioctl_run\b", told, re.MULTILINE), told
    assert re.search(r"^(kvm_amd|SVM|kvm|VMX)\b.*: ", told, re.MULTILINE), told


@recipe(tools=("drgn",), memory="1G", disk="16M", timeout="10m", expects="3s")
def with_drgn(sh: Shell, kvm_dump: Dump, linux_build: Kernel, linux_source: Path, kvm_host: KvmHost) -> dict[str, int]:
    """Look into the dump with drgn: VMs, why their vCPUs left the guest, and the stack of a vCPU's thread.

    Returns:
        The number of exits of the vCPU, by reason.

    Raises:
        Skipped: This host's drgn is older than the kernel.
    """
    sh.sources(linux=linux_source)
    with sh.section("version"):
        check_version(sh, "drgn", linux_source)
    modules = (linux_build.build / f"arch/x86/kvm/{name}.ko" for name in ("kvm", kvm_host.vendor))
    symbols = " ".join(f"-s {file}" for file in (linux_build.vmlinux, *modules))
    with sh.section("look"):
        sh.write("look.py", DRGN.replace("{vendor}", SVM if kvm_host.vendor == "kvm-amd" else ""))
        told = sh.line(f"drgn -q -c {kvm_dump.file} {symbols} look.py")
    counts = exits(told)
    assert counts["exits"] > counts["io_exits"] > 0, counts
    assert f"{kvm_dump.task} CPU 0/KVM" in told, told
    frames = re.findall(r"^#\d+ +(\w+)", told, re.MULTILINE)
    assert "kvm_arch_vcpu_ioctl_run" in frames, frames
    assert "kvm_vcpu_ioctl" in frames, frames
    return counts


def check_version(sh: Shell, tool: str, source: Path) -> None:
    """Check that a tool knows the kernel that was built.

    Args:
        sh: The recipe's shell.
        tool: A tool of `KNOWS`.
        source: The kernel's source tree.

    Raises:
        Skipped: The tool is too old for it.
    """
    told = sh.line(f"{tool} --version | grep -m 1 '^{tool} '")
    version = told.split()[1].rstrip("+")  # "++" marks a version between releases
    first, changes = KNOWS[tool]
    if SpecifierSet(f">={first}").contains(version, prereleases=True):
        return
    for file, text, kernels in changes:
        if text in (source / file).read_text("utf-8"):
            sh.skip(f"{tool} {version} does not know {kernels}; {first} is the first that does")


def exits(told: str) -> dict[str, int]:
    """Return the number of exits of the first vCPU by reason, from the output of `DRGN`."""
    return {reason: int(number) for reason, number in re.findall(r"^  vCPU 0 (\w+exits|exits): (\d+)$", told, re.MULTILINE)}
