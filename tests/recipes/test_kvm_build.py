"""Parsing of KVM's builds, a distribution's packages, and KVM's own tests."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import pytest

from recipes.kvm.build import by_kind, compiled
from recipes.kvm.change_one_line import OURS, PATCH, marked, without_other
from recipes.kvm.host import KvmHost
from recipes.kvm.running_kernel import helpers_of, source_version
from recipes.kvm.selftests import Result, by_reason, run

MAKE = """\
make: Entering directory '/build'
  CC [M]  /w/arch/x86/kvm/../../../virt/kvm/kvm_main.o
  CC [M]  /w/arch/x86/kvm/svm/svm.o
  LD [M]  /w/arch/x86/kvm/kvm-amd.o
  MODPOST /w/arch/x86/kvm/Module.symvers
  CC [M]  /w/arch/x86/kvm/kvm-amd.mod.o
  LD [M]  /w/arch/x86/kvm/kvm-amd.ko
"""

SECTIONS = """\
  [Nr] Name              Type            Address          Off    Size   ES Flg Lk Inf Al
  [ 0]                   NULL            0000000000000000 000000 000000 00      0   0  0
  [ 3] .text             PROGBITS        0000000000000000 0000a0 000100 00  AX  0   0 16
  [ 4] .rela.text        RELA            0000000000000000 7d3598 000020 18   I 84   3  8
  [ 5] .init.text        PROGBITS        0000000000000000 0635c8 000010 00  AX  0   0  4
  [24] .rodata           PROGBITS        0000000000000000 065b60 000008 00   A  0   0 32
  [29] __mcount_loc      PROGBITS        0000000000000000 07a137 000004 00   A  0   0  1
  [66] .bss              NOBITS          0000000000000000 09d080 000491 00  WA  0   0 32
  [71] .debug_info       PROGBITS        0000000000000000 09db60 003000 00      0   0  1
  [72] .rela.debug_info  RELA            0000000000000000 849bd8 001000 18   I 84  71  8
  [84] .symtab           SYMTAB          0000000000000000 797c80 000040 18     85 3415  8
  [86] .shstrtab         STRTAB          0000000000000000 f513b0 000002 00      0   0  1
"""


def test_compiled_objects_without_those_of_modpost():
    assert [name.rpartition("/")[2] for name in compiled(MAKE)] == ["kvm_main.o", "svm.o"]
    assert compiled("make: Nothing to be done.\n") == []


@pytest.mark.parametrize(
    ("ours", "other", "said"), [("amd", "intel", "CONFIG_KVM_INTEL="), ("intel", "amd", "CONFIG_KVM_AMD=")]
)
def test_the_half_of_kvm_that_is_left_out_is_the_other_vendors(ours, other, said):
    host = KvmHost("kvm", "host", (Path("kvm.ko"), Path(f"kvm-{ours}.ko")), Path(f"kvm-{other}.ko"))
    assert without_other(host) == said


def test_sections_by_kind():
    sizes = by_kind(SECTIONS)
    assert next(iter(sizes)) == "debug information"
    assert sizes["debug information"] == 0x4000
    assert sizes["code"] == 0x110
    assert sizes["where addresses are to be filled in"] == 0x20
    assert sizes["names of functions and data"] == 0x42
    assert sizes["data"] == 12


def test_version_of_a_source():
    assert source_version("linux (6.1.187-1) bookworm-security; urgency=high\n") == "6.1.187-1"
    with pytest.raises(AssertionError):
        source_version("Linux\n")


def test_what_headers_cannot_do_without():
    shown = (
        "Package: h\nDepends: linux-headers-6.1.0-53-common (= 6.1.187-1), "
        "linux-kbuild-6.1 (>= 6.1.187-1), linux-compiler-gcc-12-x86\n"
    )
    assert helpers_of(shown) == ["linux-headers-6.1.0-53-common=6.1.187-1", "linux-kbuild-6.1"]
    assert helpers_of("Depends: linux-kbuild-6.12.3+deb13\n") == ["linux-kbuild-6.12.3+deb13"]
    many = (
        "Depends: linux-headers-6.12.107+deb13-common (= 6.12.107-1), "
        "linux-image-6.12.107 (= 6.12.107-1) | x, linux-kbuild-6.12.107+deb13, z\n"
    )
    assert helpers_of(many) == ["linux-headers-6.12.107+deb13-common=6.12.107-1", "linux-kbuild-6.12.107+deb13"]
    assert helpers_of("Package: h\n") == []


def test_patch_finds_its_place_among_other_lines(tmp_path):
    body = (
        "int kvm_fast_pio(struct kvm_vcpu *vcpu, int size, unsigned short port, int in)\n{\n\tint ret;\n\n"
        "\tif (in)\n\t\tret = kvm_fast_pio_in(vcpu, size, port);\n\telse\n\t\tret = 0;\n}\n"
    )
    file = tmp_path / "arch/x86/kvm/x86.c"
    file.parent.mkdir(parents=True)
    file.write_text("int other;\n" * 20 + body + "int other;\n" * 20)
    before = file.read_text()
    for words in ((), ("--reverse",)):
        subprocess.run(["patch", "-p1", *words], input=PATCH, text=True, cwd=tmp_path, check=True, capture_output=True)
        assert file.read_text().count("trace_printk") == (0 if words else 1)
    assert file.read_text() == before


def test_lines_of_the_trace_that_are_ours():
    trace = (
        "  tiny-9 [000] d..1. 1.2: kvm_pio: pio_write at 0x10\n  tiny-9 "
        "[000] d..1. 1.3: kvm_fast_pio: out to port 0x10, 1 byte\n"
    )
    assert marked(trace) == [f"{OURS}out to port 0x10, 1 byte"]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("1..0 # SKIP - Requirement not met: kvm_cpu_has(X86_FEATURE_VMX)\nstatus 4\n", "kvm_cpu_has(X86_FEATURE_VMX)"),
        ("MCG_CMCI_P is not supported, skipping test\nstatus 4\n", "MCG_CMCI_P is not supported"),
        (
            (
                "==== Test Assertion Failure ====\n  a.c:168: !strncmp(x)\n  pid=1 tid=1 errno=11 - again\n"
                "  (stack trace empty)\n  clocksource not supported: hpet\n\nstatus 254\n"
            ),
            "clocksource not supported: hpet",
        ),
        (
            (
                "==== Test Assertion Failure ====\n  a.c:1: x\n  pid=1 tid=1 errno=2 "
                "- none\nsh: addr2line: not found\n  INT3: exit 8\nstatus 254\n"
            ),
            "INT3: exit 8",
        ),
        ("working\nKilled\nstatus 137\n", "Killed"),
        ("status 1\n", ""),
        (
            "Random seed: 0x6b8b4567\nHUGETLB is not configured in host kernelstatus 4\n",
            "HUGETLB is not configured in host kernel",
        ),
    ],
)
def test_reason_a_test_gives(told, said):
    assert run(SimpleNamespace(guest=lambda command, timeout: told), "one").said == said


def test_skips_by_reason():
    results = [Result("a", 0), Result("b", 4, "x"), Result("c", 4, "y"), Result("d", 4, "y"), Result("e", 254, "z")]
    assert by_reason(results) == {"y": ["c", "d"], "x": ["b"]}
    assert [result.verdict for result in results] == ["pass", "skip", "skip", "skip", "fail"]
    assert Result("f", 124).verdict == "stopped"
