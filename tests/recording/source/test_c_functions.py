"""Function of each line of a source, with everything in C, the kernel and QEMU that makes this hard."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kvmdocs.recording.source.c_functions import FunctionSpan, function_spans, is_part, plain_name, span_at

# A letter before each line says whose it is; "-" is nobody's.
C = """\
-/* a comment with brackets ({[ and int trap(void) { */
-#include <linux/kvm.h>
-#define LOCAL(x) { \\
-        x }
 static const struct ops table = {
         .run = first,
 };
-
aint first(struct kvm *kvm, const char *text)
a{
a        if (text[0] == '{' || text[0] == '"')    // }
a                return puts("} /* no comment");
a        return 0;
a}
-
bstatic __always_inline __printf(1, 2)
bvoid second(const char *format, ...)
b{
b#ifdef CONFIG_X86_64
b        if (format) {
b#else
b        if (!format) {
b#endif
b                third(format);
b        }
b}
-
cSYSCALL_DEFINE3(ioctl, unsigned int, fd, unsigned int, cmd, unsigned long, arg)
c{
c        return 0;
c}
 EXPORT_SYMBOL_GPL(first);
-
dstatic int FNAME(walk_addr_generic)(struct guest_walker *walker,
d                                    struct kvm_vcpu *vcpu)
d{
d        return 0;
d}
-
eTRACE_EVENT(kvm_exit,
e        TP_PROTO(struct kvm_vcpu *vcpu, u32 isa),
e        TP_STRUCT__entry(
e                __field(unsigned int, exit_reason)
e        ),
e        TP_fast_assign(
e                if (isa) { __entry->exit_reason = isa; }
e        )
e);
fDEFINE_IDTENTRY_IRQ(common_interrupt)
f{
f}
gDEF_HELPER_FLAGS_3(fldt, TCG_CALL_NO_RWG, void, env)
hDEF_HELPER_FLAGS_3(fstt, TCG_CALL_NO_RWG, void, env)
 int declared(void), number = 1;
-#ifdef __cplusplus
-extern "C" {
-#endif
inoinstr int last(int (*callback)(void *), void *data) __must_hold(lock)
i{
i        return callback(data);
i}
"""
FUNCTIONS = {
    "a": ["first"],
    "b": ["second"],
    "c": ["__do_sys_ioctl", "__se_sys_ioctl", "__x64_sys_ioctl"],
    "d": ["paging64_walk_addr_generic", "ept_walk_addr_generic"],
    "e": ["trace_event_raw_event_kvm_exit", "trace_kvm_exit"],
    "f": ["common_interrupt", "__common_interrupt"],
    "g": ["gen_helper_fldt"],
    "h": ["gen_helper_fstt"],
    "i": ["last"],
}
LINES = C.splitlines()
TEXT = "".join(f"{line[1:]}\n" for line in LINES)
EVERY = [(owner, name) for owner, names in FUNCTIONS.items() for name in names]


@pytest.mark.parametrize(("owner", "function"), EVERY)
def test_a_function_is_on_its_own_lines_and_on_no_others(owner: str, function: str) -> None:
    found = function_spans("x.c", TEXT)
    there = [number for number in range(1, len(LINES) + 1) if (piece := span_at(found, number)) and piece.makes(function)]
    assert there == [number for number, line in enumerate(LINES, 1) if line[0] == owner]


def test_lines_of_nobody() -> None:
    found = function_spans("x.c", TEXT)
    for number, line in enumerate(LINES, 1):
        piece = span_at(found, number)
        if line[0] == "-":
            assert piece is None, line
        else:
            assert piece, line


@pytest.mark.parametrize("function", ["table", "run", "trap", "callback", "third", "TP_PROTO", "declared_not"])
def test_what_is_no_function_here_is_nowhere(function: str) -> None:
    assert not any(piece.makes(function) and function not in piece.names for piece in function_spans("x.c", TEXT))


def test_assembly() -> None:
    text = (
        "#include <asm/x.h>\n"  # 1
        "SYM_CODE_START(entry_SYSCALL_64)\n"
        "\tswapgs\n"
        "SYM_INNER_LABEL(entry_SYSCALL_64_after_hwframe, SYM_L_GLOBAL)\n"  # 4
        ".Llocal:\n"
        "\tcall do_syscall_64\n"
        "SYM_CODE_END(entry_SYSCALL_64)\n"  # 7
        "\n"
        "SYM_FUNC_START(__svm_vcpu_run)\n"  # 9
        "1:\tvmrun\n"
        "SYM_FUNC_END(__svm_vcpu_run)\n"
    )
    found = function_spans("entry_64.S", text)
    assert [
        [number for number in range(1, 12) if (piece := span_at(found, number)) and piece.makes(name)]
        for name in ("entry_SYSCALL_64", "entry_SYSCALL_64_after_hwframe", "__svm_vcpu_run")
    ] == [[2, 3, 4, 5, 6, 7], [4, 5, 6, 7], [9, 10, 11]]
    assert span_at(found, 8) is None


def test_a_list_that_makes_a_function_of_every_line() -> None:
    text = '# hw/scsi\nlsi_reset(void) "reset"\ndisable vcpu lsi_out(uint8_t x) "%d"\n'
    found = function_spans("hw/scsi/trace-events", text)
    assert (span_at(found, 2) or FunctionSpan(0, 0)).makes("_nocheck__trace_lsi_reset")
    assert (span_at(found, 3) or FunctionSpan(0, 0)).makes("trace_lsi_out")
    assert not (span_at(found, 3) or FunctionSpan(0, 0)).makes("trace_lsi_reset")


@pytest.mark.parametrize(
    ("part", "name", "is_in"),
    [
        ("ioctl", "__do_sys_ioctl", True),
        ("ioctl", "__do_sys_ioctls", True),  # pasted behind it
        ("fd", "__do_sys_fdatasync", False),
        ("read", "__do_sys_pread", False),
        ("cirrus_fill_", "cirrus_fill_src", True),
        ("x", "trace_x", False),
        ("", "anything", False),
    ],
)
def test_parts_of_names(part: str, name: str, is_in: bool) -> None:
    assert is_part(part, name) is is_in


@pytest.mark.parametrize("name", ["f.isra.0", "f.constprop.0.isra.1", "f.part.0", "f.cold", "f"])
def test_what_compilers_add(name: str) -> None:
    assert plain_name(name) == "f"


@given(st.text(alphabet="{}()[];,=#\"'/*\\\n ab_1ifel", max_size=300))
def test_any_text_is_cut_into_pieces_in_order(text: str) -> None:
    for path in ("x.c", "x.S", "trace-events"):
        found = function_spans(path, text)
        assert all(1 <= piece.first <= piece.last <= text.count("\n") + 1 for piece in found)
        assert all(before.first <= after.first for before, after in pairwise(found))
