"""Building the guests' kernel: small, complete with debug information, and with KVM as modules."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kvmdocs import Shell, recipe

BUILD_TOOLS = ("gcc", "make", "flex", "bison", "bc", "libelf", "perl", "gzip", "python3", "cpio", "kmod")
"""Tools that the kernel's build needs."""

FRAGMENT = """\
# The machine: 64 bits, several processors, aware that it may run under a hypervisor.
CONFIG_64BIT=y
CONFIG_SMP=y
CONFIG_NR_CPUS=8
CONFIG_CPU_SUP_INTEL=y
CONFIG_CPU_SUP_AMD=y
CONFIG_X86_LOCAL_APIC=y
CONFIG_X86_MCE=y
CONFIG_ACPI=y
CONFIG_HYPERVISOR_GUEST=y
CONFIG_PARAVIRT=y
CONFIG_KVM_GUEST=y

# KVM, as modules so that it can be rebuilt and loaded again; both vendors' halves.
CONFIG_MODULES=y
CONFIG_MODULE_UNLOAD=y
CONFIG_VIRTUALIZATION=y
CONFIG_HIGH_RES_TIMERS=y
CONFIG_KVM=m
CONFIG_KVM_AMD=m
CONFIG_KVM_INTEL=m

# A virtio disk on PCI. Without MSI its completions come as INTx, and the irqfd path stays unseen.
CONFIG_PCI=y
CONFIG_PCI_MSI=y
CONFIG_BLOCK=y
CONFIG_BLK_DEV=y
CONFIG_VIRTIO_MENU=y
CONFIG_VIRTIO_PCI=y
CONFIG_VIRTIO_PCI_LEGACY=y
CONFIG_VIRTIO_BLK=y
CONFIG_EXT4_FS=y

# User space from an initramfs, talked to over a serial line.
CONFIG_BLK_DEV_INITRD=y
CONFIG_RD_GZIP=y
CONFIG_BINFMT_ELF=y
CONFIG_BINFMT_SCRIPT=y
CONFIG_TTY=y
CONFIG_SERIAL_8250=y
CONFIG_SERIAL_8250_CONSOLE=y
CONFIG_PRINTK=y
CONFIG_DEVTMPFS=y
CONFIG_DEVTMPFS_MOUNT=y
CONFIG_PROC_FS=y
CONFIG_SYSFS=y
CONFIG_TMPFS=y
CONFIG_DEBUG_FS=y
CONFIG_UNIX=y
CONFIG_NET=y
CONFIG_INET=y

# System calls that QEMU itself makes: it runs inside this guest too.
CONFIG_MULTIUSER=y
CONFIG_FUTEX=y
CONFIG_EPOLL=y
CONFIG_EVENTFD=y
CONFIG_SIGNALFD=y
CONFIG_TIMERFD=y
CONFIG_POSIX_TIMERS=y
CONFIG_AIO=y
CONFIG_FILE_LOCKING=y
CONFIG_MEMBARRIER=y
CONFIG_SHMEM=y
CONFIG_ADVISE_SYSCALLS=y
CONFIG_USERFAULTFD=y
CONFIG_UNIX98_PTYS=y

# A folder of the host as the guest's root, as virtme-ng has it.
CONFIG_NETWORK_FILESYSTEMS=y
CONFIG_NET_9P=y
CONFIG_NET_9P_VIRTIO=y
CONFIG_9P_FS=y
CONFIG_FUSE_FS=y
CONFIG_VIRTIO_FS=y
CONFIG_OVERLAY_FS=y
CONFIG_VIRTIO_CONSOLE=y

# Debugging: names and line numbers, gdb's helper commands; addresses move unless the guest is booted with nokaslr.
CONFIG_KALLSYMS=y
CONFIG_KALLSYMS_ALL=y
CONFIG_DEBUG_KERNEL=y
CONFIG_DEBUG_INFO=y
CONFIG_DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT=y
CONFIG_GDB_SCRIPTS=y
CONFIG_FRAME_POINTER=y
CONFIG_UNWINDER_FRAME_POINTER=y
CONFIG_RELOCATABLE=y
CONFIG_RANDOMIZE_BASE=y
CONFIG_MAGIC_SYSRQ=y

# Memory dumps that crash and drgn can read, and the running kernel as a core file.
CONFIG_KEXEC=y
CONFIG_CRASH_DUMP=y
CONFIG_PROC_KCORE=y
# crash looks into the stack of each exception, and ends where that of #VC has no code, as without these.
CONFIG_EFI=y
CONFIG_EFI_STUB=y
CONFIG_AMD_MEM_ENCRYPT=y
CONFIG_FW_CFG_SYSFS=y

# Tracing.
CONFIG_TRACING=y
CONFIG_EVENT_TRACING=y
CONFIG_FTRACE=y
CONFIG_FUNCTION_TRACER=y
CONFIG_FUNCTION_GRAPH_TRACER=y
CONFIG_DYNAMIC_FTRACE=y
CONFIG_FTRACE_SYSCALLS=y
CONFIG_KPROBES=y
CONFIG_KPROBE_EVENTS=y
CONFIG_UPROBE_EVENTS=y
CONFIG_PERF_EVENTS=y
CONFIG_IKCONFIG=y
CONFIG_IKCONFIG_PROC=y
"""

STAMP = {
    "KBUILD_BUILD_TIMESTAMP": "1970-01-01",
    "KBUILD_BUILD_USER": "reader",
    "KBUILD_BUILD_HOST": "kvm-lab",
}
"""Build metadata (user, host, date) that a kernel records; fixed, so that builds are reproducible."""


@dataclass(frozen=True)
class Kernel:
    """A built kernel.

    Attributes:
        image: The image that a boot loader, or QEMU's ``-kernel``, starts.
        vmlinux: The same code as an ELF file with debug information, for gdb.
        modules: KVM's modules in load order.
    """

    image: Path
    vmlinux: Path
    modules: tuple[Path, ...]

    @property
    def build(self) -> Path:
        """Build directory."""
        return self.vmlinux.parent


@recipe(tools=BUILD_TOOLS, cpus="all", memory="3G", disk="1600M", timeout="120m", expects="5m")
def linux_build(sh: Shell, linux_source: Path) -> Kernel:
    """Compile a small Linux with KVM as modules and full debug information.

    Returns:
        The kernel and KVM's modules.
    """
    build = sh.workspace / "build"
    with sh.section("configure"):
        sh.mkdir(build)
        sh.write("kvm.fragment", FRAGMENT)
        fragment = sh.workspace / "kvm.fragment"
        sh.make("-C", linux_source, f"O={build}", f"KCONFIG_ALLCONFIG={fragment}", "allnoconfig")
        wanted = {line for line in FRAGMENT.splitlines() if line.startswith("CONFIG_")}
        lost = wanted - set((build / ".config").read_text().splitlines())
        assert not lost, f"the configuration did not take {sorted(lost)}"
    with sh.section("make"), sh.cd(build):
        stamp = [f"{name}={value}" for name, value in STAMP.items()]
        sh.make(f"-j{sh.cpus}", *stamp, "bzImage", "modules", "scripts_gdb")
    image = build / "arch/x86/boot/bzImage"
    with sh.section("look"), sh.cd(build):
        sh.line("ls -lh arch/x86/boot/bzImage vmlinux")
        sh.line("find . -name '*.ko' | sort | xargs ls -lh")
    modules = tuple(build / name for name in ("virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko", "arch/x86/kvm/kvm-amd.ko"))
    missing = [module.name for module in modules if not module.is_file()]
    assert not missing, f"the build left no {', '.join(missing)}"
    return Kernel(image, build / "vmlinux", modules)
