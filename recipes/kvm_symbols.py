"""Which functions of KVM can be broken on, traced and probed in this build, and which of them run when a guest boots."""

from __future__ import annotations

import re
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from kvmdocs import Shell, recipe
from recipes.kvm_gdb import with_svm
from recipes.kvm_host import INNER_LIMIT, INNER_SAYS, L1_TOOLS, KvmHost, inner, l1, load_kvm
from recipes.linux import Kernel

GROUPS: dict[str, tuple[str, ...]] = {
    "calls": (
        *("kvm_dev_ioctl", "kvm_create_vm", "kvm_vm_ioctl", "__kvm_set_memory_region", "kvm_set_memory_region"),
        *("kvm_vm_ioctl_create_vcpu", "kvm_vcpu_ioctl", "kvm_arch_vcpu_ioctl_run", "kvm_destroy_vm"),
    ),
    "loop": (
        *("vcpu_run", "vcpu_enter_guest", "kvm_check_and_inject_events", "vcpu_block", "kvm_vcpu_halt", "kvm_vcpu_block"),
        *("kvm_vcpu_kick", "kvm_vcpu_wake_up", "kvm_arch_vcpu_load", "kvm_arch_vcpu_put"),
    ),
    "enter": ("svm_prepare_switch_to_guest", "svm_vcpu_run", "svm_vcpu_enter_exit", "__svm_vcpu_run"),
    "exit": (
        *("svm_handle_exit", "svm_invoke_exit_handler", "io_interception", "npf_interception", "msr_interception"),
        *("cr_interception", "interrupt_window_interception", "kvm_emulate_cpuid", "kvm_emulate_halt", "kvm_emulate_rdmsr"),
    ),
    "memory": (
        *("kvm_mmu_page_fault", "kvm_tdp_page_fault", "direct_page_fault", "kvm_tdp_mmu_map", "fast_page_fault"),
        *("handle_mmio_page_fault", "kvm_faultin_pfn", "kvm_mmu_load"),
    ),
    "emulate": (
        *("x86_emulate_instruction", "x86_decode_insn", "x86_emulate_insn", "emulator_write_emulated"),
        *("emulator_read_write_onepage", "write_mmio", "vcpu_mmio_write", "vcpu_mmio_read"),
    ),
    "devices": (
        *("kvm_fast_pio", "kvm_fast_pio_out", "emulator_pio_in_out", "kvm_io_bus_write", "ioeventfd_write"),
        *("kvm_assign_ioeventfd", "kvm_ioeventfd", "kvm_irqfd", "irqfd_wakeup", "irqfd_inject"),
    ),
    "interrupts": (
        *("kvm_set_irq", "kvm_set_msi", "kvm_arch_set_irq_inatomic", "kvm_irq_delivery_to_apic_fast", "__apic_accept_irq"),
        *(
            "svm_deliver_interrupt",
            "svm_inject_irq",
            "svm_complete_interrupts",
            "apic_set_eoi",
            "kvm_inject_realmode_interrupt",
        ),
    ),
    "nested": ("nested_svm_vmrun", "nested_svm_vmexit", "nested_svm_exit_handled"),
    "vmx": (
        *("vmx_vcpu_run", "vmx_vcpu_enter_exit", "__vmx_vcpu_run", "vmx_handle_exit", "handle_io", "handle_ept_violation"),
        *("handle_ept_misconfig", "handle_external_interrupt", "handle_interrupt_window", "vmx_inject_irq"),
        *("vmx_deliver_interrupt", "vmx_complete_interrupts", "nested_vmx_run", "nested_vmx_vmexit"),
    ),
}
"""Functions worth knowing, by what they belong to. Kernels differ: one that a kernel does not have is left out."""

KVM = ("arch/x86/kvm", "virt/kvm")
"""Where KVM's source is in the kernel's."""

NAMES = tuple(name for names in GROUPS.values() for name in names)

WHERE = '''\
"""kvm-where NAME...: where the code of functions is, as the debug information tells it."""

import gdb


def around(pc):
    """The functions that the code at an address belongs to, from the inlined one outwards."""
    block, found = gdb.block_for_pc(pc), []
    while block is not None and block.superblock is not None:
        if block.function is not None:
            found.append(block.function)
        block = block.superblock
    return found


def tell(name):
    places = gdb.decode_line(name)[1] or ()
    chains = {place.pc: around(place.pc) for place in places}
    own = any(chain and chain[-1].name == name for chain in chains.values())
    into = sorted({chain[-1].name for chain in chains.values() if chain} - {name})
    ends_with_it = sorted(chains.values(), key=lambda chain: not chain or chain[-1].name != name)
    defined = next((one for chain in ends_with_it for one in reversed(chain) if one.name == name), None)
    file, line = (defined.symtab.filename, defined.line) if defined else (places[0].symtab.filename, places[0].line)
    has_own = own or not into  # assembly has code, and no blocks
    print(f"{name} {file}:{line} {'own' if has_own else '-'} {','.join(into) or '-'}")


class Where(gdb.Command):
    def __init__(self):
        super().__init__("kvm-where", gdb.COMMAND_DATA)

    def invoke(self, names, from_tty):
        for name in names.split():
            try:
                tell(name)
            except gdb.error:
                pass  # not in this file


Where()
'''
"""A command for gdb that tells inlined code from a function's own, which ``info address`` does not."""

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
"""For L1, because only the running kernel knows: its lists of symbols, of traceable functions, and its answer to a probe."""


EVENTS = {
    "early": (
        *("kvm_entry", "kvm_exit", "kvm_page_fault", "kvm_cpuid", "kvm_msr", "kvm_pio", "kvm_mmio", "kvm_emulate_insn"),
        "kvm_userspace_exit",
    ),
    "late": ("kvm_msi_set_irq", "kvm_apic_accept_irq", "kvm_inj_virq", "kvm_eoi"),
}
"""KVM's tracepoints in the order in which they explain each other, by the buffer that they go to.

The first kind comes by the thousand from a boot's beginning, so that its buffer may be full when the second kind comes.
"""

LINES = {"kvm_userspace_exit": "kvm_userspace_exit: reason KVM_EXIT_IO"}
"""Which line of an event is wanted, where the first one says little: a vCPU that was never run comes back because of a signal."""

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
"""For L1. An instance of the tracer has a buffer and switches of its own."""


@dataclass(frozen=True)
class Function:
    """What can be done with one function of KVM in this build.

    Attributes:
        name: Its name in the source.
        group: What it belongs to: a key of `GROUPS`.
        file: Where it is defined, relative to the kernel's source.
        line: The line of its definition there.
        own: Whether it has code of its own, called as a function.
        into: The functions whose code it was inlined into.
        symbol: Its symbol in the running kernel, "" if it has none or its module is not loaded.
        traceable: Whether ftrace can follow it.
        probeable: Whether a kprobe can be set on it.
        hits: How often it was called while a guest booted; None without a probe.
    """

    name: str
    group: str
    file: str
    line: int
    own: bool
    into: tuple[str, ...] = ()
    symbol: str = ""
    traceable: bool = False
    probeable: bool = False
    hits: int | None = None


@dataclass(frozen=True)
class Found:
    """What a build of KVM has, and what of it a booting guest uses.

    Attributes:
        functions: Each function of `GROUPS` that this kernel has.
        events: A line of the trace for each of `EVENTS`: the first one of the boot, from the event's name on.
    """

    functions: list[Function]
    events: dict[str, str]


@recipe(tools=("gdb", *L1_TOOLS), memory="1G", disk="256M", timeout="20m", expects="30s")
def kvm_functions(sh: Shell, qemu_optimised: Path, linux_build: Kernel, linux_source: Path, kvm_host: KvmHost) -> Found:
    """Find out which functions of KVM can be stopped at and traced, and count their calls while a guest boots.

    Returns:
        What is known of each function, and one line of each event.
    """
    host = with_svm(kvm_host)
    with sh.section("where"):
        sh.write("where.py", WHERE)
        vendors = [linux_build.modules[1], *(linux_build.build / f"arch/x86/kvm/kvm-{name}.ko" for name in ("amd", "intel"))]
        told = "".join(
            sh.gdb("-q", "-nx", "-batch", "-ex", "source where.py", "-ex", f"kvm-where {' '.join(NAMES)}", module)
            for module in vendors
        )
    functions = placed(told, linux_source)
    with sh.section("pack"):
        sh.write("names", "".join(f"{name}\n" for name in functions))
        probe = sh.write("probe.sh", PROBE, 0o755)
        parts = inner(sh, qemu_optimised, linux_build)
        buffers = sh.write("buffers.sh", BUFFERS, 0o755)
        files = {"/names": sh.workspace / "names", "/bin/probe": probe, "/bin/buffers": buffers, **parts.files}
        machine = l1(sh, qemu_optimised, linux_build, host, files=files, programs=parts.programs, memory="768M")
    with ExitStack() as stack:
        with sh.section("start"):
            vm = stack.enter_context(machine)
            load_kvm(vm, host)
        with sh.section("ask"):
            vm.guest("mount -t tracefs tracefs /sys/kernel/tracing")
            functions = answered(vm.guest("probe", timeout=INNER_LIMIT), functions)
        with sh.section("refused"):
            vm.guest("cd /sys/kernel/tracing")
            for name in ("vcpu_enter_guest", "__svm_vcpu_run"):
                vm.guest(f"echo 'p:map/try {name}' >>kprobe_events", ok=(0, 1))
            vm.guest("tail -n 6 error_log")
        with sh.section("boot"):
            vm.guest("buffers")
            vm.guest("echo 0 >tracing_on; echo 1 >events/map/enable")
            assert INNER_SAYS in vm.guest("inner", timeout=INNER_LIMIT)
            vm.guest("echo 0 >events/map/enable")
        with sh.section("count"):
            functions = counted(vm.guest("cat kprobe_profile"), functions)
        with sh.section("events"):
            events = {
                name: line_of(name, vm.guest(f"grep -m 1 ' {LINES.get(name, f'{name}:')}' instances/{buffer}/trace"))
                for buffer, names in EVENTS.items()
                for name in names
            }
    for name in ("kvm_arch_vcpu_ioctl_run", "svm_vcpu_run", "svm_handle_exit", "npf_interception", "io_interception"):
        assert functions[name].hits, f"{name} was not called while a guest booted: {functions[name]}"
    assert not functions["vmx_vcpu_run"].symbol, "the other vendor's half is not loaded"
    return Found(list(functions.values()), events)


def placed(told: str, source: Path) -> dict[str, Function]:
    """The functions that ``kvm-where`` found, by name, in the order of `GROUPS`, with the line of their definition.

    The compiler knows the line of a function that has code of its own; it must be the one found in the source.

    Args:
        told: What it printed.
        source: The kernel's source tree.

    Raises:
        AssertionError: A place is not in the tree, or the source does not define the function there.
    """
    found = {}
    groups = {name: group for group, names in GROUPS.items() for name in names}
    for name, file, line, own, into in re.findall(r"^(\w+) (\S+):(\d+) (own|-) (\S+)$", told, re.MULTILINE):
        told_file = in_tree(file, source)
        place, defined = find(name, told_file, source)
        # Of a function in assembly, and of an inlined one, the debug information has another line.
        if own == "own" and place == told_file and place.endswith(".c"):
            assert int(line) == defined, f"{name} is defined at {place}:{defined}, and the compiler says {line}"
        callers = tuple(into.split(",")) if into != "-" else ()
        found[name] = Function(name, groups[name], place, defined, own == "own", callers)
    return {name: found[name] for name in NAMES if name in found}


def find(name: str, file: str, source: Path) -> tuple[str, int]:
    """The file and line that define a function.

    Args:
        name: The function.
        file: Where to look first. It is another one if the code was inlined there, or replaces a weak function.
        source: The kernel's source tree.

    Raises:
        AssertionError: KVM's source does not define it.
    """
    others = sorted(str(path.relative_to(source)) for folder in KVM for path in (source / folder).rglob("*.[chS]"))
    for place in (file, *others):
        if defined := definition(name, (source / place).read_text("utf-8", "replace")):
            return place, defined
    raise AssertionError(f"nothing below {' and '.join(KVM)} defines {name}")


def definition(name: str, text: str) -> int | None:
    """The line at which a source file defines a function, None if it does not.

    Kernel style begins a definition at the line's first column; in assembly a macro does.

    Args:
        name: The function.
        text: The file.
    """
    macro = re.search(rf"^SYM_\w*START\w*\({name}\)", text, re.MULTILINE)
    if macro:
        return text.count("\n", 0, macro.start()) + 1
    for found in re.finditer(rf"^(?:[A-Za-z_][\w \t*]*[ \t*]|){name}\(", text, re.MULTILINE):
        rest = re.compile(r"[^;{]*").match(text, found.end())
        if rest and text[rest.end() : rest.end() + 1] == "{":
            return text.count("\n", 0, found.end()) + 1
    return None


def in_tree(file: str, source: Path) -> str:
    """A source file as the compiler named it, relative to the source tree.

    Raises:
        AssertionError: It is not in the tree.
    """
    parts = PurePosixPath(file).parts
    for begin in range(len(parts)):
        rest = PurePosixPath(*parts[begin:])
        if not rest.is_absolute() and ".." not in rest.parts and (source / rest).is_file():
            return str(rest)
    raise AssertionError(f"{file} is not in the source tree")


def answered(told: str, functions: dict[str, Function]) -> dict[str, Function]:
    """The functions with what the running kernel said of them.

    Args:
        told: What the script `PROBE` printed.
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
    """The functions with how often each was called.

    Args:
        profile: The file ``kprobe_profile``: for each probe its name, its hits and its misses.
        functions: The functions, by name.
    """
    hits = {name: int(number) for name, number in re.findall(r"^\s*(\w+)\s+(\d+)\s+\d+\s*$", profile, re.MULTILINE)}
    return {name: replace(function, hits=hits.get(name)) for name, function in functions.items()}


def line_of(event: str, told: str) -> str:
    """A line of a trace from the event's name on, without task, processor and time.

    Raises:
        AssertionError: It is no line of that event.
    """
    found = re.search(rf"\s{event}:.*", told)
    assert found, f"no {event} in {told!r}"
    return found[0].strip()
