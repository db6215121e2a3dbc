"""Tables for the pages on where KVM can be stopped: the findings of `kvm_functions`, in two languages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from recipes.kvm.symbols import Found
from recipes.kvm.where import GROUPS, NAMES, Function

INSTEAD = {
    "kvm_create_vm": "kvm_dev_ioctl",
    "vcpu_run": "kvm_arch_vcpu_ioctl_run",
    "vcpu_enter_guest": "svm_vcpu_run",
    "kvm_check_and_inject_events": "svm_inject_irq",
    "vcpu_block": "kvm_vcpu_halt",
    "fast_page_fault": "kvm_tdp_page_fault",
    "handle_mmio_page_fault": "x86_emulate_instruction",
    "vcpu_mmio_write": "write_mmio",
    "svm_vcpu_enter_exit": "svm_vcpu_run",
    "__svm_vcpu_run": "svm_vcpu_run",
}
"""A function on the same path, for tools that cannot use the function itself."""


@dataclass(frozen=True)
class Words:
    """Texts in one language.

    Attributes:
        inlined: Column titles of the table of functions without code of their own.
        closed: Column titles of the table of functions that may not be instrumented.
        partly: Column titles of the table of functions with code of their own and inlined copies.
        whole: Column titles of the table of functions without restrictions.
        groups: Titles of `GROUPS`.
        absent: A sentence about the functions that this kernel lacks; takes their names.
        summary: A sentence with the number of functions of each kind.
        none: Replacement for an empty table.
        joined: Separator of names.
    """

    inlined: tuple[str, str, str]
    closed: tuple[str, str]
    partly: tuple[str, str]
    whole: tuple[str, str]
    groups: dict[str, str]
    absent: str
    summary: str
    none: str
    joined: str = ", "


ENGLISH = Words(
    inlined=("function", "its code is in", "trace or probe instead"),
    closed=("function", "trace or probe instead"),
    partly=("function", "copies of its code are in"),
    whole=("belongs to", "functions"),
    groups={
        "calls": "system calls",
        "loop": "the vCPU's loop",
        "enter": "entering the guest",
        "exit": "handling exits",
        "memory": "the guest's memory",
        "emulate": "emulating instructions",
        "devices": "devices: ports, MMIO, event descriptors",
        "interrupts": "interrupts",
        "nested": "nested guests",
    },
    absent="This kernel does not have: {}.",
    summary="Of {all} functions asked for, {whole} can be stopped at, "
    "traced and probed, {partly} in part, and {gdb} only by gdb.",
    none="None in this build.",
)

CHINESE = Words(
    inlined=("函数", "代码在哪个函数里", "改用它来跟踪或设探针"),
    closed=("函数", "改用它来跟踪或设探针"),
    partly=("函数", "代码的副本在"),
    whole=("属于", "函数"),
    groups={
        "calls": "系统调用",
        "loop": "vCPU 的循环",
        "enter": "进入客户机",
        "exit": "处理退出",
        "memory": "客户机内存",
        "emulate": "模拟指令",
        "devices": "设备：端口、MMIO、eventfd",
        "interrupts": "中断",
        "nested": "嵌套客户机",
    },
    absent="这个内核里没有：{}。",
    summary="问到的 {all} 个函数中，{whole} 个既能停、又能跟踪、也能设探针，{partly} 个只能部分做到，{gdb} 个只有 gdb 能停。",
    none="本构建里没有这样的函数。",
    joined="、",
)


def ours(found: Found) -> list[Function]:
    """Return the functions of the loaded modules."""
    return [function for function in found.functions if function.group != "vmx"]


def inlined(function: Function) -> bool:
    """Return whether a function has no code of its own: gdb finds its copies, other tools find nothing."""
    return not function.own


def closed(function: Function) -> bool:
    """Return whether a function has code of its own in which the kernel allows no probe."""
    return function.own and not function.probeable


def partly(function: Function) -> bool:
    """Return whether a function has code of its own and also copies in other functions, which a probe does not see."""
    return function.own and function.probeable and bool(function.into)


def whole(function: Function) -> bool:
    """Return whether every tool can see all calls of a function."""
    return function.own and function.probeable and function.traceable and not function.into


def summary(found: Found, words: Words) -> str:
    """Return how many functions there are of each kind."""
    functions = ours(found)
    return words.summary.format(
        all=len(functions),
        whole=sum(map(whole, functions)),
        partly=sum(map(partly, functions)),
        gdb=sum(inlined(function) or closed(function) for function in functions),
    )


def inlined_table(found: Found, words: Words) -> str:
    """Return a table of the inlined functions, the functions they are in, and alternatives."""
    return _table(
        words,
        words.inlined,
        ((_name(one), _names(one.into, words), _instead(one, found)) for one in ours(found) if inlined(one)),
    )


def closed_table(found: Found, words: Words) -> str:
    """Return a table of the functions that may not be probed, and alternatives."""
    return _table(words, words.closed, ((_name(one), _instead(one, found)) for one in ours(found) if closed(one)))


def partly_table(found: Found, words: Words) -> str:
    """Return a table of the functions of which a probe sees only some calls."""
    return _table(words, words.partly, ((_name(one), _names(one.into, words)) for one in ours(found) if partly(one)))


def whole_table(found: Found, words: Words) -> str:
    """Return a table of the functions that every tool can use, by group."""
    groups = {group: [one for one in ours(found) if one.group == group and whole(one)] for group in GROUPS}
    rows = ((words.groups[group], "<br>".join(map(_line, ones))) for group, ones in groups.items() if ones)
    return _table(words, words.whole, rows)


def absent(found: Found, words: Words) -> str:
    """Return a sentence about the functions that this kernel lacks, "" if it has all."""
    missing = [name for name in NAMES if name not in {function.name for function in found.functions}]
    return words.absent.format(_names(missing, words)) if missing else ""


@dataclass(frozen=True)
class Row:
    """A line of the reading map.

    Attributes:
        see: What the reader wants to see.
        svm: Functions to break on; the first one that this kernel has counts.
        vmx: The same for the other vendor, or () if the function is common to both.
    """

    see: str
    svm: tuple[str, ...]
    vmx: tuple[str, ...] = ()


def reading_map(found: Found, heads: Sequence[str], rows: Iterable[Row], same: str, none: str) -> str:
    """Return the reading map as a table.

    Args:
        found: The functions of this build.
        heads: Titles of the four columns.
        rows: The map.
        same: Text of the last column if one function serves both vendors.
        none: Text of the third column if a function has no code of its own.
    """
    by_name = {function.name: function for function in found.functions}
    lines = [f"| {' | '.join(heads)} |", "|---|---|--:|---|"]
    for row in rows:
        svm = next((by_name[name] for name in row.svm if name in by_name), None)
        vmx = next((by_name[name] for name in row.vmx if name in by_name), None)
        if svm is None:
            continue
        hits = f"{svm.hits:,}" if svm.hits is not None else "—" if svm.own else none
        lines.append(f"| {row.see} | {_name(svm)} | {hits} | {_name(vmx) if vmx else '—' if row.vmx else same} |")
    return "\n".join(lines)


def event_table(found: Found, heads: Sequence[str], says: dict[str, str]) -> str:
    """Return a table of the tracepoints in order, with their meaning and their first line of the boot."""
    rows = [f"| `{name}` | {says[name]}<br>`{line.partition(': ')[2].strip()}` |" for name, line in found.events.items()]
    return "\n".join([f"| {' | '.join(heads)} |", "|---|---|", *rows])


def _table(words: Words, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(row)} |" for row in rows]
    return "\n".join([f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *lines]) if lines else words.none


def _name(function: Function) -> str:
    return f"{_code(function.name)}<br>{function.file}:{function.line}"


def _line(function: Function) -> str:
    return f"{_code(function.name)} {function.file}:{function.line}"


def _names(names: Iterable[str], words: Words) -> str:
    return words.joined.join(map(_code, names))


def _code(name: str) -> str:
    # Allow a line break in a long name only after an underscore. It is an entity, since two underscores would begin bold text.
    return f"<code>{name.replace('_', '&#95;<wbr>')}</code>"


def _instead(function: Function, found: Found) -> str:
    """Return the neighbour from `INSTEAD` if all of its calls can be seen, else the function that the code is inlined into."""
    usable = {one.name for one in ours(found) if whole(one)}
    names = [INSTEAD.get(function.name, ""), *function.into]
    return next((_code(name) for name in names if name in usable), _code(function.into[0]) if function.into else "—")
