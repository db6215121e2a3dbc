"""A machine whose kernel has KVM (L1), on every host, and all that a guest of that KVM (L2) needs.

::

    @recipe(tools=L1_TOOLS, memory="1G", timeout="15m")
    def look(sh: Shell, qemu_optimised: Path, linux_build: Kernel, kvm_host: KvmHost) -> None:
        with sh.section("pack"):
            parts = inner(sh, qemu_optimised, linux_build)
            vm = l1(sh, qemu_optimised, linux_build, kvm_host, inner=parts)
        with sh.section("start"), vm:
            load_kvm(vm, kvm_host)
            assert INNER_SAYS in vm.guest("inner", timeout=INNER_LIMIT)
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kvmdocs import CommandFailed, HostLacks, LabFailed, Shell, Skipped, TimedOut, recipe
from kvmdocs.lab import Guest, Machine, build_initramfs, firmware_folders
from recipes.build.linux import Kernel
from recipes.run.guest import FIRMWARE as FIRMWARE_TOOLS
from recipes.run.guest import KVM_LIMIT, STILL, Accelerator, steady

# strip comes with binutils, as readelf does.
L1_TOOLS = ("busybox", "cpio", "gzip", "ldd", "readelf", *FIRMWARE_TOOLS)
"""Tools that a recipe with `l1` and `inner` declares besides its own."""

BOOT_LIMIT = 300.0
"""Seconds for L1 to boot. Emulated on a quiet host it takes one or two, but its initramfs may be large and the host busy."""

PERIODIC = "highres=off"
"""Parameter of L1's kernel that selects a periodic timer.

Under load, an L1 sometimes hung: its processor was idle, its one-shot APIC timer had expired, and the interrupt was neither
pending nor in service (seen with gdb on QEMU 7.2.22, TCG emulating SVM). With a periodic timer, the next interrupt makes up for
a lost one.
"""

INNER_LIMIT = 600.0
"""Seconds for L2 to boot and shut down: its processor is emulated by an emulated processor, and may be traced."""

VENDORS = {"svm": "kvm-amd", "vmx": "kvm-intel"}
"""The processor feature, as in ``/proc/cpuinfo``, that each vendor's module of KVM needs."""

FIRMWARE = ("bios-256k.bin", "kvmvapic.bin", "linuxboot_dma.bin")
"""Firmware of a pc machine without display and network: the BIOS, a ROM for its interrupt controller, the kernel's loader."""

INNER_SAYS = "hello from a guest of KVM"
"""Message of L2's first process after it has used its disk."""

INNER_INIT = f"""\
#!/bin/sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct 2>/dev/null
echo "{INNER_SAYS}"
poweroff -f
"""

TRACE = "/sys/kernel/tracing"
"""Mount point of tracefs."""

STREAMS = "</tmp/say >/tmp/l2.out 2>&1"
"""For `inner_script`: L2's input comes from a file in L1, and its output goes to another."""


IOTHREAD = "-object iothread,id=disk,poll-max-ns=0"
"""For `inner_script`: a thread for the disk. It sleeps while it is idle, because L1 has no processor to spare for polling."""

IOTHREAD_DISK = "virtio-blk-pci,iothread=disk"
"""For `inner_script`: the disk with that thread. Its interrupts use an irqfd in every QEMU; for a disk on the main loop, QEMU
9.0 and newer use an ioctl."""


def inner_script(*options: str, disk: str = "virtio-blk-pci", serial: str = "stdio", streams: str = "") -> str:
    """Return the script ``inner``, which starts L2 and passes its own arguments on to L2's QEMU.

    Args:
        *options: More options for L2's QEMU, each on a line of its own.
        disk: The disk's device and properties, in the format of QEMU's ``-device``.
        serial: The target of L2's serial line, in the format of QEMU's ``-serial``.
        streams: Redirections of QEMU's own input and output, in shell syntax.
    """
    more = "".join(f"    {option} \\\n" for option in options)
    return f"""\
#!/bin/sh
# A machine under KVM: one processor, one virtio disk, a serial line.
truncate -s 1M /tmp/disk.img
exec qemu-system-x86_64 -accel kvm -cpu host -m 64M -L /firmware \\
    -kernel /inner/bzImage -initrd /inner/initramfs.cpio.gz \\
    -append "console=ttyS0 quiet panic=-1" \\
    -drive file=/tmp/disk.img,format=raw,if=none,id=disk \\
    -device {disk},drive=disk \\
{more}    -nodefaults -display none -no-reboot -serial {serial} "$@"{f" {streams}" if streams else ""}
"""


@dataclass(frozen=True)
class KvmHost:
    """The environment that an L1 runs in, and KVM's modules for it.

    Attributes:
        accel: Value of L1's ``-accel``.
        cpu: Value of L1's ``-cpu``.
        modules: The modules for that processor, in load order, without debug information.
        other: The other vendor's module, which refuses that processor.
        reason: Why it is not the host's own KVM; "" if it is.
    """

    accel: str
    cpu: str
    modules: tuple[Path, ...]
    other: Path
    reason: str = ""

    @property
    def vendor(self) -> str:
        """Name of the vendor's module: ``kvm-amd`` or ``kvm-intel``."""
        return self.modules[-1].stem


@dataclass(frozen=True)
class Inner:
    """Files that L1 needs to run an L2 with the command ``inner``; arguments of the command go to L2's QEMU.

    Attributes:
        files: The files, by their path in L1.
        programs: The programs, which are packed with their libraries.
    """

    files: dict[str, Path]
    programs: tuple[Path, ...]


@recipe(tools=L1_TOOLS, memory="768M", disk="32M", timeout="15m", expects="5s")
def kvm_host(sh: Shell, qemu_optimised: Path, linux_build: Kernel, accelerator: Accelerator, tiny: Path) -> KvmHost:
    """Find a processor for a kernel with KVM: the host's own, if it can be nested, else one that QEMU emulates.

    Each candidate is tried, as every accelerator is: a guest boots, loads KVM, and runs a guest of its own.

    Raises:
        Skipped: Neither the host nor this QEMU gives a guest a processor with SVM or VMX.
    """
    with sh.section("strip"):
        modules = _strip(sh, (*linux_build.modules, linux_build.build / "arch/x86/kvm/kvm-intel.ko"))
    with sh.section("pack"):
        archive = build_initramfs(sh, files={f"/lib/modules/{module.name}": module for module in modules}, programs=(tiny,))
    guest = Guest(linux_build.image, archive, STILL)
    reason = accelerator.reason
    if accelerator.name == "kvm":
        with sh.section("try"):
            found, reason = _try(sh, qemu_optimised, guest, "kvm", accelerator.cpu)
        if found:
            return _host("kvm", accelerator.cpu, modules, found)
    with sh.section("try"):
        found, why = _try(sh, qemu_optimised, guest, "tcg", "max")
    if not found:
        raise Skipped(f"KVM can be loaded neither under this host's KVM ({reason}) nor under emulation ({why})")
    return _host("tcg", "max", modules, found, reason)


def _host(accel: str, cpu: str, modules: Sequence[Path], vendor: str, reason: str = "") -> KvmHost:
    """Return a `KvmHost`, with the modules sorted into those that load and the one that does not."""
    other = next(module for module in modules if module.stem in VENDORS.values() and module.stem != vendor)
    return KvmHost(accel, cpu, tuple(module for module in modules if module != other), other, reason)


def _strip(sh: Shell, modules: Sequence[Path]) -> tuple[Path, ...]:
    """Copy the modules without debug information, which is nine tenths of a module and is only read by a debugger outside."""
    sh.mkdir("modules")
    sh.cp(*modules, "modules")
    with sh.cd("modules"):
        sh.strip("--strip-debug", *(module.name for module in modules))
    return tuple(sh.workspace / "modules" / module.name for module in modules)


def _try(sh: Shell, qemu: Path, guest: Guest, accel: str, cpu: str) -> tuple[str, str]:
    """Boot a guest, load KVM in it, and run a guest under that.

    Returns:
        The vendor's module that worked, or "", and the reason for a failure.
    """
    before = sh.emulated
    try:
        limit = KVM_LIMIT if accel == "kvm" else BOOT_LIMIT
        with Machine(sh, qemu, guest, accel=accel, cpu=cpu, memory="512M", boot_timeout=limit, name="l1") as vm:
            flags = vm.guest(f"grep -o -w -m 1 -E '{'|'.join(VENDORS)}' /proc/cpuinfo", ok=(0, 1)).split()
            if not flags:
                return "", no_feature(accel)
            vendor = VENDORS[flags[0]]
            for module in ("irqbypass", "kvm", vendor):
                vm.guest(f"insmod /lib/modules/{module}.ko")
            assert_device(vm)
            # A device that opens proves nothing: on some hosts KVM loads but never enters a guest.
            told = vm.guest(f"timeout {limit:g} tiny", timeout=2 * limit, ok=range(256))
            return (vendor, "") if "al = 42" in told else ("", "KVM can be loaded under it, and runs no guest")
    except (LabFailed, TimedOut, CommandFailed) as error:
        if accel != "kvm":
            raise
        sh.emulated = before
        return "", steady(error.message)


def no_feature(accel: str) -> str:
    """Return the reason why there is no KVM in a guest whose processor has neither SVM nor VMX."""
    return "this QEMU does not emulate SVM" if accel == "tcg" else "its guests get neither SVM nor VMX: it is not nested"


def assert_device(vm: Machine) -> None:
    """Show ``/dev/kvm`` in the guest: a character device with the numbers 10, 232 (include/linux/miscdevice.h)."""
    shown = vm.guest("ls -l /dev/kvm")
    assert re.match(r"c.* 10, 232 .*/dev/kvm$", shown.strip()), shown


def l1(
    sh: Shell,
    qemu: Path,
    kernel: Kernel,
    host: KvmHost,
    *,
    inner: Inner | None = None,
    files: Mapping[str, str | Path] | None = None,
    programs: Sequence[str | Path] = (),
    name: str = "l1",
    cpus: int = 1,
    memory: str = "512M",
    gdbstub: bool = False,
    append: str = "",
    disk: str | Path | None = None,
    args: Sequence[str | Path] = (),
) -> Machine:
    """Pack a guest with KVM's modules, not loaded yet, and return its machine; ``with`` starts it.

    Args:
        sh: The recipe's shell.
        qemu: The QEMU that runs L1.
        kernel: The kernel.
        host: The accelerator and processor of L1, with KVM's modules.
        inner: The files of an L2, if L1 must run one.
        files: More files by their path in the guest; a file at ``/lib/modules/kvm.ko`` replaces that module.
        programs: More programs, with their libraries.
        name: The name of the machine and of its archive.
        cpus: Number of processors.
        memory: Memory of the machine, including its initramfs.
        gdbstub: True for a stub that a debugger connects to.
        append: More parameters for the kernel's command line, which already has ``nokaslr`` and ``highres=off``.
        disk: The disk, in the format of `Machine`.
        args: More arguments for QEMU.
    """
    modules = {f"/lib/modules/{module.name}": module for module in (*host.modules, host.other)}
    held = inner or Inner({}, ())
    archive = build_initramfs(
        sh, files={**modules, **held.files, **(files or {})}, programs=(*held.programs, *programs), name=name
    )
    return Machine(
        sh,
        qemu,
        Guest(kernel.image, archive, f"{STILL} {PERIODIC}"),
        accel=host.accel,
        cpu=host.cpu,
        cpus=cpus,
        memory=memory,
        disk=disk,
        args=args,
        append=append,
        name=name,
        gdbstub=gdbstub,
        boot_timeout=BOOT_LIMIT,
    )


def load_kvm(vm: Machine, host: KvmHost) -> None:
    """Load KVM in L1, module by module, and check that ``/dev/kvm`` appears."""
    for module in host.modules:
        vm.guest(f"insmod /lib/modules/{module.name}")
    assert_device(vm)


def inner(sh: Shell, qemu: Path, kernel: Kernel, *, init: str = INNER_INIT, script: str = "") -> Inner:
    """Gather an L2 for L1: the QEMU that was built, its firmware, a kernel, an initramfs, and the script that starts it.

    Args:
        sh: The recipe's shell.
        qemu: The QEMU that runs L2; L1 gets a copy without debug information, which is most of its size.
        kernel: The kernel.
        init: L2's ``/init``.
        script: The command ``inner`` of L1; by default that of `inner_script`.
    """
    start = sh.write("inner.sh", script or inner_script(), 0o755)
    archive = build_initramfs(sh, init=init, name="inner")
    sh.strip("-o", qemu.name, qemu)
    files = {
        "/bin/inner": start,
        "/inner/bzImage": kernel.image,
        "/inner/initramfs.cpio.gz": archive,
        **{f"/firmware/{name}": firmware(qemu, name) for name in FIRMWARE},
    }
    return Inner(files, (sh.workspace / qemu.name,))


def firmware(qemu: Path, name: str) -> Path:
    """Return a firmware file, from QEMU's build directory if its source includes firmware, else from the distribution.

    Raises:
        HostLacks: The file is in none of these places.
    """
    for folder in firmware_folders(qemu, None) or (qemu.parent / "pc-bios",):
        if Path(folder, name).is_file():
            return Path(folder, name)
    raise HostLacks(f"there is no firmware file {name} on this host")
