from __future__ import annotations

from pathlib import Path

import pytest

from recipes.concepts.qemu_and_kvm import count
from recipes.kvm.api import Call, put_together, request, table
from recipes.kvm.host import STREAMS, KvmHost, inner_script, no_feature
from recipes.kvm.load import name, parse_parameters, uses
from recipes.kvm.tiny import TINY

SHOWN = """\
ioctl(4, KVM_CREATE_VCPU, 0)            = 5
ioctl(5, KVM_RUN, 0)                    = 0 (KVM_EXIT_IO)
ioctl(1, TCGETS, {c_iflag=ICRNL|IXON, ...}) = 0
ioctl(5, KVM_RUN, 0)                    = 0 (KVM_EXIT_HLT)
+++ exited with 0 +++
"""
TRACED = """\
            tiny-42      [000] .....     1.2: sys_ioctl(fd: 4, cmd: ae41, arg: 0)
            tiny-42      [000] .....     1.3: sys_ioctl -> 0x5
            tiny-42      [000] .....     1.3: kvm_stray: outside of every call
            tiny-42      [000] .....     1.4: sys_ioctl(fd: 5, cmd: ae80, arg: 0)
            tiny-42      [000] .....     1.5: kvm_fpu: load
            tiny-42      [000] d....     1.6: kvm_entry: vcpu 0, rip 0x1000
            tiny-42      [000] .N...     1.7: kvm_exit: vcpu 0 reason io rip 0x1002 info1 0x10 info2 0x0
            tiny-42      [000] .....     1.8: kvm_userspace_exit: reason KVM_EXIT_IO (2)
            tiny-42      [000] .....     1.9: sys_ioctl -> 0x0
            tiny-42      [000] .....     2.0: sys_ioctl(fd: 1, cmd: 5401, arg: 7ffe)
            tiny-42      [000] .....     2.1: sys_ioctl -> 0x0
            tiny-42      [000] .....     2.2: sys_ioctl(fd: 5, cmd: ae80, arg: 0)
            tiny-42      [000] .....     2.3: kvm_userspace_exit: reason KVM_EXIT_HLT (5)
            tiny-42      [000] .....     2.4: sys_ioctl -> 0x0
"""
SAID = "KVM_EXIT_IO: out to port 0x10: 0x68\nKVM_EXIT_HLT: nothing left to do\nrip = 0x1014, al = 42\n"


def test_what_three_tell_is_put_together():
    create, first, last = put_together(SHOWN, TRACED, SAID)
    assert create == Call("ioctl(4, KVM_CREATE_VCPU, 0) = 5", ())
    assert (first.request, first.reason, first.said) == ("KVM_RUN", "KVM_EXIT_IO", "KVM_EXIT_IO: out to port 0x10: 0x68")
    assert first.events[-1] == "kvm_userspace_exit: reason KVM_EXIT_IO (2)"
    assert len(first.events) == 4
    assert last.said == "KVM_EXIT_HLT: nothing left to do"


def test_calls_that_one_of_them_missed():
    with pytest.raises(AssertionError, match="strace saw 3 calls, the kernel traced 4"):
        put_together(SHOWN.replace("ioctl(4, KVM_CREATE_VCPU, 0)            = 5\n", ""), TRACED, SAID)


def test_calls_that_are_not_the_same():
    with pytest.raises(AssertionError, match="0x5401"):
        put_together(SHOWN.replace("TCGETS", "KVM_RUN"), TRACED, SAID)


def test_the_table_leaves_out_what_says_nothing():
    rows = table(put_together(SHOWN, TRACED, SAID), ("request", "traced", "printed")).splitlines()
    assert rows[0] == "| # | request | traced | printed |"
    assert rows[2] == "| 1 | `KVM_CREATE_VCPU` = `5` |  |  |"
    assert "kvm_fpu" not in rows[3]
    assert "**kvm_exit** reason io rip 0x1002<br>" in rows[3]
    assert len(rows) == 5


@pytest.mark.parametrize(
    ("shown", "name"),
    [("ioctl(3, KVM_CREATE_VM, 0) = 4", "KVM_CREATE_VM"), ("ioctl(5, KVM_SET_REGS, {rax=0}) = 0", "KVM_SET_REGS")],
)
def test_the_name_of_a_request(shown, name):
    assert request(shown) == name


def test_use_counts_are_read():
    told = "Module                  Size  Used by    Not tainted\nkvm_amd               106496  2 \nkvm 901120  1 kvm_amd\n"
    assert uses(told) == {"kvm_amd": 2, "kvm": 1}


def test_parameters_are_read():
    assert parse_parameters("/sys/module/kvm_amd/parameters/npt:Y\nnested:1\n") == {"npt": "Y", "nested": "1"}
    assert name("kvm-amd") == "kvm_amd"


def test_requests_are_counted():
    assert count("     74 KVM_RUN\n      1 KVM_CREATE_VM\n") == {"KVM_RUN": 74, "KVM_CREATE_VM": 1}


def test_a_host_knows_its_vendor():
    modules = tuple(Path(f"/m/{module}.ko") for module in ("irqbypass", "kvm", "kvm-amd"))
    assert KvmHost("tcg", "max", modules, Path("/m/kvm-intel.ko")).vendor == "kvm-amd"


def test_no_processor_for_kvm_has_a_reason():
    assert no_feature("tcg") == "this QEMU does not emulate SVM"
    assert "not nested" in no_feature("kvm")


def test_more_arguments_go_to_the_inner_qemu():
    assert inner_script().rstrip().endswith('-serial stdio "$@"')


def test_the_script_of_the_inner_qemu_takes_more_options():
    plain, more = inner_script(), inner_script("-name L2", "-monitor stdio", serial="file:/tmp/serial", streams=STREAMS)
    added = [line for line in more.splitlines() if line not in plain.splitlines()]
    assert added == [
        "    -name L2 \\",
        "    -monitor stdio \\",
        f'    -nodefaults -display none -no-reboot -serial file:/tmp/serial "$@" {STREAMS}',
    ]
    # All lines but the last must continue; otherwise a shell would start QEMU with half of the command.
    assert [line.endswith("\\") for line in more.splitlines()[3:]] == [True] * (len(more.splitlines()) - 4) + [False]


def test_the_program_can_be_read_as_a_whole():
    assert len(TINY.splitlines()) < 150
