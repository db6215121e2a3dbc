"""A Linux in a Linux: the QEMU built from source runs an L2 under the KVM built from source, inside L1."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Machine
from recipes.build.linux import Kernel
from recipes.kvm.host import INNER_LIMIT, L1_TOOLS, STREAMS, KvmHost, inner, inner_script, l1, load_kvm

ABOUT = """\
#!/bin/sh
# What a Linux knows of the machine it runs on.
echo "kernel:       $(uname -r)"
echo "processor:    $(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)"
echo "its features: $(grep -m 1 ^flags /proc/cpuinfo | grep -o -w -E 'hypervisor|svm|vmx|npt|ept' | xargs)"
echo "hypervisor:   $(dmesg | sed -n 's/.*Hypervisor detected: //p')"
echo "clock:        $(cat /sys/devices/system/clocksource/clocksource0/current_clocksource)"
echo "memory:       $(sed -n 's/^MemTotal: *//p' /proc/meminfo)"
"""

L2_INIT = f"""\
#!/bin/sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
{ABOUT.partition(chr(10))[2]}echo "L2: ready"
read -r go
dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct
grep virtio0-req /proc/interrupts
echo "L2: off"
poweroff -f
"""

NAMED = "-name L2,debug-threads=on"
"""An option of QEMU: its threads get descriptive names."""

L2_SCRIPT = inner_script(NAMED, "-chardev pipe,id=monitor,path=/tmp/monitor -mon monitor", streams=STREAMS)
"""The script that starts L2; its monitor is the pair of pipes ``/tmp/monitor.in`` and ``/tmp/monitor.out``."""

WAIT_FOR = """\
#!/bin/sh
# wait-for FILE TEXT: wait until a file holds a text, and not longer than L2 lives.
until grep -q "$2" "$1"; do
    if ! pidof qemu-system-x86_64 >/dev/null; then
        grep -q "$2" "$1" && break  # it said so since, and went
        cat /tmp/l2.out
        exit 1
    fi
    sleep 0.1
done
"""

COUNTERS = ("exits", "io_exits", "mmio_exits", "halt_exits", "irq_injections")
"""Counters of KVM in debugfs, each a sum over all running machines (arch/x86/kvm/x86.c, kvm_vcpu_stats_desc)."""


@recipe(tools=L1_TOOLS, memory="1500M", disk="192M", timeout="30m", expects="1m")
def linux_in_linux(sh: Shell, qemu_optimised: Path, linux_build: Kernel, kvm_host: KvmHost) -> dict[str, dict[str, str]]:
    """Run a Linux under KVM inside a Linux, and ask each level what it is.

    Returns:
        The answers of each level about itself, by name.
    """
    with sh.section("about"):
        about = sh.write("about.sh", ABOUT, 0o755)
    with sh.section("l2"):
        parts = inner(sh, qemu_optimised, linux_build, init=L2_INIT, script=L2_SCRIPT)
    with sh.section("l1"):
        files = {"/bin/about": about, "/bin/wait-for": sh.write("wait-for.sh", WAIT_FOR, 0o755)}
        outer = l1(sh, qemu_optimised, linux_build, kvm_host, inner=parts, files=files, memory="768M")
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(outer)
        with sh.section("load"):
            load_kvm(vm, kvm_host)
        with sh.section("boot"):
            vm.guest("cd /guest/tmp && mkfifo say monitor.in monitor.out && touch l2.out")
            vm.guest("inner &")
            vm.guest("exec 3>/guest/tmp/say; wait-for /tmp/l2.out 'L2: ready'", timeout=INNER_LIMIT)
        levels = _ask(sh, vm)
        _look(sh, vm)
        _end(sh, vm, kvm_host)
    return levels


def _ask(sh: Shell, vm: Machine) -> dict[str, dict[str, str]]:
    """Return the answers of L1 and L2 about themselves."""
    with sh.section("ask"):
        one = said(vm.guest("about"))
        two = said(vm.guest("cat /tmp/l2.out").replace("\r", ""))
    assert two["hypervisor"] == "KVM", two
    assert two["clock"] == "kvm-clock", two
    assert one["kernel"] == two["kernel"], (one, two)
    assert {"hypervisor"} <= set(one["its features"].split()) & set(two["its features"].split()), (one, two)
    assert {"svm", "vmx"} & set(one["its features"].split()), one
    return {"L1": one, "L2": two}


def _look(sh: Shell, vm: Machine) -> None:
    """Show L2 as seen from L1: a process with threads and descriptors, a user of the modules, counters."""
    with sh.section("process"):
        vm.guest("pid=$(pidof qemu-system-x86_64)")
        threads = vm.guest("grep . /proc/$pid/task/*/comm")
        assert "CPU 0/KVM" in threads, threads
        files = vm.guest("ls -l /proc/$pid/fd | grep -o '[^ ]*kvm.*'")
        assert {"/dev/kvm", "anon_inode:kvm-vm", "anon_inode:kvm-vcpu:0"} <= set(files.split()), files
    with sh.section("counters"):
        assert re.search(r"^kvm_(amd|intel) \S+ +[1-9]", vm.guest("lsmod | sed 's/  */ /g'"), re.MULTILINE)
        vm.guest("ls -d /sys/kernel/debug/kvm/*-*")
        counted = vm.guest(f"cd /sys/kernel/debug/kvm; grep . {' '.join(COUNTERS)}")
        assert re.search(r"^exits:[1-9]", counted, re.MULTILINE), counted
    with sh.section("monitor"):
        vm.guest("cat /tmp/monitor.out >/guest/tmp/monitor.log & echo 'info kvm' >/guest/tmp/monitor.in")
        vm.guest("wait-for /tmp/monitor.log 'kvm support'")
        told = vm.guest("grep -o 'kvm support: .*' /tmp/monitor.log")
        assert "enabled" in told, told


def _end(sh: Shell, vm: Machine, host: KvmHost) -> None:
    """Have L2 write to its disk and power off, and check that nothing of it is left in L1."""
    with sh.section("off"):
        vm.guest("before=$(wc -l </tmp/l2.out); echo go >&3; wait-for /tmp/l2.out 'L2: off'", timeout=INNER_LIMIT)
        ended = vm.guest("tail -n +$((before + 1)) /tmp/l2.out").replace("\r", "")
        assert "1+0 records out" in ended, ended
        assert re.search(r"virtio0-req", ended), ended
    with sh.section("left"):
        # The process ends first; the kernel destroys the machine a moment later.
        vm.guest(
            "while /guest/bin/pidof qemu-system-x86_64 || ls -d "
            "/guest/sys/kernel/debug/kvm/*-*; do sleep 0.1; done >/dev/null 2>&1",
            timeout=INNER_LIMIT,
        )
        assert not vm.guest("ls -d /sys/kernel/debug/kvm/*-* 2>/dev/null", ok=(1,)), "a machine is still there"
        assert re.search(rf"^{host.vendor.replace('-', '_')} \S+ +0\s*$", vm.guest("lsmod | sed 's/  */ /g'"), re.MULTILINE)
        names = " ".join(module.stem.replace("-", "_") for module in reversed(host.modules))
        vm.guest(f"/guest/bin/rmmod {names}")
        vm.guest("ls /dev/kvm", ok=(1,))


def said(text: str) -> dict[str, str]:
    """Return the output of the script `ABOUT`, by name."""
    return dict(re.findall(r"^(\w[\w ]*): +(.*?)\s*$", text, re.MULTILINE))
