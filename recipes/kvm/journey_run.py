"""One virtio-blk write of an L2, traced at once in its own kernel, in the kernel below it, and in its QEMU.

L1 has one processor. So the events in its trace share one clock, and they also happen one after another.
"""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Machine
from recipes.build.linux import Kernel
from recipes.kvm.host import INNER_LIMIT, IOTHREAD, IOTHREAD_DISK, L1_TOOLS, STREAMS, KvmHost, inner, inner_script, l1, load_kvm
from recipes.kvm.linux_in_linux import NAMED, WAIT_FOR

SECTOR = 168
"""The disk's sector (of 512 bytes) that is written; nothing else in L2 writes."""

BYTES = 12288
"""Size of the write; no other request has this size."""

GUEST_FUNCTIONS = (
    "blk_mq_submit_bio",
    "virtio_queue_rq*",
    "vp_notify*",
    "vring_interrupt",
    "virtblk_done",
    "blk_mq_end_request*",
)
"""Probes in L2's kernel. The stars match kernels that have a second function of that name."""

QEMU_FUNCTIONS = (
    "virtio_queue_notify_vq",
    "virtio_blk_handle_request",
    "blk_aio_pwritev",
    "raw_co_prw",
    "handle_aiocb_rw",
    "virtio_blk_rw_complete",
    "virtqueue_push",
)
"""Functions to watch in L2's QEMU, together with the one of `SIGNALS` that it has."""

SIGNALS = ("virtio_notify_irqfd", "virtio_notify")
"""Functions that signal the interrupt's eventfd from an I/O thread. QEMU 10.2 has only the second one, which does it for every
thread."""

READABLE = {"blk_aio_pwritev": "offset=%si:u64", "raw_co_prw": "bytes=%dx:u64"}
"""Arguments that identify the request, by the registers of the x86-64 calling convention."""

DELIVER = {"kvm-amd": "svm_deliver_interrupt", "kvm-intel": "vmx_deliver_interrupt"}
"""The function of each vendor's module that delivers an interrupt to a vCPU."""

FAULT = {"kvm-amd": "exit_reason == 0x400", "kvm-intel": "exit_reason == 48 || exit_reason == 49"}
"""Exits for an access to a device's page: nested page fault (AMD); EPT violation and EPT misconfiguration (Intel)."""

DEPTH = 13
"""Number of callers that are read from the stack of QEMU's functions, besides the first one."""

L2_INIT = f"""\
#!/bin/sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t tracefs tracefs /sys/kernel/tracing
cd /sys/kernel/tracing
# Off until the write; the processor's own counter as the clock; the callers of each function.
echo 0 >tracing_on
echo x86-tsc >trace_clock
echo '{" ".join(GUEST_FUNCTIONS)}' >set_ftrace_filter
echo function >current_tracer
echo 1 >options/func_stack_trace
echo 1 >options/sym-offset
echo stacktrace >events/block/block_rq_issue/trigger
echo 1 >events/block/block_rq_issue/enable
echo "L2: ready"
read -r go
echo 1 >tracing_on
dd if=/dev/zero of=/dev/vda bs={BYTES} count=1 seek={SECTOR * 512} oflag=direct,seek_bytes 2>/dev/null
echo 0 >tracing_on
echo "L2: written"
read -r go
cat trace
echo "L2: over"
poweroff -f
"""


@dataclass(frozen=True)
class Recorded:
    """Recording of one write.

    Attributes:
        guest: The trace of L2's kernel.
        host: The trace of L1: events of its kernel and of QEMU.
        offset: The offset of L2's processor counter from L1's, in ticks.
        base: The load address of L2's QEMU.
        size: Its size in memory, in bytes.
        vendor: The vendor's module of KVM.
        emulated: True if L1's processor is emulated.
    """

    guest: Path
    host: Path
    offset: int
    base: int
    size: int
    vendor: str
    emulated: bool


@recipe(tools=L1_TOOLS, memory="1500M", disk="192M", timeout="30m", expects="1m")
def journey_run(sh: Shell, qemu_debug: Path, qemu_optimised: Path, linux_build: Kernel, kvm_host: KvmHost) -> Recorded:
    """Write one block in an L2, and record it in L2's kernel, in KVM and in QEMU.

    Returns:
        The two traces, and the data to put them on one clock.
    """
    with sh.section("pack"):
        parts = inner(
            sh, qemu_debug, linux_build, init=L2_INIT, script=inner_script(NAMED, IOTHREAD, disk=IOTHREAD_DISK, streams=STREAMS)
        )
    with sh.section("probes"):
        symbols = sh.line(f"nm {qemu_debug} | grep -E ' [tT] ({'|'.join((*QEMU_FUNCTIONS, *SIGNALS))})$'")
        probes = sh.write("probes.sh", probe_script(addresses(symbols), kvm_host.vendor), 0o755)
    with sh.section("l1"):
        waiter = sh.write("wait-for.sh", WAIT_FOR, 0o755)
        files = {"/bin/probes": probes, "/bin/wait-for": waiter}
        outer = l1(sh, qemu_optimised, linux_build, kvm_host, inner=parts, files=files, memory="768M")
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(outer)
            load_kvm(vm, kvm_host)
        with sh.section("boot"):
            vm.guest("mkfifo /guest/tmp/say; touch /guest/tmp/l2.out")
            vm.guest("inner &")
            vm.guest("exec 3>/guest/tmp/say; wait-for /tmp/l2.out 'L2: ready'", timeout=INNER_LIMIT)
        with sh.section("clock"):
            offset = tsc_offset(vm.guest("cd /sys/kernel/debug/kvm/*/vcpu0; grep . tsc-*"))
            maps = vm.guest("grep qemu-system /proc/$(pidof qemu-system-x86_64)/maps")
        with sh.section("watch"):
            vm.guest("probes", timeout=INNER_LIMIT)
            vm.guest("cd /sys/kernel/debug; cat tracing/set_ftrace_filter tracing/set_event")
        with sh.section("write"):
            vm.guest(
                "echo 1 >tracing/tracing_on; echo go >&3; wait-for /tmp/l2.out 'L2: written'; echo 0 >tracing/tracing_on",
                timeout=INNER_LIMIT,
            )
        guest, host = _traces(sh, vm)
    lies = [int(address, 16) for address in re.findall(r"\b[0-9a-f]{8,}(?=-)|(?<=-)[0-9a-f]{8,}\b", maps)]
    return Recorded(guest, host, offset, min(lies), max(lies) - min(lies), kvm_host.vendor, kvm_host.accel == "tcg")


def _traces(sh: Shell, vm: Machine) -> tuple[Path, Path]:
    """Copy both traces from the guests."""
    with sh.section("l2-trace"):
        vm.guest("echo go >&3; wait-for /tmp/l2.out 'L2: over'", timeout=INNER_LIMIT)
        guest = vm.guest("sed -n '/# tracer/,/L2: over/p' /tmp/l2.out", timeout=INNER_LIMIT)
    with sh.section("l1-trace"):
        host = vm.guest("cat tracing/trace", timeout=INNER_LIMIT)
    files = sh.workspace / "l2.trace", sh.workspace / "l1.trace"
    for file, text in zip(files, (guest, host), strict=True):
        file.write_text(text.replace("\r", ""), "utf-8")
    return files


def tsc_offset(told: str) -> int:
    """Return the offset that KVM adds to a guest's counter, in ticks, from the files of its vCPU in debugfs.

    Raises:
        AssertionError: The counter is scaled as well, so an offset cannot convert L2's clock to L1's.
    """
    values = {name: int(value) for name, value in re.findall(r"^(?:\S+/)?(tsc-[\w-]+):(-?\d+)$", told, re.MULTILINE)}
    if "tsc-scaling-ratio" in values:
        assert values["tsc-scaling-ratio"] == 1 << values["tsc-scaling-ratio-frac-bits"], f"L2's clock is scaled: {told}"
    # grep prints a file's name only if it searches several files.
    return values["tsc-offset"] if values else int(told)


def addresses(symbols: str) -> dict[str, int]:
    """Return the address of each function to watch, from the output of ``nm``.

    Raises:
        AssertionError: A function is missing.
    """
    found = {name: int(address, 16) for address, name in re.findall(r"^([0-9a-f]+) [tT] (\w+)$", symbols, re.MULTILINE)}
    watched = (*QEMU_FUNCTIONS, next((name for name in SIGNALS if name in found), SIGNALS[-1]))
    missing = set(watched) - set(found)
    assert not missing, f"this QEMU has no {', '.join(sorted(missing))}"
    return {name: found[name] for name in watched}


def callers() -> str:
    """Return arguments for a probe at a function's first instruction that read its address and those of its callers.

    The return address is where the stack pointer points. The return address of each further caller is above the frame pointer,
    where the previous frame pointer is saved too. So this works as long as frame pointers are kept, as in a build without
    optimisation.
    """
    pointer = "%bp"
    words = ["f0=%ip:x64", "f1=+0(%sp):x64"]
    for number in range(2, DEPTH + 2):
        words.append(f"f{number}=+8({pointer}):x64")
        pointer = f"+0({pointer})"
    return " ".join(words)


def probe_script(functions: dict[str, int], vendor: str) -> str:
    """Return the script that sets the probes in L1: functions and events of KVM, and functions of QEMU."""
    probes = "\n".join(
        f'echo "{" ".join(["p:qemu/" + name, f"$qemu:{address:#x}", "$callers", *READABLE.get(name, "").split()])}" '
        f">>uprobe_events"
        for name, address in functions.items()
    )
    return f"""\
#!/bin/sh -e
cd /sys/kernel/debug/tracing
echo 0 >tracing_on
echo x86-tsc >trace_clock
echo 8192 >buffer_size_kb
echo 1 >options/sym-offset

# KVM: functions with their callers, and events.
echo ioeventfd_write irqfd_wakeup {DELIVER[vendor]} >set_ftrace_filter
echo function >current_tracer
echo 1 >options/func_stack_trace
echo "{FAULT[vendor]}" >events/kvm/kvm_exit/filter
for event in kvm_exit kvm_mmio kvm_fast_mmio kvm_msi_set_irq kvm_inj_virq kvm_entry; do
    echo stacktrace >events/kvm/$event/trigger
    echo 1 >events/kvm/$event/enable
done

# QEMU: a probe on the first instruction of each function, which reads the callers from the stack.
qemu=/bin/qemu-system-x86_64
callers="{callers()}"
{probes}
echo 1 >events/qemu/enable
"""
