"""The error museum: messages of kernel modules and of KVM, all in a machine whose kernel has KVM (L1)."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Machine
from recipes.build.linux import Kernel
from recipes.kvm.errors.refusals import FAILURES
from recipes.kvm.host import INNER_LIMIT, INNER_SAYS, L1_TOOLS, VENDORS, KvmHost, inner, l1, load_kvm
from recipes.kvm.load import names_used

RIVAL = """\
// Takes the processor's virtualisation for itself, as another hypervisor's module does, and makes nothing of it.
#include <linux/module.h>
#include <linux/smp.h>
#include <asm/msr.h>
#include <asm/tlbflush.h>

static void set(void *on)
{
	u64 efer;

	if (!boot_cpu_has(X86_FEATURE_SVM)) {
		cr4_update_irqsoff(on ? X86_CR4_VMXE : 0, on ? 0 : X86_CR4_VMXE);
		return;
	}
	rdmsrl(MSR_EFER, efer);
	wrmsrl(MSR_EFER, on ? efer | EFER_SVME : efer & ~EFER_SVME);
}

static int __init rival_init(void)
{
	on_each_cpu(set, (void *)1, 1);
	return 0;
}

static void __exit rival_exit(void)
{
	on_each_cpu(set, NULL, 1);
}

module_init(rival_init);
module_exit(rival_exit);
MODULE_LICENSE("GPL");
"""

NOBODY = 65534
"""Id of a user who owns nothing."""

GROUP = 104
"""Id of the group that may open the device; distributions call it kvm and assign the number when they install a package."""


@recipe(tools=("gcc", "kmod", "make", "setpriv", *L1_TOOLS), memory="1G", disk="192M", timeout="20m", expects="20s")
def museum_modules(sh: Shell, qemu_optimised: Path, linux_build: Kernel, kvm_host: KvmHost) -> None:
    """Load KVM's modules in every wrong way and then correctly, and misuse what they provide in every way."""
    with sh.section("pack"):
        parts = inner(sh, qemu_optimised, linux_build)
        first, *_ = kvm_host.modules
        with sh.section("copy"):
            _other_version(sh, first)
        with sh.section("build-rival"):
            rival = _build_rival(sh, linux_build)
        files = {f"/other/{first.name}": sh.workspace / "other" / first.name, "/lib/modules/rival.ko": rival}
        vm = l1(sh, qemu_optimised, linux_build, kvm_host, inner=parts, files=files, programs=("setpriv",))
    with sh.section("start"), vm:
        with sh.section("absent"):
            told = vm.guest("inner", ok=FAILURES, timeout=INNER_LIMIT)
            assert "Could not access KVM kernel module: No such file or directory" in told, told
        with sh.section("vermagic"):
            told = vm.guest(f"insmod /other/{first.name}; dmesg | grep 'version magic' | tail -n 1")
            assert "invalid module format" in told, told
            assert "version magic" in told, told
        with sh.section("order"):
            _order(vm, kvm_host, names_used(sh, kvm_host))
        with sh.section("vendor"):
            _vendor(vm, kvm_host)
        with sh.section("busy"):
            _busy(vm, kvm_host)
        with sh.section("works"):
            assert INNER_SAYS in vm.guest("inner", timeout=INNER_LIMIT)
        with sh.section("permission"):
            _permission(vm)
        with sh.section("in-use"):
            _in_use(vm, kvm_host)


NO_SUPPORT = "dmesg | grep -E 'kvm.*(no hardware support|not supported)' | tail -n 1"
"""Command that prints the message of a vendor's module about another vendor's processor. It filters by text because KVM's clock
may log a message meanwhile."""


def _other_version(sh: Shell, module: Path) -> None:
    """Copy a module and make the copy claim that it was built for another version of Linux."""
    sh.mkdir("other")
    sh.line(f"LC_ALL=C sed 's/vermagic=[0-9]*/vermagic=9/' {module} >other/{module.name}")
    told = sh.line(f"modinfo -F vermagic {module}; modinfo -F vermagic other/{module.name}")
    assert re.search(r"^9\.", told, re.MULTILINE), told


def _build_rival(sh: Shell, kernel: Kernel) -> Path:
    """Build a module that occupies the processor's virtualisation like another hypervisor."""
    sh.write("rival/rival.c", RIVAL)
    sh.write("rival/Makefile", "obj-m := rival.o\n")
    sh.make("-C", kernel.build, f"M={sh.workspace / 'rival'}", "modules")
    return sh.workspace / "rival/rival.ko"


def _order(vm: Machine, host: KvmHost, missed: int) -> None:
    """Load the vendor's module first, which finds none of its symbols, then all in order.

    Args:
        vm: L1.
        host: KVM's modules.
        missed: The number of symbols of ``kvm.ko`` that the vendor's module uses.
    """
    vm.guest("/guest/bin/dmesg -c >/dev/null")
    told = vm.guest(f"insmod /lib/modules/{host.vendor}.ko", ok=FAILURES)
    assert "unknown symbol in module" in told, told
    lines = vm.guest("dmesg | grep 'Unknown symbol' | sort -u | wc -l; dmesg | grep -m 3 'Unknown symbol'")
    assert int(lines.split()[0]) == missed, (lines, missed)
    vm.guest("insmod /lib/modules/irqbypass.ko && insmod /lib/modules/kvm.ko")
    vm.guest("lsmod")


def _vendor(vm: Machine, host: KvmHost) -> None:
    """Show that one module alone gives no device, and that the other vendor's module does not provide it."""
    assert "No such file" in vm.guest("ls -l /dev/kvm", ok=(1,))
    vm.guest("/guest/bin/dmesg -c >/dev/null")
    assert "can't insert" in vm.guest(f"insmod /lib/modules/{host.other.name}", ok=FAILURES)
    assert "support" in vm.guest(NO_SUPPORT)


def _busy(vm: Machine, host: KvmHost) -> None:
    """Load KVM while another hypervisor is present, then remove that one."""
    vm.guest("insmod /lib/modules/rival.ko")
    told = vm.guest(f"insmod /lib/modules/{host.vendor}.ko && inner", ok=FAILURES, timeout=INNER_LIMIT)
    assert re.search(r"evice or resource busy|Input/output error", told), told
    assert "enabling virtualization on CPU0 failed" in vm.guest("dmesg | grep 'enabling virt'")
    vm.guest("/guest/bin/rmmod rival")
    vm.guest(f"grep -q -w {host.vendor.replace('-', '_')} /proc/modules || insmod /lib/modules/{host.vendor}.ko")
    vm.guest("ls -l /dev/kvm")


def _permission(vm: Machine) -> None:
    """Start a machine as a user who may not open the device, then as the same user in the device's group."""
    # By its path: busybox's shell has a built-in of that name, with fewer options.
    nobody = f"/guest/bin/setpriv --reuid={NOBODY} --regid={NOBODY}"
    machine = "qemu-system-x86_64 -accel kvm -L /firmware -nodefaults -display none -S -daemonize"
    vm.guest("ls -l /dev/kvm")
    told = vm.guest(f"{nobody} --clear-groups {machine}", ok=FAILURES, timeout=INNER_LIMIT)
    assert "Could not access KVM kernel module: Permission denied" in told, told
    vm.guest(f"chgrp {GROUP} /guest/dev/kvm && chmod 660 /guest/dev/kvm && ls -l /dev/kvm")
    told = vm.guest(
        f"{nobody} --groups={GROUP} {machine} && /guest/bin/killall qemu-system-x86_64 && echo started", timeout=INNER_LIMIT
    )
    assert "started" in told, told


def _in_use(vm: Machine, host: KvmHost) -> None:
    """Try to unload a module that a machine uses, and unload it after the machine has ended."""
    vm.guest(
        "while /guest/bin/pidof qemu-system-x86_64; do sleep 0.1; done", timeout=INNER_LIMIT
    )  # the last machine may not have ended yet
    vm.guest_start("inner -S")
    name = host.vendor.replace("-", "_")
    # Its use count is the number of machines and processors: the third column of lsmod, the fourth if other modules use it too.
    vm.guest(f"await \"grep -q '^{name} [0-9]* [1-9]' /proc/modules\"; lsmod", timeout=INNER_LIMIT)
    told = vm.guest(f"/guest/bin/rmmod {name}", ok=FAILURES)
    assert "Resource temporarily unavailable" in told, told
    vm.guest("/guest/bin/kill $!")
    vm.guest(f"await \"grep -q '^{name} [0-9]* 0 ' /proc/modules\"; lsmod", timeout=INNER_LIMIT)
    vm.guest(f"/guest/bin/rmmod {name}")


@recipe(tools=L1_TOOLS, memory="768M", disk="32M", timeout="15m", expects="6s")
def museum_no_feature(sh: Shell, qemu_optimised: Path, linux_build: Kernel, kvm_host: KvmHost) -> None:
    """Load KVM on a processor without virtualisation, as in most virtual machines, then on one that has it."""
    flag = next(name for name, vendor in VENDORS.items() if vendor == kvm_host.vendor)
    with sh.section("pack"):
        bare = l1(sh, qemu_optimised, linux_build, replace(kvm_host, cpu=f"{kvm_host.cpu},-{flag}"), name="bare")
    with sh.section("without"), bare:
        assert not bare.guest(f"grep -o -m 1 -w {flag} /proc/cpuinfo", ok=(1,))
        for module in kvm_host.modules[:-1]:
            bare.guest(f"insmod /lib/modules/{module.name}")
        told = bare.guest(f"insmod /lib/modules/{kvm_host.vendor}.ko", ok=FAILURES)
        assert "can't insert" in told, told
        assert "support" in bare.guest(NO_SUPPORT)
    with sh.section("with"):
        whole = l1(sh, qemu_optimised, linux_build, kvm_host)
        with whole:
            assert flag in whole.guest(f"grep -o -m 1 -w {flag} /proc/cpuinfo")
            load_kvm(whole, kvm_host)
