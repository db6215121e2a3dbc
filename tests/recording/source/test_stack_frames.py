"""Frames in what debuggers and symbolisers print."""

from __future__ import annotations

import pytest

from kvmdocs.recording.source.stack_frames import Frame, find, spots

GDB = """\
#0  vring_used_idx_set (vq=0x7fd1, val=254)
    at ../../qemu/hw/virtio/virtio.c:854
#1  0x000055e7 in virtio_blk_req_complete (req=0x55e7, status=0 '\\000', text=0x1 ") at no.c:1 (",
    c=40 '(') at ../hw/block/virtio-blk.c:65
#2  0x000055e7 in handle.part.0 (opaque=<optimized out>, callback=0x55e7 <handle_bh>) at /src/util/async.c:164
#3  <signal handler called>
#4  0x00007fd1 in __start_context () at /lib/x86_64-linux-gnu/libc.so.6
"""


def test_a_backtrace_of_gdb() -> None:
    assert find(GDB) == [
        Frame("vring_used_idx_set", "../../qemu/hw/virtio/virtio.c", 854),
        Frame("virtio_blk_req_complete", "../hw/block/virtio-blk.c", 65),
        Frame("handle.part.0", "/src/util/async.c", 164),
    ]


@pytest.mark.parametrize(
    ("text", "frame"),
    [
        (
            'Thread 1 "qemu" hit Breakpoint 1, flush (vq=0x7f,\n    count=1)\n    at ../virtio.c:1449\n1449\t    if (x) {\n',
            Frame("flush", "../virtio.c", 1449, "    if (x) {"),
        ),
        ("Run till exit from #0  io (vcpu=0xff)\n    at ~/kvm-lab/l/svm.c:2150\n", Frame("io", "~/kvm-lab/l/svm.c", 2150)),
        ("0xffffffff81000000 in idle ()\n    at ./process.c:827\n", Frame("idle", "./process.c", 827)),
        ('Line 29 of "../virtio.c"\n   starts at address 0x55 <notify>\n   and', Frame("notify", "../virtio.c", 29)),
        ('Line 29 of "a.c" is at address 0x55 <notify+4> but contains no code.', Frame("notify", "a.c", 29)),
        ("Breakpoint 1 at 0x55e7: file ../virtio.c, line 1449.", Frame(None, "../virtio.c", 1449)),
        ("Hardware assisted breakpoint 2 at 0xff: file a/x86.c, line 11.", Frame(None, "a/x86.c", 11)),
        ("1  breakpoint  keep y  0x000055 in flush\n            at ../virtio.c:14\n", Frame("flush", "../virtio.c", 14)),
        (" rip = 0x55 in flush (../virtio.c:14); saved rip = 0x56", Frame("flush", "../virtio.c", 14)),
        ("#0  context_switch (kernel/sched/core.c:5381:2)", Frame("context_switch", "kernel/sched/core.c", 5381)),
        (
            "[  1.0] kvm_vcpu_ioctl (arch/x86/kvm/../../../virt/kvm/kvm_main.c:3123 (discriminator 3)) kvm",
            Frame("kvm_vcpu_ioctl", "arch/x86/kvm/../../../virt/kvm/kvm_main.c", 3123),
        ),
        ("kvm_vcpu_ioctl at virt/kvm/kvm_main.c:4123", Frame("kvm_vcpu_ioctl", "virt/kvm/kvm_main.c", 4123)),
        (" (inlined by) vcpu_run at arch/x86/kvm/x86.c:12 (discriminator 3)", Frame("vcpu_run", "arch/x86/kvm/x86.c", 12)),
        ("vcpu_run+0x12/0x340 arch/x86/kvm/x86.c:12", Frame("vcpu_run", "arch/x86/kvm/x86.c", 12)),
        ("vcpu_run+0x12/0x340 [kvm] arch/x86/kvm/x86.c:12", Frame("vcpu_run", "arch/x86/kvm/x86.c", 12)),
        (" #3 [ff] vcpu_run at ffffffffc0a1bcde [kvm]\n    /l/arch/x86.c: 12\n", Frame("vcpu_run", "/l/arch/x86.c", 12)),
        ("vcpu_run  arch/x86/kvm/x86.c:12 own -", Frame("vcpu_run", "arch/x86/kvm/x86.c", 12)),
        ("qemu: ../kvm.c:31: set_msrs: Assertion `x' failed.", Frame("set_msrs", "../kvm.c", 31)),
        ("CPU: 0 PID: 7 at arch/x86/kvm/x86.c:12 vcpu_run+0x1/0x2 [kvm]", Frame("vcpu_run", "arch/x86/kvm/x86.c", 12)),
        ("hw/a.c:12:static int f(void)\n", Frame(None, "hw/a.c", 12, "static int f(void)", quoted=True)),
        ("#1  0x55 in {lambda} at ../x.cc:7\n", Frame("", "../x.cc", 7)),
    ],
)
def test_other_forms(text: str, frame: Frame) -> None:
    assert find(text) == [frame]


@pytest.mark.parametrize(
    "text",
    [
        "hw/virtio.c:12:3: warning: unused",
        "hw/virtio.c:12:static void f(void)",
        "f (x) at noon",
        "it is at 10:30",
        "__svm_vcpu_run at arch/x86/kvm/svm/vmenter.S:0",
        "In file included from steal_time.c:13:",
        "kernel BUG at arch/x86/kvm/x86.c:12!",
        "",
    ],
)
def test_what_is_no_frame(text: str) -> None:
    assert not [frame for frame in find(text) if frame.function]


def test_places_in_a_line() -> None:
    line = 'a at ../x/y.c:12 and file z.S, line 3. Line 9 of "q/r.h" x.c:1a 10:20'
    assert [(line[start:end], path, number) for start, end, path, number in spots(line)] == [
        ("../x/y.c:12", "../x/y.c", 12),
        ("z.S, line 3", "z.S", 3),
        ('Line 9 of "q/r.h"', "q/r.h", 9),
    ]
