"""What QEMU asks of KVM: the system calls on ``/dev/kvm`` with which a virtual machine comes to be and runs."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.errors import HostLacks
from kvmdocs.lab import Guest, Machine, build_initramfs
from kvmdocs.lab.firmware import firmware_folders
from recipes.guest import FIRMWARE as FIRMWARE_TOOLS
from recipes.guest import STILL
from recipes.linux import Kernel

FIRMWARE = ("bios-256k.bin", "kvmvapic.bin", "linuxboot_dma.bin")
"""What a pc machine without display and network loads: the BIOS, a ROM for its interrupt controller, the kernel's loader."""

OUTER = "tcg"
"""How the outer guest runs: ``-cpu max`` then emulates SVM on every host, so that KVM has a processor to work with."""

INNER_SAYS = "hello from a guest of KVM"

_INNER_INIT = f"""\
#!/bin/sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct 2>/dev/null
echo "{INNER_SAYS}"
poweroff -f
"""

_INNER_QEMU = """\
#!/bin/sh
# The machine whose system calls are watched.
truncate -s 1M /tmp/disk.img
exec qemu-system-x86_64 -accel kvm -cpu host -m 64M -L /firmware \\
    -kernel /inner/bzImage -initrd /inner/initramfs.cpio.gz \\
    -append "console=ttyS0 quiet panic=-1" \\
    -drive file=/tmp/disk.img,format=raw,if=none,id=disk \\
    -device virtio-blk-pci,drive=disk \\
    -nodefaults -display none -no-reboot -serial stdio
"""

_NAME = r"s/.*ioctl([^,]*, \(KVM_[A-Z0-9_]*\).*/\1/p"
"""For sed: the name of the request of one traced call."""

MAKERS = ("KVM_GET_API_VERSION", "KVM_CREATE_VM", "KVM_SET_USER_MEMORY_REGION", "KVM_CREATE_VCPU", "KVM_RUN")
"""Without these requests there is no running machine; see Documentation/virt/kvm/api.rst of Linux."""

BOOT_LIMIT = 300.0
"""Seconds the outer guest has to boot; its initramfs is large, and the host may be busy."""

TRACE_LIMIT = 600.0
"""Seconds the inner guest has to boot and to end, emulated twice over and with every system call of its QEMU traced."""


@recipe(
    # strip comes with binutils, as readelf does.
    tools=("busybox", "cpio", "gzip", "ldd", "readelf", "strace", *FIRMWARE_TOOLS),
    memory="1G",
    disk="256M",
    timeout="20m",
    expects="1m",
)
def kvm_calls(sh: Shell, qemu_optimised: Path, linux_build: Kernel) -> dict[str, int]:
    """Watch the system calls on /dev/kvm of a QEMU that boots a guest under KVM.

    The QEMU that is watched runs inside a guest whose kernel has KVM as modules. So it works on a host without KVM, and what is
    seen is the KVM that was built from source here.

    Returns:
        How often each request was made, by its name.
    """
    outer = _pack(sh, qemu_optimised, linux_build)
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(
                Machine(sh, qemu_optimised, outer, accel=OUTER, memory="768M", name="outer", boot_timeout=BOOT_LIMIT)
            )
        with sh.section("load"):
            for module in linux_build.modules:
                vm.guest(f"insmod /lib/modules/{module.name}")
            vm.guest("dmesg | grep -i 'kvm:' | tail -n 4")
            vm.guest("ls -l /dev/kvm")
        with sh.section("trace"):
            # -f: the vCPU is a thread of its own; -y: what a descriptor is; -e kvm=vcpu: why KVM_RUN came back.
            told = vm.guest("strace -f -y -e trace=openat,ioctl -e kvm=vcpu -o /tmp/calls inner", timeout=TRACE_LIMIT)
            assert INNER_SAYS in told, told
        _look(sh, vm)
        with sh.section("count"):
            counted = vm.guest(f"sed -n '{_NAME}' /tmp/calls | sort | uniq -c | sort -n -r")
    calls = count(counted)
    missing = [name for name in MAKERS if name not in calls]
    assert not missing, f"no {', '.join(missing)} in {counted}"
    return calls


def _look(sh: Shell, vm: Machine) -> None:
    """Show the calls that matter, in the order in which they are made."""
    with sh.section("open"):
        vm.guest("grep -m 1 /dev/kvm /tmp/calls")
        vm.guest("grep -E -m 2 'KVM_GET_API_VERSION|KVM_CREATE_VM,' /tmp/calls")
    with sh.section("memory"):
        regions = vm.guest("sed -n 's/.*KVM_SET_USER_MEMORY_REGION, //p' /tmp/calls | head -n 2")
        assert "guest_phys_addr=0," in regions, regions
    with sh.section("vcpu"):
        vm.guest('for name in CREATE_VCPU SET_CPUID2 SET_REGS; do grep -m 1 "KVM_$name" /tmp/calls; done')
    with sh.section("doors"):
        vm.guest("grep -c KVM_IOEVENTFD /tmp/calls")
        vm.guest("grep -m 1 KVM_IRQFD /tmp/calls")
    with sh.section("run"):
        vm.guest("grep -m 3 'KVM_RUN.*KVM_EXIT_IO' /tmp/calls")
        vm.guest("grep -o -E 'KVM_EXIT_[A-Z_]+' /tmp/calls | sort | uniq -c | sort -n -r")


def count(table: str) -> dict[str, int]:
    """How often each request is counted in what ``uniq -c`` printed."""
    return {name: int(number) for number, name in re.findall(r"^\s*(\d+) (KVM_\w+)$", table, re.MULTILINE)}


def _pack(sh: Shell, qemu: Path, kernel: Kernel) -> Guest:
    """Pack a guest that holds all the inner machine needs: QEMU, firmware, KVM's modules, a kernel and its initramfs."""
    with sh.section("inner"):
        script = sh.write("inner.sh", _INNER_QEMU, 0o755)
        inner = build_initramfs(sh, init=_INNER_INIT, name="inner")
    files = {
        "/bin/inner": script,
        "/inner/bzImage": kernel.image,
        "/inner/initramfs.cpio.gz": inner,
        **{f"/firmware/{name}": _firmware(qemu, name) for name in FIRMWARE},
        **{f"/lib/modules/{module.name}": module for module in kernel.modules},
    }
    with sh.section("pack"):
        sh.strip("-o", qemu.name, qemu)
        programs = (sh.workspace / qemu.name, "strace")
        return Guest(kernel.image, build_initramfs(sh, files=files, programs=programs, name="outer"), STILL)


def _firmware(qemu: Path, name: str) -> Path:
    """A firmware file: from beside the QEMU that was built if its source came with it, else from the distribution.

    Raises:
        HostLacks: It is in none of these places.
    """
    for folder in firmware_folders(qemu, None) or (qemu.parent / "pc-bios",):
        if Path(folder, name).is_file():
            return Path(folder, name)
    raise HostLacks(f"there is no firmware file {name} on this host")
