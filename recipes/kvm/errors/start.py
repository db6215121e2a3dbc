"""The error museum, second family: messages of QEMU and of a kernel when a machine does not start."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Sequence
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import Guest, Machine, firmware_folders
from recipes.build.linux import Kernel
from recipes.kvm.errors.refusals import printed, refused
from recipes.run.guest import FIRMWARE

NOTHING = "-nodefaults -display none"
"""Options for a machine that consists of a board only."""


def started(name: str) -> str:
    """Return options and commands that prove that a machine can start: QEMU daemonizes only when it has all it needs.

    Args:
        name: A name for the pid file. Each machine needs its own, since QEMU locks the file until it exits.
    """
    return f"-S -daemonize -pidfile {name}.pid && kill $(cat {name}.pid) && echo started"


BOOT_LIMIT = 180
"""Seconds for a kernel to reach its panic, emulated, on a busy host; four such boots must fit into the recipe's time limit."""


@recipe(tools=("busybox", "cpio", "readelf", *FIRMWARE), memory="512M", disk="64M", timeout="15m", expects="6s")
def museum_start(sh: Shell, qemu_optimised: Path, linux_build: Kernel) -> None:
    """Start machines without firmware, with too much memory, and with a kernel that finds no root or no init, or loses it."""
    # QEMU would also search its build directory, so it runs elsewhere. strip comes with binutils, as readelf does.
    sh.strip("-o", "qemu", qemu_optimised)
    folders = firmware_folders(qemu_optimised, None) or (qemu_optimised.parent / "pc-bios",)
    found = " ".join(f"-L {folder}" for folder in folders)
    with sh.section("bios"):
        refused(sh, f"./qemu {NOTHING}", "could not load PC BIOS")
    with sh.section("rom"):
        _option_rom(sh, folders, linux_build)
    with sh.section("firmware"):
        sh.line(f"./qemu {found} {NOTHING} -kernel {linux_build.image} {started('firmware')}")
        told = printed(sh)
        assert "started" in told, told
        assert "option rom" not in told, told
    with sh.section("memory"):
        refused(sh, f"ulimit -v 4000000; ./qemu {found} {NOTHING} -m 16G", "cannot set up guest memory")
        assert "started" in sh.line(f"ulimit -v 4000000; ./qemu {found} {NOTHING} -m 64M {started('memory')}")
    with sh.section("host"):
        refused(sh, f"./qemu {found} {NOTHING} -accel tcg -cpu host", "CPU model 'host' requires KVM")
        assert "started" in sh.line(f"./qemu {found} {NOTHING} -accel tcg -cpu max {started('host')}")
    with sh.section("network"):
        backends = sh.line("./qemu -netdev help")
        sh.line(f"./qemu {found} {NOTHING} -netdev user,id=net0 {started('network')}", _ok_code=[0, 1])
        if "user" not in backends.split():
            assert "is not compiled into this binary" in printed(sh)
    boot = f"timeout {BOOT_LIMIT} ./qemu {found} {NOTHING} -cpu max -no-reboot -serial stdio -kernel {linux_build.image}"
    sh.emulated = True
    _panics(sh, boot)


def _option_rom(sh: Shell, folders: Sequence[str | Path], kernel: Kernel) -> None:
    """Give QEMU the BIOS, but not the ROM with which the BIOS starts a kernel."""
    bios = next(path for folder in folders if (path := Path(folder, "bios-256k.bin")).is_file())
    sh.mkdir("bios")
    sh.cp("-L", bios, "bios/")
    sh.line(f"./qemu -L bios {NOTHING} -kernel {kernel.image} {started('rom')}", _ok_code=[0, 1])
    told = printed(sh)
    assert re.search(r"(ould not open option rom|failed to find romfile|rom: file) .?linuxboot_dma\.bin", told), told


def _panics(sh: Shell, boot: str) -> None:
    """Boot a kernel into the three panics about missing user space, and then into a working user space."""
    # As on every machine of the lab: on a very busy host a working timer may seem dead, which would cause a different panic.
    words = "console=ttyS0 quiet panic=-1 no_timer_check"
    with sh.section("root"):
        told = sh.line(f'{boot} -append "{words}" | grep -a -E "panic|VFS|root="', _ok_code=[0])
        assert "Unable to mount root fs" in told, told
    with sh.section("init"):
        _pack(sh, "#!/bin/bash\necho hello\n")
        told = sh.line(f'{boot} -initrd broken.cpio -append "{words}" | grep -a -E "panic|init"')
        assert "Failed to execute /init (error -2)" in told, told
    with sh.section("killed"):
        _pack(sh, "#!/busybox sh\necho hello from init\n")
        told = sh.line(f'{boot} -initrd broken.cpio -append "{words}" | grep -a -E "panic|hello"')
        assert "Attempted to kill init! exitcode=0x00000000" in told, told
    with sh.section("started"):
        _pack(sh, "#!/busybox sh\necho hello from init\n/busybox poweroff -f\n")
        told = sh.line(f'{boot} -initrd broken.cpio -append "{words}" | grep -a -E "panic|hello"')
        assert "hello" in told, told
        assert "panic" not in told, told


def _pack(sh: Shell, init: str) -> None:
    """Pack an initramfs of an init and a busybox."""
    sh.line("mkdir -p broken && cp -L $(command -v busybox) broken/")
    sh.write("broken/init", init, 0o755)
    sh.line("cd broken && printf '%s\\n' init busybox | cpio -o -H newc --quiet >../broken.cpio")


@recipe(tools=("ps", *FIRMWARE), memory="512M", disk="64M", timeout="15m", expects="2s")
def museum_taken(sh: Shell, qemu_optimised: Path, linux_guest: Guest) -> None:
    """Start a second machine on the disk and on the port that a first one is using."""
    port = free_port()
    qemu = shlex.quote(str(qemu_optimised))
    alike = f"{qemu} {' '.join(f'-L {folder}' for folder in firmware_folders(qemu_optimised, None))} {NOTHING}"
    image = qemu_optimised.parent / "qemu-img"
    drive = "-drive file=first.img,format=raw,if=virtio"
    stub = ("-gdb", f"tcp:127.0.0.1:{port}")
    with Machine(sh, qemu_optimised, linux_guest, disk="16M", args=stub, shell=False, name="first"):
        with sh.section("lock"):
            refused(sh, f"{alike} {drive}", 'Failed to get "write" lock')
            refused(sh, f"{image} convert -O qcow2 first.img copy.qcow2", 'Failed to get shared "write" lock')
            assert "qemu" in sh.pgrep("-l", "-f", "first.img")
            sh.line(f"{image} convert -U -O qcow2 first.img copy.qcow2 && ls -l copy.qcow2")
        with sh.section("port"):
            refused(sh, f"{alike} {' '.join(stub)}", "Address already in use")
            assert "started" in sh.line(f"{alike} -gdb unix:second.gdb,server=on,wait=off {started('second')}")
    with sh.section("free"):
        assert "started" in sh.line(f"{alike} {drive} {started('third')}")


def free_port() -> int:
    """Return a port of the loopback address that is currently free."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
