"""Changing one line of KVM: patch it, compile one file, load it into a running machine, and see the effect in the trace."""

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
"""A patch that adds a line where port accesses of both vendors' modules arrive. Its line numbers differ between versions."""

PATCHED = "x86.o"
"""The only object that the patch changes."""


OURS = "kvm_fast_pio: "
"""Prefix of the new trace line: `trace_printk` prints the function that calls it."""

PORTS = ("out to port 0x10", "out to port 0x10", "in from port 0x11")
"""Port accesses of the guest ``hello`` of `recipes.kvm.tiny`, in order."""

EXCHANGE = "32M"
"""Size of the disk over which modules get into the running machine."""


@recipe(tools=("patch", "tar", *BUILD_TOOLS, *L1_TOOLS), cpus="all", memory="1500M", disk="128M", timeout="60m", expects="90s")
def change_one_line(
    sh: Shell, qemu_optimised: Path, linux_source: Path, linux_build: Kernel, kvm_host: KvmHost, tiny: Path
) -> list[str]:
    """Change a line of KVM, see it in the trace of a virtual machine, revert it, and see it gone.

    Returns:
        The trace lines that the change produced.
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
    """Return a make argument that leaves out the other vendor's module, which saves about a fifth of the compilation."""
    return f"CONFIG_{host.other.stem.upper().replace('-', '_')}="


def marked(trace: str) -> list[str]:
    """Return the trace lines that the change produced, from the function's name on."""
    return [line[line.index(OURS) :].strip() for line in trace.splitlines() if OURS in line]


def _objects(printed: str) -> list[str]:
    """Return the names of the object files that make compiled."""
    return [Path(name).name for name in compiled(printed)]


def _run(vm: Machine) -> str:
    """Run a virtual machine of one page in L1, and return the trace of that time."""
    # Enable the events each time: they disappear when their module is unloaded.
    vm.guest(f"echo 1 >{TRACE}/events/kvm/kvm_pio/enable")
    vm.guest(f"echo >{TRACE}/trace")
    assert "al = 42" in vm.guest("tiny")
    return vm.guest(f"grep -v '^#' {TRACE}/trace")


def _reload(sh: Shell, vm: Machine, host: KvmHost) -> None:
    """Copy the new modules into L1 over its disk, and load them in place of the current ones."""
    names = [f"{module.stem}.ko" for module in host.modules if module.stem != "irqbypass"]
    sh.mkdir("-p", "new")
    for name in names:
        sh.strip("--strip-debug", "-o", f"new/{name}", f"{KVM}/{name}")
    sh.line(f"tar --create --directory=new {' '.join(names)} | dd of=exchange.img conv=notrunc status=none")
    vm.guest(f"/guest/bin/rmmod {host.vendor.replace('-', '_')} && /guest/bin/rmmod kvm")
    # There is no file system: the disk contains the archive itself. Nobody has the disk open, so cached blocks are dropped.
    vm.guest("tar -x -v -f /guest/dev/vda -C /guest/tmp")
    for name in names:
        vm.guest(f"insmod /guest/tmp/{name}")
    assert_device(vm)
