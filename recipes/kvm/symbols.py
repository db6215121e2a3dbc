"""Functions of KVM that can be broken on, traced and probed in this build, and those that run when a guest boots."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from kvmdocs import Shell, recipe
from kvmdocs.lab import build_initramfs
from recipes.build.linux import Kernel
from recipes.kvm.gdb import ALPHABET, build_letters, with_svm
from recipes.kvm.host import (
    INNER_LIMIT,
    INNER_SAYS,
    IOTHREAD,
    IOTHREAD_DISK,
    L1_TOOLS,
    TRACE,
    KvmHost,
    inner,
    inner_script,
    l1,
    load_kvm,
)
from recipes.kvm.where import NAMES, WHERE, Function, placed

PROBE = r"""#!/bin/sh
# Tell of each function in /names: its symbol, whether ftrace can follow it, and whether a probe can be set on it.
cd /sys/kernel/tracing
grep '\[kvm' /proc/kallsyms >/tmp/symbols
grep '\[kvm' available_filter_functions >/tmp/traceable
awk '
    FILENAME == "/names" { order[++count] = $1; wanted[$1] = 1; next }
    FILENAME == "/tmp/traceable" { traceable[$1] = 1; next }
    $2 ~ /[tT]/ && $3 !~ /\.cold/ {
        name = $3
        sub(/\..*/, "", name) # the compiler names variants of a function name.isra.0, name.constprop.0
        if (name in wanted) symbol[name] = $3
    }
    END {
        for (i = 1; i <= count; i++) {
            found = symbol[order[i]] ? symbol[order[i]] : "-"
            print order[i], found, (found in traceable) ? "trace" : "-"
        }
    }
' /names /tmp/traceable /tmp/symbols | while read -r name symbol trace; do
    probe=-
    { echo "p:map/$name $symbol" >>kprobe_events; } 2>/dev/null && probe=probe
    echo "$name $symbol $trace $probe"
done
"""
"""Script for L1, because only the running kernel knows its symbols, its traceable functions, and whether it accepts a probe."""


EVENTS = {
    "early": (
        *("kvm_entry", "kvm_exit", "kvm_page_fault", "kvm_cpuid", "kvm_msr", "kvm_pio", "kvm_mmio", "kvm_emulate_insn"),
        "kvm_userspace_exit",
    ),
    "late": ("kvm_msi_set_irq", "kvm_apic_accept_irq", "kvm_inj_virq", "kvm_eoi"),
}
"""KVM's tracepoints in the order in which they explain each other, by the buffer that they go to.

The events of the first kind come by the thousand from the start of a boot, so their buffer may be full when those of the second
kind come.
"""

LINES = {"kvm_userspace_exit": "kvm_userspace_exit: reason KVM_EXIT_IO"}
"""The line to show for an event whose first line says little: a vCPU that has never run returns because of a signal."""

BUFFERS = "\n".join(
    [
        "#!/bin/sh",
        "# Buffers for events of KVM, beside the one that the probes write to; each keeps what comes first.",
        "cd /sys/kernel/tracing/instances",
        *(
            line
            for buffer, events in EVENTS.items()
            for line in (
                f"mkdir {buffer}",
                f"echo 0 >{buffer}/options/overwrite",
                f"for event in {' '.join(events)}; do",
                f"    echo 1 >{buffer}/events/kvm/$event/enable",
                "done",
            )
        ),
        "",
    ]
)
"""Script for L1. An instance of the tracer has a buffer and switches of its own."""


NESTED_INIT = f"""\
#!/bin/sh
# L2 uses its disk, then becomes a host itself: its own KVM runs a guest, L3.
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
dd if=/dev/zero of=/dev/vda bs=4k count=1 oflag=direct 2>/dev/null
for name in irqbypass kvm kvm-amd; do insmod /lib/modules/$name.ko; done
letters
echo "{INNER_SAYS}"
poweroff -f
"""
"""L2's ``/init``, which makes every kind of function run, including those for nested guests."""


CALLED = (
    *("kvm_arch_vcpu_ioctl_run", "svm_vcpu_run", "svm_handle_exit", "npf_interception", "io_interception", "ioeventfd_write"),
    *("irqfd_wakeup", "svm_inject_irq", "kvm_destroy_vm", "nested_svm_vmrun", "nested_svm_vmexit"),
)
"""Functions that must run whenever a guest boots, uses its disk and runs a guest of its own."""


@dataclass(frozen=True)
class Found:
    """Functions and events of a build of KVM, and their use by a booting guest.

    Attributes:
        functions: Each function of `GROUPS` that this kernel has.
        events: For each of `EVENTS` its first trace line of the boot, from the event's name on.
    """

    functions: list[Function]
    events: dict[str, str]


@recipe(tools=("gdb", "gcc", "pahole", "readelf", *L1_TOOLS), memory="1G", disk="192M", timeout="20m", expects="30s")
def kvm_functions(sh: Shell, qemu_optimised: Path, linux_build: Kernel, linux_source: Path, kvm_host: KvmHost) -> Found:
    """Find out which functions of KVM can be stopped at and traced, and count their calls while a guest boots.

    Returns:
        The data of each function, and one line of each event.
    """
    sh.sources(linux=linux_source)
    host = with_svm(kvm_host)
    with sh.section("where"):
        sh.write("where.py", WHERE)
        vendors = [linux_build.modules[1], *(linux_build.build / f"arch/x86/kvm/kvm-{name}.ko" for name in ("amd", "intel"))]
        told = "".join(_where(sh, module) for module in vendors)
    functions = placed(told, linux_source)
    _count_all(sh, vendors)
    with sh.section("defined"):
        # In this form each line is looked up in the source, and becomes a link on every page that names it.
        sh.write("defined", "".join(f"{one.name} {one.file}:{one.line}\n" for one in functions.values()))
        sh.line("cat defined")
    with sh.section("pack"):
        sh.write("names", "".join(f"{name}\n" for name in functions))
        probe = sh.write("probe.sh", PROBE, 0o755)
        letters = build_letters(sh)
        modules = {f"/lib/modules/{module.name}": module for module in host.modules}
        nested = build_initramfs(sh, init=NESTED_INIT, files={"/bin/letters": letters, **modules}, name="nested")
        parts = inner(sh, qemu_optimised, linux_build, script=inner_script(IOTHREAD, disk=IOTHREAD_DISK))
        buffers = sh.write("buffers.sh", BUFFERS, 0o755)
        files = {"/names": sh.workspace / "names", "/bin/probe": probe, "/bin/buffers": buffers}
        files["/inner/initramfs.cpio.gz"] = nested
        machine = l1(sh, qemu_optimised, linux_build, host, inner=parts, files=files, memory="768M")
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(machine)
            load_kvm(vm, host)
        with sh.section("ask"):
            vm.guest(f"mount -t tracefs tracefs {TRACE}")
            functions = answered(vm.guest("probe", timeout=INNER_LIMIT), functions)
        with sh.section("refused"):
            vm.guest("cd /sys/kernel")
            loaded = [function for function in functions.values() if function.group != "vmx"]
            without = next(function.name for function in loaded if not function.symbol)
            closed = next(function.name for function in loaded if function.symbol and not function.probeable)
            for name in (without, closed):
                vm.guest(f"echo 'p:map/try {name}' >>tracing/kprobe_events", ok=(0, 1))
            vm.guest("tail -n 6 tracing/error_log")
        with sh.section("boot"):
            vm.guest("buffers")
            vm.guest("echo 0 >tracing/tracing_on; echo 1 >tracing/events/map/enable")
            told = vm.guest("inner", timeout=INNER_LIMIT)
            assert ALPHABET in told, told
            assert INNER_SAYS in told, told
            vm.guest("echo 0 >tracing/events/map/enable")
        with sh.section("count"):
            functions = counted(vm.guest("cat tracing/kprobe_profile"), functions)
        with sh.section("events"):
            events = {
                name: line_of(name, vm.guest(f"grep -m 1 ' {LINES.get(name, f'{name}:')}' tracing/instances/{buffer}/trace"))
                for buffer, names in EVENTS.items()
                for name in names
            }
    for name in CALLED:
        assert functions[name].hits, f"{name} was not called while a guest booted: {functions[name]}"
    assert not functions["vmx_vcpu_run"].symbol, "the other vendor's half is not loaded"
    return Found(list(functions.values()), events)


def _where(sh: Shell, module: Path) -> str:
    """Run ``kvm-where`` on a module, and return its output.

    In a module each section begins at address 0, so gdb confuses the code of different sections. Linking gives every section an
    address of its own; symbols of the kernel stay unresolved.
    """
    sh.ld("-e", "0", "--unresolved-symbols=ignore-all", "-o", f"{module.stem}.linked", module)
    return sh.gdb(
        "-q", "-nx", "-batch", "-ex", "source where.py", "-ex", f"kvm-where {' '.join(NAMES)}", f"{module.stem}.linked"
    )


def _count_all(sh: Shell, modules: Sequence[Path]) -> None:
    """Count with pfunct the functions in each module's debug information, and those that the compiler chose to inline."""
    with sh.section("all"), sh.cd(modules[0].parent):
        names = " ".join(module.name for module in modules)
        count = 'echo "$module" $(pfunct "$module" | sort -u | wc -l) $(pfunct --cc_inlined "$module" | sort -u | wc -l)'
        told = sh.line(f"for module in {names}; do {count}; done")
    counts = [list(map(int, line.split()[1:])) for line in told.splitlines()]
    assert len(counts) == len(modules), told
    assert all(known > inlined > 0 for known, inlined in counts), told


def answered(told: str, functions: dict[str, Function]) -> dict[str, Function]:
    """Return the functions with the running kernel's answers about them.

    Args:
        told: The output of the script `PROBE`.
        functions: The functions, by name.
    """
    said = {words[0]: words[1:] for words in map(str.split, told.splitlines()) if len(words) == 4}
    assert set(said) == set(functions), set(said) ^ set(functions)
    return {
        name: replace(function, symbol=symbol.strip("-"), traceable=trace == "trace", probeable=probe == "probe")
        for name, function in functions.items()
        for symbol, trace, probe in [said[name]]
    }


def counted(profile: str, functions: dict[str, Function]) -> dict[str, Function]:
    """Return the functions with the number of calls of each.

    Args:
        profile: The file ``kprobe_profile``: the name, hits and misses of each probe.
        functions: The functions, by name.
    """
    hits = {name: int(number) for name, number in re.findall(r"^\s*(\w+)\s+(\d+)\s+\d+\s*$", profile, re.MULTILINE)}
    return {name: replace(function, hits=hits.get(name)) for name, function in functions.items()}


def line_of(event: str, told: str) -> str:
    """Return a trace line from the event's name on, without task, processor and time.

    Raises:
        AssertionError: The line is not of that event.
    """
    found = re.search(rf"\s{event}:.*", told)
    assert found, f"no {event} in {told!r}"
    return found[0].strip()
