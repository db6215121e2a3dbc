"""The exit budget of a boot: the exits of a guest, the devices that cause them, and who handles them."""

from __future__ import annotations

import textwrap
from contextlib import ExitStack
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Machine
from recipes.build.linux import Kernel
from recipes.kvm.events import parse_kvm, parse_qemu, parse_regions
from recipes.kvm.exit_budget import Exits, budget, journey, pair
from recipes.kvm.host import INNER_LIMIT, INNER_SAYS, L1_TOOLS, KvmHost, inner, inner_script, l1, load_kvm

STAYS = f"""\
#!/bin/sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct 2>/dev/null
echo "{INNER_SAYS}"
sleep 100000
"""
"""L2's ``/init``: it boots, writes one block, reports that, and keeps running, so that its QEMU can be queried."""

ASKED = inner_script("-monitor stdio", serial="file:/tmp/serial")
"""The script that starts it, with QEMU's monitor on the terminal."""

EVENTS = (
    *("kvm_userspace_exit", "kvm_page_fault", "kvm_fast_mmio"),
    *("kvm_msi_set_irq", "kvm_apic_accept_irq", "kvm_inj_virq", "kvm_eoi"),
)
"""Events to record besides kvm_entry, kvm_exit, kvm_pio and kvm_mmio, which ``perf kvm stat`` adds itself."""

TRACED = ("kvm_run_exit", "virtio_queue_notify", "virtio_blk_handle_write", "virtio_blk_req_complete", "virtio_notify*")
"""QEMU's trace events to log; a name with a star stands for all names with that prefix."""


@recipe(tools=("tar", *L1_TOOLS), memory="1500M", disk="512M", timeout="25m", expects="40s")
def record_exits(sh: Shell, qemu_optimised: Path, linux_build: Kernel, kvm_host: KvmHost, perf_tool: Path) -> Exits:
    """Record every exit of an L2 from its first instruction to its first process, and ask its QEMU what lies at which address.

    Returns:
        The exits by reason and by device; the agreement of KVM's exits to user space and QEMU's log; and the events of one disk
        write.
    """
    with sh.section("pack"):
        parts = inner(sh, qemu_optimised, linux_build, init=STAYS, script=ASKED)
        vm = l1(
            sh,
            qemu_optimised,
            linux_build,
            kvm_host,
            inner=parts,
            programs=(perf_tool,),
            memory="1G",
            disk="256M",
        )
    with ExitStack() as stack:
        with sh.section("start"):
            stack.enter_context(vm)
        with sh.section("load"):
            load_kvm(vm, kvm_host)
        _record(sh, vm)
    with sh.section("report"):
        sh.line("tar -x -f l1.img")
        told = sh.line(
            f"{perf_tool} kvm -i perf.data stat report 2>&1 | cat"
        )  # it reports on stderr, and opens a pager in a terminal
        assert "VM-EXIT" in told, told
        sh.line(f"{perf_tool} kvm -i perf.data stat report --event=ioport 2>&1 | cat")
    with sh.section("script"):
        sh.line(f"{perf_tool} script -i perf.data --ns -F trace:time,event,trace >events.txt")
        sh.line("wc -l events.txt && head -n 8 events.txt")
    with sh.section("mtree"):
        sh.line("grep -m 1 -A 12 'kvm-pic' mtree.txt")
        sh.line("grep -E 'virtio-pci|kvm-(ioapic|apic)' mtree.txt | sort -u")
    with sh.section("log"):
        sh.line("grep -c kvm_run_exit qemu.log && grep -m 4 virtio_ qemu.log")
    return _joined(sh.workspace)


def _record(sh: Shell, vm: Machine) -> None:
    """Boot L2 under ``perf kvm stat record`` and QEMU's log, query its monitor, end it, and copy everything to the host."""
    more = " ".join(f"-e kvm:{name}" for name in EVENTS)
    logged = " ".join(f"-trace '{name}'" for name in TRACED)
    lines = textwrap.wrap(f"perf kvm stat record -a -m 4096 -o /guest/tmp/perf.data {more}", 80) + textwrap.wrap(
        f"inner -D /guest/tmp/qemu.log -msg timestamp=on {logged} >/guest/tmp/mtree.txt", 80
    )
    with sh.section("record"):
        vm.guest(f"mon() {{ await \"grep -q '{INNER_SAYS}' /tmp/serial\"; echo info mtree -f; echo quit; }}")
        vm.guest("mon 2>/dev/null |\n    " + " \\\n    ".join(lines), timeout=INNER_LIMIT)
        vm.guest("cd /guest/tmp && ls -lh perf.data qemu.log mtree.txt")
    with sh.section("carry"):
        vm.guest("tar -c -f /guest/dev/vda -C /guest/tmp perf.data qemu.log mtree.txt && sync", timeout=INNER_LIMIT)


def _joined(folder: Path) -> Exits:
    """Combine the three recordings, and check what must hold between them."""
    events = parse_kvm((folder / "events.txt").read_text("utf-8", "replace"))
    logged = parse_qemu((folder / "qemu.log").read_text("utf-8", "replace"))
    regions = parse_regions((folder / "mtree.txt").read_text("utf-8", "replace"))
    made = budget(events, regions)
    assert made.exits > 1000, made.exits
    named = {row.region for row in made.devices}
    assert any(name.startswith("virtio-pci") for name in named) and "serial" in named, named
    kicks = [row for row in made.devices if "notify" in row.region]
    assert kicks and not any(row.user for row in kicks), "KVM deals with a kick by itself: it is an ioeventfd"
    # Every exit to user space in KVM's trace is also in QEMU's log, in the same order and for the same reason.
    paired = pair(events, logged)
    assert paired.paired > 100, paired
    write = journey(events, logged, paired.offset)
    assert {"kvm", "qemu"} == {moment.side for moment in write}, write
    return Exits(made, paired, write)
