"""Running a virtual machine: start it, find its process and its threads, and take its command line apart."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from kvmdocs import Shell, recipe
from kvmdocs.lab import READY, Guest, Machine
from recipes.run.guest import FIRMWARE, Accelerator

BOOT_LIMIT = 300.0
"""Seconds for a guest to boot under emulation, in a QEMU built without optimisation, on a busy host."""


def machine(sh: Shell, qemu: Path, guest: Guest, accelerator: Accelerator, **options: Any) -> Machine:
    """Return a machine that uses this host's accelerator.

    Args:
        sh: The recipe's shell.
        qemu: The QEMU that runs it.
        guest: The guest that it boots.
        accelerator: The host's accelerator.
        **options: Any other argument of `Machine`.
    """
    return Machine(sh, qemu, guest, accel=accelerator.name, cpu=accelerator.cpu, boot_timeout=BOOT_LIMIT, **options)


@recipe(tools=FIRMWARE, memory="768M", disk="96M", timeout="15m", expects="10s")
def start_vm(sh: Shell, qemu_debug: Path, linux_guest: Guest, accelerator: Accelerator) -> None:
    """Start a virtual machine with a virtio disk, use the disk, query the monitors, and end the machine."""
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(machine(sh, qemu_debug, linux_guest, accelerator, disk="64M"))
        with sh.section("boot"):
            assert "Linux" in vm.guest("uname -srm")
            assert "virtio" in vm.guest("dmesg | grep -i virtio")
            assert "ttyS0" in vm.guest("cat /proc/cmdline")
        with sh.section("disk"):
            _use_disk(sh, vm)
        with sh.section("monitor"):
            assert vm.qmp("query-status")["running"]
            assert "virtio-blk-pci" in vm.hmp("info qtree")
            assert "vm.img" in vm.hmp("info block")
            assert "RIP=" in vm.hmp("info registers")
        with sh.section("stop"):
            vm.qmp("quit")
            assert vm.wait_exit() == 0
            # Status 1 is the proof: there is no process that could get a signal.
            sh.line(f"kill -0 {vm.pid}", _ok_code=[1])


def _use_disk(sh: Shell, vm: Machine) -> None:
    """Write to the guest's disk, find the data in the file on the host, and count the disk's interrupts."""
    vm.guest("ls -l /guest/dev/vda")
    before = interrupts(vm.guest("grep virtio /proc/interrupts"))
    vm.guest("echo 'written in the guest' | dd of=/guest/dev/vda bs=512 conv=sync,fsync")
    assert "written in the guest" in sh.line("head -c 20 vm.img; echo")
    vm.guest("dd if=/dev/zero of=/guest/dev/vda bs=4k seek=1 count=256 oflag=direct")
    after = interrupts(vm.guest("grep virtio /proc/interrupts"))
    assert after > before, (before, after)


def interrupts(table: str) -> int:
    """Return the sum of all interrupts on all processors in lines of ``/proc/interrupts``."""
    return sum(int(word) for line in table.splitlines() for word in re.findall(r"(?<=\s)\d+(?=\s)", line.partition(":")[2]))


@recipe(tools=("ps", *FIRMWARE), memory="768M", disk="96M", timeout="15m", expects="8s")
def find_process(sh: Shell, qemu_debug: Path, linux_guest: Guest, accelerator: Accelerator) -> None:
    """Find a machine's process on the host, and tell its threads apart."""
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(machine(sh, qemu_debug, linux_guest, accelerator, cpus=2, disk="64M", name="findme"))
            # An I/O worker exists only during I/O; a busy processor shows in its processor time.
            vm.guest_start("while dd if=/dev/zero of=/guest/dev/vda bs=4k count=64 oflag=direct; do :; done")
        with sh.section("ps"):
            assert str(vm.pid) in sh.line("ps -efww | grep '[q]emu.*findme'")
            threads = parse_threads(sh.line(f"ps -L -o pid,tid,pcpu,comm -p $(cat {vm.pidfile})"))
        with sh.section("pidfile"):
            assert sh.cat(vm.pidfile).strip() == str(vm.pid)
        with sh.section("qmp"):
            processors = vm.qmp("query-cpus-fast")
        for processor in processors:
            name = threads[processor["thread-id"]]
            assert name == f"CPU {processor['cpu-index']}/{accelerator.name.upper()}", (name, threads)
        with sh.section("proc"):
            process = f"/proc/$(cat {vm.pidfile})"
            sh.line(f"ls -l {process}/exe")
            first = processors[0]["thread-id"]
            assert sh.line(f"cat {process}/task/{first}/comm").strip() == threads[first]
            assert "findme.img" in sh.line(f"ls -l {process}/fd | grep -E 'kvm|findme'")
            sh.line(f"grep -E '^(Threads|VmRSS|SigCgt)' {process}/status")


def parse_threads(listing: str) -> dict[int, str]:
    """Return the name of each thread by its thread id, from ``ps -L -o pid,tid,pcpu,comm``."""
    rows = [line.split(None, 3) for line in listing.splitlines()[1:]]
    return {int(tid): name.strip() for _, tid, _, name in rows}


UUID = "2015c0de-0000-4000-8000-000000000001"
"""UUID of the machine; the guest sees it in its firmware tables."""


@recipe(tools=("socat", *FIRMWARE), memory="1G", disk="96M", timeout="15m", expects="8s")
def command_line(sh: Shell, qemu_debug: Path, linux_guest: Guest, accelerator: Accelerator) -> None:
    """Try a command line of 2015 option by option, then start the same machine with today's options."""
    qemu = f"./{qemu_debug.name}"
    with sh.section("refused"), sh.cd(qemu_debug.parent):
        sh.run(qemu, "-realtime", "mlock=off", "-version", _ok_code=[1])
        sh.run(qemu, "-chardev", "socket,id=charmonitor,path=monitor.sock,server,nowait", "-version")
        # The result of the next three differs between versions: accepted, deprecated, or gone.
        sh.run(qemu, "-no-hpet", "-version", _ok_code=[0, 1])
        sh.line(f"{qemu} -machine help | grep i440fx | tail -n 3", _ok_code=[0, 1])
        sh.line(f"{qemu} -device virtio-blk-pci,help | grep -w scsi", _ok_code=[0, 1])
    with sh.section("network"), sh.cd(qemu_debug.parent):
        # A QEMU built without libslirp has no user network; in that case the card is plugged into a hub without another member.
        backends = sh.run(qemu, "-netdev", "help").split()
    network = "user" if "user" in backends else "hubport,hubid=0"
    with ExitStack() as stack:
        with sh.section("today"):
            sh.truncate("-s", "64M", "system.img")
            vm = stack.enter_context(
                machine(
                    sh,
                    qemu_debug,
                    linux_guest,
                    accelerator,
                    cpus=2,
                    args=options_of_today(network),
                    shell=False,
                    name="centos7",
                )
            )
        with sh.section("check"):
            _check_options(vm)
        with sh.section("by-hand"):
            _by_hand(sh, vm)


BY_HAND = ('{"execute": "qmp_capabilities"}', '{"execute": "query-name"}', '{"execute": "quit"}')
"""Lines to type into a machine monitor; the first one is always required."""


def _by_hand(sh: Shell, vm: Machine) -> None:
    """Talk to the machine's other monitor with no more than a socket, as a reader can; the last command ends the machine."""
    typed = " ".join(f"'{line}'" for line in BY_HAND)
    # -t: socat waits for answers after the last line, until QEMU closes the socket.
    # 1: QEMU may close the socket before it has read all data, which socat reports as a reset; by then all commands are done.
    told = sh.line(f"printf '%s\\n' {typed} | socat -t {QUIT_LIMIT} - UNIX-CONNECT:monitor.sock", _ok_code=[0, 1])
    assert '"name": "centos7"' in told, told
    assert vm.wait_exit() == 0


QUIT_LIMIT = 60
"""Seconds for a machine to answer and to end."""


def options_of_today(network: str) -> list[str]:
    """Return the options that libvirt used in 2015, in today's syntax, without those that the lab's machine adds itself.

    Args:
        network: The network's backend, such as ``user``.
    """
    return [
        *("-machine", "pc,usb=off,hpet=off"),
        *("-overcommit", "mem-lock=off"),
        *("-uuid", UUID),
        "-no-user-config",
        *("-rtc", "base=utc,driftfix=slew"),
        *("-global", "PIIX4_PM.disable_s3=1"),
        *("-global", "PIIX4_PM.disable_s4=1"),
        *("-boot", "strict=on"),
        *("-chardev", "socket,id=charmonitor,path=monitor.sock,server=on,wait=off"),
        *("-mon", "chardev=charmonitor,id=monitor,mode=control"),
        *("-device", "piix3-usb-uhci,id=usb,bus=pci.0,addr=0x1.0x2"),
        *("-drive", "file=system.img,format=raw,if=none,id=drive-virtio-disk0,cache=none"),
        *("-device", "virtio-blk-pci,bus=pci.0,addr=0x4,drive=drive-virtio-disk0,id=virtio-disk0,bootindex=1"),
        *("-netdev", f"{network},id=hostnet0"),
        *("-device", "virtio-net-pci,netdev=hostnet0,id=net0,mac=52:54:00:20:15:01,bus=pci.0,addr=0x3,romfile="),
        *("-chardev", "socket,id=charserial2,path=serial.sock,server=on,wait=off"),
        *("-device", "isa-serial,chardev=charserial2,id=serial2,index=2"),
        *("-device", "virtio-balloon-pci,id=balloon0,bus=pci.0,addr=0x5"),
        *("-msg", "timestamp=on"),
        "-S",
    ]


def _check_options(vm: Machine) -> None:
    """Query the monitors for the effect of the options."""
    assert vm.qmp("query-status")["status"] == "prelaunch"
    vm.qmp("cont")
    assert vm.qmp("query-status")["running"]
    vm.console.wait_for(READY, BOOT_LIMIT)  # by now the firmware has placed the devices
    assert vm.qmp("query-uuid")["UUID"] == UUID
    assert vm.qmp("qom-get", path="/machine", property="hpet") is False
    assert "system.img" in vm.hmp("info block")
    assert "net0" in vm.hmp("info network")
    assert "charmonitor" in vm.hmp("info chardev")
    assert 'id "virtio-disk0"' in vm.hmp("info pci")
