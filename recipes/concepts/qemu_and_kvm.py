"""QEMU's requests to KVM: the system calls on ``/dev/kvm`` that create and run a virtual machine."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Machine
from recipes.build.linux import Kernel
from recipes.kvm.host import INNER_LIMIT, INNER_SAYS, L1_TOOLS, KvmHost, inner, l1, load_kvm

_NAME = r"s/.*ioctl([^,]*, \(KVM_[A-Z0-9_]*\).*/\1/p"
"""A sed command that prints the request's name of each traced call."""

MAKERS = ("KVM_GET_API_VERSION", "KVM_CREATE_VM", "KVM_SET_USER_MEMORY_REGION", "KVM_CREATE_VCPU", "KVM_RUN")
"""Requests that every running machine needs; see Documentation/virt/kvm/api.rst of Linux."""


@recipe(tools=("strace", *L1_TOOLS), memory="1G", disk="192M", timeout="20m", expects="1m")
def kvm_calls(sh: Shell, qemu_optimised: Path, linux_build: Kernel, kvm_host: KvmHost) -> dict[str, int]:
    """Watch the system calls on /dev/kvm of a QEMU that boots a guest under KVM.

    The observed QEMU runs inside a guest whose kernel has KVM as modules. So this works on a host without KVM, and it shows the
    KVM that was built from source here.

    Returns:
        The number of times each request was made, by its name.
    """
    with sh.section("inner"):
        parts = inner(sh, qemu_optimised, linux_build)
    with sh.section("pack"):
        outer = l1(
            sh,
            qemu_optimised,
            linux_build,
            kvm_host,
            inner=parts,
            programs=("strace",),
            memory="768M",
            name="outer",
        )
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(outer)
        with sh.section("load"):
            load_kvm(vm, kvm_host)
            vm.guest("dmesg | grep -i -E 'kvm(_amd)?: ' | tail -n 4", ok=(0, 1))
        with sh.section("trace"):
            # -f: follow threads, since each vCPU is one; -y: print what a descriptor refers to; -e kvm=vcpu: print why KVM_RUN
            # returned.
            told = vm.guest("strace -f -y -e trace=openat,ioctl -e kvm=vcpu -o /guest/tmp/calls inner", timeout=INNER_LIMIT)
            assert INNER_SAYS in told, told
        _look(sh, vm)
        with sh.section("count"):
            counted = vm.guest(f"sed -n '{_NAME}' /guest/tmp/calls | sort | uniq -c | sort -n -r")
    calls = count(counted)
    missing = [name for name in MAKERS if name not in calls]
    assert not missing, f"no {', '.join(missing)} in {counted}"
    return calls


def _look(sh: Shell, vm: Machine) -> None:
    """Show the important calls in the order in which they are made."""
    with sh.section("open"):
        vm.guest("grep -m 1 /dev/kvm /guest/tmp/calls")
        vm.guest("grep -E -m 2 'KVM_GET_API_VERSION|KVM_CREATE_VM,' /guest/tmp/calls")
    with sh.section("memory"):
        vm.guest("sed -n 's/.*KVM_SET_USER_MEMORY_REGION, //p' /guest/tmp/calls >/guest/tmp/regions")
        for wanted in ("guest_phys_addr=0,", "KVM_MEM_READONLY"):
            vm.guest(f"grep -m 1 {wanted} /guest/tmp/regions")
    with sh.section("vcpu"):
        vm.guest('for name in CREATE_VCPU SET_CPUID2 SET_REGS; do grep -m 1 "KVM_$name" /guest/tmp/calls; done')
    with sh.section("doors"):
        vm.guest("grep -c KVM_IOEVENTFD /guest/tmp/calls")
        vm.guest("grep -m 1 KVM_IRQFD /guest/tmp/calls")
    with sh.section("run"):
        vm.guest("grep -m 3 'KVM_RUN.*KVM_EXIT_IO' /guest/tmp/calls")
        vm.guest("grep -o -E 'KVM_EXIT_[A-Z_]+' /guest/tmp/calls | sort | uniq -c | sort -n -r")


def count(table: str) -> dict[str, int]:
    """Return how often each request is counted in the output of ``uniq -c``."""
    return {name: int(number) for number, name in re.findall(r"^\s*(\d+) (KVM_\w+)$", table, re.MULTILINE)}
