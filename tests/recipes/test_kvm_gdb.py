"""Parsing of the output of gdb, the kernel and the tracer by the recipes on debugging KVM."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recipes.kvm.gdb import hexadecimal, in_order, loaded, with_svm
from recipes.kvm.host import KvmHost
from recipes.kvm.reading_map import (
    CHINESE,
    ENGLISH,
    Row,
    absent,
    closed_table,
    event_table,
    inlined_table,
    partly_table,
    reading_map,
    summary,
    whole_table,
)
from recipes.kvm.symbols import EVENTS, Found, answered, counted, line_of
from recipes.kvm.where import GROUPS, NAMES, Function, definition, in_tree, placed

SYMBOLS = """\
loading vmlinux
scanning for modules in ~/kvm-lab/linux_build/build
loading @0xffffffffc00e2000: ~/kvm-lab/linux_build/build/arch/x86/kvm/kvm-amd.ko
loading @0xffffffffc0005000: ~/kvm-lab/linux_build/build/arch/x86/kvm/kvm.ko
no module object found for 'irqbypass'
"""

SOURCE = """\
static int svm_vcpu_run(struct kvm_vcpu *vcpu);

/* svm_vcpu_run(vcpu) is called here */
static __no_kcsan fastpath_t svm_vcpu_run(struct kvm_vcpu *vcpu,
                                          u64 run_flags)
{
    other(vcpu);
}
int
other(struct kvm_vcpu *vcpu)
{
    svm_vcpu_run(vcpu);
}
"""

ASSEMBLY = "#include <linux/linkage.h>\n.section .noinstr.text\n\nSYM_FUNC_START(__svm_vcpu_run)\n\tpush %_ASM_BP\n"


def test_the_modules_whose_symbols_were_read():
    assert loaded(SYMBOLS) == ["kvm-amd", "kvm"]


def test_order_allows_for_others_between():
    assert in_order(("a", "c"), ("a", "b", "c"))
    assert not in_order(("c", "a"), ("a", "b", "c"))
    assert not in_order(("a", "d"), ("a", "b", "c"))


def test_a_hexadecimal_number():
    assert hexadecimal("$5 = 0x7b\n") == 0x7B
    with pytest.raises(AssertionError, match="optimized out"):
        hexadecimal("value has been optimized out\n")


def test_the_debugged_kvm_is_svm_on_every_host(tmp_path):
    modules = tuple(tmp_path / f"{name}.ko" for name in ("irqbypass", "kvm", "kvm-amd"))
    amd = KvmHost("kvm", "host", modules, tmp_path / "kvm-intel.ko")
    assert with_svm(amd) is amd
    intel = KvmHost("kvm", "host", (*modules[:2], tmp_path / "kvm-intel.ko"), tmp_path / "kvm-amd.ko")
    turned = with_svm(intel)
    assert (turned.accel, turned.cpu, turned.vendor) == ("tcg", "max", "kvm-amd")
    assert turned.modules == modules
    assert turned.other.stem == "kvm-intel"
    assert turned.reason


def test_a_definition_is_told_from_a_declaration_and_a_call():
    assert definition("svm_vcpu_run", SOURCE) == 4
    assert definition("other", SOURCE) == 10
    assert definition("nothing", SOURCE) is None
    assert definition("__svm_vcpu_run", ASSEMBLY) == 4


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    linux = tmp_path / "linux"
    folder = linux / "arch/x86/kvm/svm"
    folder.mkdir(parents=True)
    (linux / "virt/kvm").mkdir(parents=True)
    (folder / "svm.c").write_text(SOURCE)
    (folder / "vmenter.S").write_text(ASSEMBLY)
    (linux / "virt/kvm/kvm_main.c").write_text("int kvm_vcpu_block(void)\n{\n}\n")
    return linux


def test_functions_are_placed_where_the_source_defines_them(tree):
    told = (
        f"kvm_vcpu_block {tree}/arch/x86/kvm/../../../virt/kvm/kvm_main.c:1 own kvm_vcpu_halt,kvm_arch_vcpu_put\n"
        "svm_vcpu_run ../linux/arch/x86/kvm/svm/svm.c:4 own -\n"
        "__svm_vcpu_run ../linux/arch/x86/kvm/svm/vmenter.S:0 own -\n"
    )
    found = placed(told, tree)
    assert list(found) == [name for name in NAMES if name in found]
    assert (found["svm_vcpu_run"].file, found["svm_vcpu_run"].line) == ("arch/x86/kvm/svm/svm.c", 4)
    assert found["__svm_vcpu_run"].line == 4
    assert found["kvm_vcpu_block"].into == ("kvm_vcpu_halt", "kvm_arch_vcpu_put")
    assert found["kvm_vcpu_block"].file == "virt/kvm/kvm_main.c"


def test_an_inlined_function_is_looked_for_in_all_of_kvm(tree):
    (one,) = placed("svm_vcpu_run virt/kvm/kvm_main.c:2 - kvm_vcpu_block\n", tree).values()
    assert not one.own
    assert (one.file, one.line) == ("arch/x86/kvm/svm/svm.c", 4)


def test_a_source_that_is_not_the_one_built_is_noticed(tree):
    with pytest.raises(AssertionError, match=r"svm\.c:4, and the compiler says 5"):
        placed("svm_vcpu_run arch/x86/kvm/svm/svm.c:5 own -\n", tree)
    with pytest.raises(AssertionError, match="defines svm_handle_exit"):
        placed("svm_handle_exit arch/x86/kvm/svm/svm.c:5 own -\n", tree)
    with pytest.raises(AssertionError, match="not in the source tree"):
        in_tree("/elsewhere/drivers/char/mem.c", tree)


def function(name: str, **more: object) -> Function:
    group = next(group for group, names in GROUPS.items() if name in names)
    return replace(Function(name, group, "arch/x86/kvm/x86.c", 7, own=True), **more)  # type: ignore[arg-type]  # a test's shorthand


RUN = function("svm_vcpu_run", symbol="svm_vcpu_run", traceable=True, probeable=True, hits=1234)
ROUND = function("vcpu_enter_guest", own=False, into=("kvm_arch_vcpu_ioctl_run",))
CLOSED = function("__svm_vcpu_run", symbol="__svm_vcpu_run")
PARTLY = function(
    "kvm_vcpu_wake_up", symbol="kvm_vcpu_wake_up", traceable=True, probeable=True, into=("kvm_vcpu_kick",), hits=0
)
INTEL = function("vmx_vcpu_run")
FOUND = Found(
    [RUN, ROUND, CLOSED, PARTLY, INTEL], {"kvm_exit": "kvm_exit: vcpu 0 reason npf", "kvm_pio": "kvm_pio: pio_write at 0x70"}
)


def test_what_the_kernel_answered():
    told = "svm_vcpu_run svm_vcpu_run.isra.0 trace probe\nvcpu_enter_guest - - -\n"
    bare = {"svm_vcpu_run": function("svm_vcpu_run"), "vcpu_enter_guest": ROUND}
    found = answered(told, bare)
    assert found["svm_vcpu_run"].symbol == "svm_vcpu_run.isra.0"
    assert found["svm_vcpu_run"].traceable
    assert found["svm_vcpu_run"].probeable
    assert (found["vcpu_enter_guest"].symbol, found["vcpu_enter_guest"].probeable) == ("", False)
    with pytest.raises(AssertionError, match="vcpu_enter_guest"):
        answered("svm_vcpu_run svm_vcpu_run trace probe\n", bare)


def test_calls_are_counted_where_there_is_a_probe():
    profile = "  svm_vcpu_run                  17473               3\n  other       5     0\n"
    found = counted(profile, {"svm_vcpu_run": RUN, "vcpu_enter_guest": ROUND})
    assert found["svm_vcpu_run"].hits == 17473
    assert found["vcpu_enter_guest"].hits is None


def test_an_event_without_its_task_and_time():
    told = " qemu-system-x86-395     [000] .....   113.195845: kvm_exit: vcpu 0 reason npf rip 0xfff0 \n"
    assert line_of("kvm_exit", told) == "kvm_exit: vcpu 0 reason npf rip 0xfff0"
    with pytest.raises(AssertionError, match="no kvm_pio"):
        line_of("kvm_pio", told)


@pytest.mark.parametrize("words", [ENGLISH, CHINESE], ids=["en", "zh"])
def test_each_function_is_in_one_table(words):
    tables = [make(FOUND, words) for make in (inlined_table, closed_table, partly_table, whole_table)]
    for table, name in zip(
        tables,
        (
            "vcpu&#95;<wbr>enter&#95;<wbr>guest",
            "&#95;<wbr>&#95;<wbr>svm",
            "kvm&#95;<wbr>vcpu&#95;<wbr>wake",
            "svm&#95;<wbr>vcpu",
        ),
        strict=True,
    ):
        assert name in table, table
    assert "vmx" not in "".join(tables)
    assert set(words.groups) == set(GROUPS) - {"vmx"}
    assert "kvm&#95;<wbr>dev&#95;<wbr>ioctl" in absent(FOUND, words)
    assert "4" in summary(FOUND, words)
    assert partly_table(Found([RUN], {}), words) == words.none


def test_the_reading_map():
    rows = (
        Row("entry", ("gone", "svm_vcpu_run"), ("vmx_vcpu_run",)),
        Row("round", ("vcpu_enter_guest",)),
        Row("never", ("gone",)),
        Row("closed", ("__svm_vcpu_run",), ("gone",)),
    )
    lines = reading_map(FOUND, ("see", "on", "calls", "intel"), rows, "same", "inlined").splitlines()
    assert len(lines) == 5
    assert "| 1,234 |" in lines[2]
    assert "vmx&#95;" in lines[2]
    assert "| inlined |" in lines[3]
    assert lines[3].endswith("| same |")
    assert "| — | — |" in lines[4]


def test_the_events_keep_their_order():
    table = event_table(FOUND, ("event", "tells"), {"kvm_exit": "stopped", "kvm_pio": "a port"})
    assert table.splitlines()[2:] == [
        "| `kvm_exit` | stopped<br>`vcpu 0 reason npf` |",
        "| `kvm_pio` | a port<br>`pio_write at 0x70` |",
    ]
    assert len({name for names in EVENTS.values() for name in names}) == sum(map(len, EVENTS.values()))
