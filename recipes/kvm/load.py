"""Loading KVM: the order of its modules, their messages and parameters, their users, and how to unload them."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Machine
from recipes.build.linux import Kernel
from recipes.kvm.host import INNER_LIMIT, L1_TOOLS, TRACE, KvmHost, assert_device, l1

REFUSED = tuple(range(1, 256))
"""Exit statuses of a command that must fail; busybox's insmod exits with the error's number."""

PAGING = {"kvm-amd": "npt", "kvm-intel": "ept"}
"""The parameter for nested paging of each vendor's module."""

FAULTS = {"kvm-amd": ("npf", "PF excp"), "kvm-intel": ("EPT_", "EXCEPTION_NMI")}
"""Names of the exit when a guest touches memory for the first time, with nested paging and without it."""

SAID = re.compile(r"Nested \w+ enabled")
"""Message of AMD's module about its features when it is loaded."""

BOTH = r"already loaded vendor module|not supported|no hardware support"
"""Messages of KVM when the other vendor's module is loaded too: the first in Linux 6.1; one of the others in Linux 6.12, which
checks the processor first."""

PARAMETERS = "/sys/module/{}/parameters"


@recipe(tools=("kmod", *L1_TOOLS, "readelf"), memory="768M", disk="32M", timeout="30m", expects="6s")
def load_kvm_modules(sh: Shell, qemu_optimised: Path, linux_build: Kernel, kvm_host: KvmHost, tiny: Path) -> dict[str, str]:
    """Load KVM in the wrong order and the right one, try its parameters, keep it from being unloaded, and unload it.

    Returns:
        The default value of each parameter of the vendor's module.
    """
    with sh.section("order"):
        depends = sh.modinfo("-F", "depends", *kvm_host.modules).splitlines()
        assert depends[:2] == ["", "irqbypass"], depends
        assert "kvm" in depends[2].split(","), depends
    with sh.section("pack"):
        machine = l1(sh, qemu_optimised, linux_build, kvm_host, programs=(tiny,))
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(machine)
        _load(sh, vm, kvm_host)
        with sh.section("parameters"):
            folder = PARAMETERS.format(name(kvm_host.vendor))
            values = parse_parameters(vm.guest(f"grep . {folder}/*"))
        paging = PAGING[kvm_host.vendor]
        assert values[paging] == "Y", values
        with sh.section("use"):
            vm.guest(f"mount -t tracefs tracefs {TRACE}")
            vm.guest(f"cd {TRACE}/events/kvm && echo 1 | tee kvm_exit/enable kvm_page_fault/enable")
            assert FAULTS[kvm_host.vendor][0] in _first_fault(vm)
        _hold(sh, vm, kvm_host)
        with sh.section("again"):
            vm.guest(f"insmod /lib/modules/{kvm_host.vendor}.ko {paging}=0 nested=0")
            told = vm.guest("/guest/bin/dmesg -c")
            assert kvm_host.vendor != "kvm-amd" or "Nested Paging disabled" in told, told
            now = parse_parameters(vm.guest(f"cd {folder}; grep . nested {paging}"))
            assert now == {"nested": "0" if values["nested"] == "1" else "N", paging: "N"}, now
            assert "Nested Virtualization enabled" not in told, told
            vm.guest(f"echo >{TRACE}/trace")
            assert FAULTS[kvm_host.vendor][1] in _first_fault(vm)
        with sh.section("away"):
            vm.guest("cd /")
            for module in reversed(kvm_host.modules):
                vm.guest(f"/guest/bin/rmmod {name(module.stem)}")
            assert "kvm" not in vm.guest("lsmod")
    return values


def _load(sh: Shell, vm: Machine, host: KvmHost) -> None:
    """Try the last module first, then all in order, and the other vendor's module before and after."""
    *common, vendor = (f"insmod /lib/modules/{module.name}" for module in host.modules)
    other = f"insmod /lib/modules/{host.other.name}"
    with sh.section("wrong"):
        vm.guest(vendor, ok=REFUSED)
        assert "Unknown symbol" in vm.guest("dmesg | grep Unknown | tail -n 3")
        missed = int(vm.guest("/guest/bin/dmesg -c | grep 'Unknown symbol' | sort -u | wc -l"))
        assert missed == names_used(sh, host), missed
    with sh.section("common"):
        for command in common:
            vm.guest(command)
        vm.guest("ls -l /dev/kvm", ok=(1,))
    with sh.section("other"):
        vm.guest(other, ok=REFUSED)
        told = vm.guest("/guest/bin/dmesg -c")
        assert re.search(r"no hardware support|not supported", told), told
    with sh.section("load"):
        vm.guest(vendor)
        told = vm.guest("/guest/bin/dmesg -c")
        assert host.vendor != "kvm-amd" or {"Nested Paging enabled", "Nested Virtualization enabled"} <= set(
            SAID.findall(told)
        ), told
        assert_device(vm)
        assert vm.guest("grep kvm /proc/misc").split() == ["232", "kvm"]
        assert f"{name(host.vendor)} " in vm.guest("lsmod")
    with sh.section("both"):
        vm.guest(other, ok=REFUSED)
        assert re.search(BOTH, vm.guest("/guest/bin/dmesg -c"))


def names_used(sh: Shell, host: KvmHost) -> int:
    """Return the number of functions and variables of ``kvm.ko`` that the vendor's module uses, counted on the host."""
    kvm, vendor = host.modules[-2:]
    uses, has = f"nm -u {vendor} | awk '{{ print $2 }}' | sort", f"nm {kvm} | sed -n 's/.* __ksymtab_//p' | sort"
    return int(sh.line(f"comm -12 <({uses}) <({has}) | wc -l"))


def _hold(sh: Shell, vm: Machine, host: KvmHost) -> None:
    """Keep a virtual machine running, try to unload KVM, end the machine, and unload KVM."""
    vendor = name(host.vendor)
    with sh.section("hold"):
        pid = vm.guest_start("tiny forever")
        vm.guest("pid=$!; await 'ls -l /proc/$pid/fd | grep vcpu'", timeout=INNER_LIMIT)
        assert uses(vm.guest("lsmod"))[vendor] > 0
        assert "can't unload" in vm.guest(f"/guest/bin/rmmod {vendor}", ok=REFUSED)
        assert f"/proc/{pid}/fd/" in vm.guest("ls -l /proc/[0-9]*/fd/* 2>/dev/null | grep -e '-> /dev/kvm'")
    with sh.section("let_go"):
        vm.guest("/guest/bin/kill $pid")
        vm.guest(f"await 'grep -x 0 /sys/module/{vendor}/refcnt'", timeout=INNER_LIMIT)
        assert uses(vm.guest("lsmod"))[vendor] == 0
        assert "can't unload" in vm.guest("/guest/bin/rmmod kvm", ok=REFUSED)
        vm.guest(f"/guest/bin/rmmod {vendor}")
        vm.guest("ls -l /dev/kvm", ok=(1,))


def _first_fault(vm: Machine) -> str:
    """Run a virtual machine and show the exit that happened when the guest touched memory for the first time.

    There may be an earlier exit, for an interrupt of L1.
    """
    assert "al = 42" in vm.guest("tiny | tail -n 1")
    return vm.guest(f"grep -B 1 -m 1 'tiny-.*kvm_page_fault:' {TRACE}/trace")


def name(module: str) -> str:
    """Return a module's name in the kernel, with underscores in place of the hyphens of its file name."""
    return module.replace("-", "_")


def uses(lsmod: str) -> dict[str, int]:
    """Return the use count of each module, from the output of ``lsmod``."""
    return {found[1]: int(found[2]) for found in re.finditer(r"^(\w+)\s+\d+\s+(\d+)", lsmod, re.MULTILINE)}


def parse_parameters(lines: str) -> dict[str, str]:
    """Return the value of each parameter, from the output of ``grep .`` on the parameters' files."""
    return {path.rpartition("/")[2]: value for path, _, value in (line.partition(":") for line in lines.splitlines())}
