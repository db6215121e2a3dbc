"""KVM built for a distribution's kernel, loaded into that kernel in a guest: the kernel's messages, and when it refuses."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Guest, Machine, build_initramfs
from recipes.kvm.host import BOOT_LIMIT, L1_TOOLS, KvmHost, assert_device, load_kvm
from recipes.kvm.running_kernel import DistributionKernel, OurModules
from recipes.run.guest import STILL

FOREIGN = "version magic .* should be|section size must match"
"""Messages of a kernel about a module of another kernel. Linux 6.12 compares the size of its ``struct module`` first, Linux 6.1
does not."""

UNSIGNED, OUT_OF_TREE = 1 << 13, 1 << 12
"""Bits of ``/proc/sys/kernel/tainted``; see Documentation/admin-guide/tainted-kernels.rst of Linux."""


@recipe(tools=L1_TOOLS, memory="1G", disk="64M", timeout="20m", expects="30s")
def load_in_distribution(
    sh: Shell,
    qemu_optimised: Path,
    distribution_kernel: DistributionKernel,
    kvm_for_distribution: OurModules,
    kvm_host: KvmHost,
    tiny: Path,
) -> None:
    """Load KVM into a distribution's kernel in a guest: its own, then ours, then ours where modules must be signed."""
    ours = _three(kvm_for_distribution.unsigned, kvm_host)
    with sh.section("pack"):
        guest = _guest(sh, distribution_kernel, kvm_for_distribution, kvm_host, tiny)
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(
                Machine(
                    sh, qemu_optimised, guest, accel=kvm_host.accel, cpu=kvm_host.cpu, memory="768M", boot_timeout=BOOT_LIMIT
                )
            )
            assert vm.guest("uname -r").strip() == distribution_kernel.release
        with sh.section("theirs"):
            load_kvm(vm, kvm_host)
            assert tainted(vm) == 0
            vm.guest(f"/guest/bin/rmmod {kvm_host.vendor} && /guest/bin/rmmod kvm")
        with sh.section("ours"):
            for name in ours:
                vm.guest(f"insmod /ours/{name}")
            assert_device(vm)
            assert "al = 42" in vm.guest("tiny | tail -n 1")
            assert "module verification failed" in vm.guest("dmesg | grep -E 'taints|verification failed'")
            assert tainted(vm) == UNSIGNED | OUT_OF_TREE
            vm.guest("grep ^kvm /proc/modules")
            assert "kvm" in vm.guest("ls /sys/kernel/btf | grep kvm")
            vm.guest(f"/guest/bin/rmmod {kvm_host.vendor} && /guest/bin/rmmod kvm")
        # This comes after the taint flags, because the attempt sets one (2, "forced") although it fails.
        with sh.section("vermagic"):
            refused(vm, "/other/kvm.ko", "invalid module format", FOREIGN)
        with sh.section("symbols"):
            refused(vm, "/foreign/kvm.ko", "invalid module format", "disagrees about version of symbol")
        _only_signed(sh, vm, kvm_host)


def _only_signed(sh: Shell, vm: Machine, host: KvmHost) -> None:
    """Show the effect of Secure Boot: lock the kernel down, and then make it insist on signatures."""
    with sh.section("lockdown"):
        vm.guest("mount -t securityfs securityfs /sys/kernel/security")
        vm.guest("echo integrity > /guest/sys/kernel/security/lockdown && cat /sys/kernel/security/lockdown")
        refused(vm, "/ours/kvm.ko", "operation not permitted", "unsigned module loading is restricted")
    with sh.section("enforce"):
        vm.guest("echo 1 > /guest/sys/module/module/parameters/sig_enforce")
        refused(vm, "/ours/kvm.ko", "key was rejected", "unsigned module is rejected")
        refused(vm, "/signed/kvm.ko", "key was rejected", "unavailable key is rejected")
    with sh.section("still"):
        vm.guest("insmod /lib/modules/kvm.ko")
        vm.guest(f"insmod /lib/modules/{host.vendor}.ko")
        assert_device(vm)


def refused(vm: Machine, module: str, error: str, reason: str) -> None:
    """Check that a module is refused: the program prints an error, and only the kernel's log has the reason.

    Args:
        vm: The machine.
        module: The module's file.
        error: The words of the error.
        reason: A regular expression for the line in the log.
    """
    # busybox exits with 1, or with a status of its own for errors that it recognises.
    told = vm.guest(f"insmod {module}", ok=range(1, 256))
    assert error in told.lower(), told
    log = vm.guest(f"dmesg | grep -E '{reason}' | tail -n 1")
    assert re.search(reason, log), log


def tainted(vm: Machine) -> int:
    """Return the kernel's taint flags as bits, 0 for none."""
    return int(vm.guest("cat /proc/sys/kernel/tainted"))


def _three(files: tuple[Path, ...], host: KvmHost) -> list[str]:
    """Return the names of the modules that work on L1's processor."""
    return [file.name for file in files if file.stem in ("kvm", host.vendor)]


def _guest(sh: Shell, distribution: DistributionKernel, ours: OurModules, host: KvmHost, tiny: Path) -> Guest:
    """Pack the distribution's kernel with busybox, the smallest virtual machine monitor, and all variants of the modules.

    These are its own modules, ours, ours signed, and those of another kernel.
    """
    named = {module.name: next(distribution.root.rglob(module.name)) for module in host.modules}
    files = {f"/lib/modules/{name}": path for name, path in named.items()}
    files |= {f"/ours/{file.name}": file for file in ours.unsigned if file.stem in ("kvm", host.vendor)}
    files["/signed/kvm.ko"] = next(file for file in ours.signed if file.stem == "kvm")
    files["/foreign/kvm.ko"] = ours.foreign
    files["/other/kvm.ko"] = next(file for file in host.modules if file.stem == "kvm")
    return Guest(distribution.image, build_initramfs(sh, files=files, programs=(tiny,)), STILL)
