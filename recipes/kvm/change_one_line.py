"""Changing one line of KVM: patch, compile one file, load it into a machine that goes on running, see the line in the trace."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Machine
from recipes.build.linux import BUILD_TOOLS, Kernel
from recipes.kvm.build import KVM, compiled, copy_kvm, make_kvm
from recipes.kvm.host import L1_TOOLS, TRACE, KvmHost, assert_device, l1, load_kvm

PATCH = """\
--- a/arch/x86/kvm/x86.c
+++ b/arch/x86/kvm/x86.c
@@ -9195,6 +9195,7 @@ int kvm_fast_pio(struct kvm_vcpu *vcpu, int size, unsigned short port, int in)
 {
 \tint ret;
\x20
+\ttrace_printk("%s port %#x, %d byte\\n", in ? "in from" : "out to", port, size);
 \tif (in)
 \t\tret = kvm_fast_pio_in(vcpu, size, port);
 \telse
"""
"""One more line where a port's access arrives from both vendors' halves. In other versions the lines around it have other numbers."""

PATCHED = "x86.o"
"""The one object that it is in."""


OURS = "kvm_fast_pio: "
"""How the line begins in the trace: `trace_printk` says which function it is in."""

PORTS = ("out to port 0x10", "out to port 0x10", "in from port 0x11")
"""What the guest ``hello`` of `recipes.kvm.tiny` does with ports, in order."""

EXCHANGE = "32M"
"""Size of the disk over which modules come into the machine while it runs."""


@recipe(tools=("patch", "tar", *BUILD_TOOLS, *L1_TOOLS), cpus="all", memory="1500M", disk="128M", timeout="60m", expects="90s")
def change_one_line(
    sh: Shell, qemu_optimised: Path, linux_source: Path, linux_build: Kernel, kvm_host: KvmHost, tiny: Path
) -> list[str]:
    """Change a line of KVM, see it in the trace of a virtual machine, take it back, and see it gone.

    Returns:
        The lines of the trace that the change made.
    """
    with sh.section("copy"):
        copy_kvm(sh, linux_source)
    without = without_other(kvm_host)
    with sh.section("make"):
        make_kvm(sh, linux_build.build, without)
    with sh.section("pack"):
        sh.truncate("-s", EXCHANGE, "exchange.img")
        machine = l1(sh, qemu_optimised, linux_build, kvm_host, programs=(tiny,), disk=sh.workspace / "exchange.img")
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(machine)
            load_kvm(vm, kvm_host)
        with sh.section("before"):
            vm.guest(f"mount -t tracefs tracefs {TRACE}")
            assert not marked(_run(vm))
        with sh.section("patch"):
            sh.write("one-line.patch", PATCH)
            sh.patch("-p1", "--input=one-line.patch")
        with sh.section("rebuild"):
            assert _objects(make_kvm(sh, linux_build.build, without)) == [PATCHED]
        with sh.section("reload"):
            _reload(sh, vm, kvm_host)
        with sh.section("after"):
            seen = marked(_run(vm))
            assert len(seen) == len(PORTS) and all(port in line for port, line in zip(PORTS, seen, strict=True)), seen
        with sh.section("revert"):
            sh.patch("-p1", "--reverse", "--input=one-line.patch")
            assert _objects(make_kvm(sh, linux_build.build, without)) == [PATCHED]
        with sh.section("reverted"):
            _reload(sh, vm, kvm_host)
            assert not marked(_run(vm))
    return seen


def without_other(host: KvmHost) -> str:
    """An argument for make that leaves out the other vendor's half of KVM: about a fifth of what there is to compile."""
    return f"CONFIG_{host.other.stem.upper().replace('-', '_')}="


def marked(trace: str) -> list[str]:
    """The lines of a trace that the change made, from the function's name on."""
    return [line[line.index(OURS) :].strip() for line in trace.splitlines() if OURS in line]


def _objects(printed: str) -> list[str]:
    """File names of what make compiled."""
    return [Path(name).name for name in compiled(printed)]


def _run(vm: Machine) -> str:
    """Run a virtual machine of one page in L1; what was traced meanwhile."""
    # Each time: the events of a module come and go with it.
    vm.guest(f"echo 1 >{TRACE}/events/kvm/kvm_pio/enable")
    vm.guest(f"echo >{TRACE}/trace")
    assert "al = 42" in vm.guest("tiny")
    return vm.guest(f"grep -v '^#' {TRACE}/trace")


def _reload(sh: Shell, vm: Machine, host: KvmHost) -> None:
    """Take the new modules into L1, over its disk, and put them in the place of those that are loaded."""
    names = [f"{module.stem}.ko" for module in host.modules if module.stem != "irqbypass"]
    sh.mkdir("-p", "new")
    for name in names:
        sh.strip("--strip-debug", "-o", f"new/{name}", f"{KVM}/{name}")
    sh.line(f"tar --create --directory=new {' '.join(names)} | dd of=exchange.img conv=notrunc status=none")
    vm.guest(f"/guest/bin/rmmod {host.vendor.replace('-', '_')} && /guest/bin/rmmod kvm")
    # No file system: the disk is the archive. What was read before is forgotten, since nobody has the disk open.
    vm.guest("tar -x -v -f /guest/dev/vda -C /guest/tmp")
    for name in names:
        vm.guest(f"insmod /guest/tmp/{name}")
    assert_device(vm)
