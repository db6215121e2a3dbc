"""Places of KVM's functions: where the source defines them, and whether the build has them as functions or inlined."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kvmdocs import Tree

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
"""Functions worth knowing, by group. Kernels differ: a function that a kernel lacks is left out."""

KVM = ("arch/x86/kvm", "virt/kvm")
"""Directories of KVM's source in the kernel's source tree."""

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
"""A gdb command that distinguishes inlined code from a function's own code, which ``info address`` does not."""


@dataclass(frozen=True)
class Function:
    """Properties of one function of KVM in this build.

    Attributes:
        name: Its name in the source.
        group: The group that it belongs to: a key of `GROUPS`.
        file: The file that defines it, relative to the kernel's source tree.
        line: The line of its definition there.
        own: Whether it has code of its own that is called.
        into: The functions that it was inlined into.
        symbol: Its symbol in the running kernel, "" if it has none or its module is not loaded.
        traceable: Whether ftrace can trace it.
        probeable: Whether it accepts a kprobe.
        hits: The number of calls while a guest booted; None without a probe.
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


def placed(told: str, source: Path) -> dict[str, Function]:
    """Return the functions that ``kvm-where`` found, by name, in the order of `GROUPS`, with the line of their definition.

    The compiler knows the line of a function that has code of its own; it must be the line found in the source.

    Args:
        told: The output of ``kvm-where``.
        source: The kernel's source tree.

    Raises:
        AssertionError: A file is not in the tree, or the source does not define the function there.
    """
    found = {}
    groups = {name: group for group, names in GROUPS.items() for name in names}
    for name, file, line, own, into in re.findall(r"^(\w+) (\S+):(\d+) (own|-) (\S+)$", told, re.MULTILINE):
        told_file = in_tree(file, source)
        place, defined = find(name, told_file, source)
        # For a function in assembly, or an inlined one, the debug information has another line.
        if own == "own" and place == told_file and place.endswith(".c"):
            assert int(line) == defined, f"{name} is defined at {place}:{defined}, and the compiler says {line}"
        callers = tuple(into.split(",")) if into != "-" else ()
        found[name] = Function(name, groups[name], place, defined, own == "own", callers)
    return {name: found[name] for name in NAMES if name in found}


def find(name: str, file: str, source: Path) -> tuple[str, int]:
    """Return the file and line that define a function.

    Args:
        name: The function.
        file: The file to search first. The definition is elsewhere if the code was inlined, or if it replaces a weak function.
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
    """Return the line at which a source file defines a function, None if it does not.

    In kernel style, a definition begins in the first column; in assembly, a macro begins it.

    Args:
        name: The function.
        text: The contents of the file.
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
    """Return a source file as named by the compiler, relative to the source tree.

    Raises:
        AssertionError: The file is not in the tree.
    """
    found = Tree("linux", source, str(source)).find(file)
    assert found, f"{file} is not in the source tree"
    return found
