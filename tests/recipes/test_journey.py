"""Traces: parsing, finding hops, and drawing."""

from __future__ import annotations

import re
from dataclasses import replace
from itertools import pairwise

import pytest

from kvmdocs.core.model import Host, Record, Status
from kvmdocs.recording.recipe import Shown
from recipes.kvm.journey import frames_of, stations, symbols_of
from recipes.kvm.journey_events import GUEST, KVM, QEMU, WORKER, Address, Hop, Wanted, find, merged, parse
from recipes.kvm.journey_picture import ACTORS, picture
from recipes.kvm.journey_run import QEMU_FUNCTIONS, SIGNALS, addresses, callers, probe_script, tsc_offset
from recipes.kvm.linux_in_linux import said

GUEST_TRACE = """\
# tracer: function
#
              dd-31      [000] .....  1000: vp_notify+0x0/0x20 <-virtqueue_notify+0x19/0x30
              dd-31      [000] .....  1001: <stack trace>
 => vp_notify+0x5/0x20
 => virtqueue_notify+0x19/0x30
          <idle>-0       [000] d.h..  9000: vring_interrupt+0x0/0x80 <-__handle_irq_event_percpu+0x4a/0x160
          <idle>-0       [000] d.h..  9001: <stack trace>
 => vring_interrupt+0x5/0x80
L2: over
"""

HOST_TRACE = """\
# tracer: function
       CPU 0/KVM-76      [000] .....  5100: kvm_exit: vcpu 0 reason npf rip 0x1 info1 0x1 info2 0x00000000fee000b0 intr_info 0x0
       CPU 0/KVM-76      [000] .....  5101: <stack trace>
 => trace_event_raw_event_kvm_exit+0x97/0xd0 [kvm]
 => svm_handle_exit+0x12d/0x180 [kvm_amd]
       CPU 0/KVM-76      [000] .....  5200: kvm_exit: vcpu 0 reason npf rip 0x1 info1 0x1 info2 0x00000000febfb000 intr_info 0x0
       CPU 0/KVM-76      [000] d.h..  5201: kvm_msi_set_irq: dst 1 vec 99 (Fixed|logical|edge)
       CPU 0/KVM-76      [000] d.h..  5202: <stack trace>
 => kvm_set_msi_irq+0x12/0x20 [kvm]
       CPU 0/KVM-76      [000] .....  5203: <stack trace>
 => svm_handle_exit+0x12d/0x180 [kvm_amd]
       CPU 0/KVM-76      [000] .....  5300: kvm_mmio: mmio write len 2 gpa 0xfebfb000 val 0x0
       CPU 0/KVM-76      [000] .....  5400: ioeventfd_write+0x0/0x70 [kvm] <-__kvm_io_bus_write+0x8c/0xb0 [kvm]
 qemu-system-x86-38      [000] .....  5500: virtqueue_push: (0x1100) f0=0x1100 f1=0x1200 f2=0x9999 f3=0x1300
 qemu-system-x86-38      [000] d....  5600: kvm_msi_set_irq: dst 1 vec 34 (Fixed|logical|edge)
       CPU 0/KVM-76      [000] .....  5700: kvm_inj_virq: IRQ 0x63
       CPU 0/KVM-76      [000] .....  5800: kvm_inj_virq: IRQ 0x22
"""

WANTED = (
    Wanted("notify", GUEST, ".*", "vp_notify"),
    Wanted("exit", KVM, "CPU.*", "kvm_exit", r"npf .*info2 {page}"),
    Wanted("door", KVM, "CPU.*", "ioeventfd_write"),
    Wanted("push", QEMU, "qemu-.*", "virtqueue_push"),
    Wanted("message", KVM, "qemu-.*", "kvm_msi_set_irq"),
    Wanted("inject", KVM, "CPU.*", "kvm_inj_virq", r"IRQ 0x{hex_vector}\b"),
    Wanted("interrupt", GUEST, ".*", "vring_interrupt"),
)


def both():
    return merged(parse(GUEST_TRACE, GUEST), parse(HOST_TRACE, KVM, 0x1000, 0x1000), -4000)


def test_a_trace_is_read_with_its_stacks():
    first, second = parse(GUEST_TRACE, GUEST)
    assert (first.task, first.when, first.name) == ("dd", 1000, "vp_notify")
    assert first.stack == (Address("vp_notify", 5), Address("virtqueue_notify", 0x19))
    assert (second.task, [frame.function for frame in second.stack]) == ("<idle>", ["vring_interrupt"])


def test_the_tracing_itself_is_no_caller():
    assert parse(HOST_TRACE, KVM)[0].stack == (Address("svm_handle_exit", 0x12D, "kvm_amd"),)


def test_an_interrupt_between_an_event_and_its_stack_keeps_its_own():
    events = {event.when: event for event in parse(HOST_TRACE, KVM)}
    assert [frame.function for frame in events[5200].stack] == ["svm_handle_exit"]
    assert [frame.function for frame in events[5201].stack] == ["kvm_set_msi_irq"]


def test_callers_outside_of_qemu_end_its_stack():
    (push,) = (event for event in parse(HOST_TRACE, KVM, 0x1000, 0x1000) if event.name == "virtqueue_push")
    assert push.stack == (Address("", 0x100, called=False), Address("", 0x200))


def test_both_traces_on_one_clock():
    assert [event.when for event in both()] == sorted(event.when for event in both())
    assert both()[0].when == 5000


def test_the_hops_are_found_by_what_they_say():
    found = find(both(), WANTED)
    assert [event.when for event in found] == [5000, 5200, 5400, 5500, 5600, 5800, 13000]


@pytest.mark.parametrize("lost", [one.key for one in WANTED])
def test_a_missing_hop_is_named(lost):
    wanted = [replace(one, name="nothing") if one.key == lost else one for one in WANTED]
    with pytest.raises(AssertionError, match="notif" if lost == "notify" else lost):
        find(both(), wanted)


def test_a_hop_with_another_caller_is_refused():
    wanted = [replace(one, through="elsewhere") if one.key == "exit" else one for one in WANTED]
    with pytest.raises(AssertionError, match="exit"):
        find(both(), wanted)


def test_a_write_that_kvm_never_saw():
    events = [event for event in both() if event.name != "ioeventfd_write"]
    with pytest.raises(AssertionError, match="eventfd"):
        find(events, WANTED)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("vendor", ["kvm-amd", "kvm-intel"])
def test_each_way_has_the_same_number_of_stations(vendor, fast):
    keys = [one.key for one in stations(vendor, fast)]
    assert len(keys) == len(set(keys)) == 23


def test_symbols_of_objdump():
    told = (
        "000000000000c9d0 l     F .text\t0000000000000070 ioeventfd_write\n"
        "ffffffff81387e10 g     F .text\t000000000000001d vp_notify\n"
        "0000000000000010 g     F .noinstr.text\t00000000000000e5 .hidden __svm_vcpu_run\n"
    )
    assert symbols_of(told) == {
        "ioeventfd_write": (".text", 0xC9D0),
        "vp_notify": (".text", 0xFFFFFFFF81387E10),
        "__svm_vcpu_run": (".noinstr.text", 0x10),
    }


def test_frames_of_addr2line(tmp_path):
    tree = tmp_path / "linux-6.1"
    (tree / "kvm").mkdir(parents=True)
    (tree / "kvm/x86.c").touch()
    told = (
        f"0x000000000002ec18: vcpu_enter_guest at {tree}/kvm/x86.c:11020\n"
        f" (inlined by) vcpu_run at {tree}/kvm/x86.c:11125 (discriminator 3)\n"
        "0x0000000000000001: x64_sys_call at ./arch/x86/include/generated/asm/syscalls_64.h:17\n"
        "0x0000000000000002: ?? ??:0\n"
    )
    frames = frames_of(told, [tree])
    assert [(one.function, one.file, one.line, one.inlined) for one in frames[0x2EC18]] == [
        ("vcpu_enter_guest", "kvm/x86.c", 11020, True),
        ("vcpu_run", "kvm/x86.c", 11125, False),
    ]
    assert (frames[1][0].function, frames[1][0].file) == ("x64_sys_call", "")
    assert frames[2] == ()


def test_a_file_is_relative_to_the_tree_that_it_is_in(tmp_path):
    linux, qemu = tmp_path / "linux-6.1", tmp_path / "src/qemu-7.2"
    for tree in (linux, qemu):
        (tree / "hw").mkdir(parents=True)
    (qemu / "hw/virtio.c").touch()
    told = (
        f"0x1: f at {tmp_path}/qemu_debug/build/../../src/qemu-7.2/hw/virtio.c:7\n"
        "0x2: g at /usr/include/stdio.h:7\n"
        "0x3: h at /another/qemu-7.2/hw/virtio.c:7\n"
    )
    assert [frames[0].file for frames in frames_of(told, [linux, qemu]).values()] == ["hw/virtio.c", "", ""]


def nm(*names: str) -> str:
    return "\n".join(f"{number:016x} t {name}" for number, name in enumerate(names, 0x1000))


def test_addresses_of_nm():
    told = nm(*QEMU_FUNCTIONS, SIGNALS[1])
    assert addresses(told)[QEMU_FUNCTIONS[1]] == 0x1001
    for names, missing in ((QEMU_FUNCTIONS[1:] + SIGNALS, QEMU_FUNCTIONS[0]), (QEMU_FUNCTIONS, SIGNALS[1])):
        with pytest.raises(AssertionError, match=missing):
            addresses(nm(*names))


@pytest.mark.parametrize(("has", "watched"), [(SIGNALS, SIGNALS[0]), (SIGNALS[1:], SIGNALS[1])], ids=["10.0", "10.2"])
def test_each_qemu_is_watched_where_it_signals_from_an_iothread(has, watched):
    assert [name for name in addresses(nm(*QEMU_FUNCTIONS, *has)) if name not in QEMU_FUNCTIONS] == [watched]


def test_offset_of_l2s_counter():
    assert tsc_offset("-25868419603\n") == tsc_offset("tsc-offset:-25868419603\n") == -25868419603
    scaled = "tsc-offset:-5\ntsc-scaling-ratio:{}\ntsc-scaling-ratio-frac-bits:32\n"
    assert tsc_offset(scaled.format(1 << 32)) == -5
    with pytest.raises(AssertionError, match="scaled"):
        tsc_offset(scaled.format(1 << 31))


def test_arguments_of_a_probe_fit_the_kernel():
    # A probe's argument may have 63 characters (MAX_ARGSTR_LEN, kernel/trace/trace_probe.h).
    words = callers().split()
    assert words[2:4] == ["f2=+8(%bp):x64", "f3=+8(+0(%bp)):x64"]
    assert max(len(word.partition("=")[2]) for word in words) <= 63
    script = probe_script(dict.fromkeys(QEMU_FUNCTIONS, 0x10), "kvm-intel")
    assert "vmx_deliver_interrupt" in script
    assert "svm_" not in script


HOST = Host("h", "s", "k", "x86_64", 1, 1)

HOPS = [
    Hop(f"hop{number}", actor, "task", f"function{number}", "a/b.c", 7, number, f"event: a|b {number}")
    for number, actor in enumerate((GUEST, GUEST, KVM, QEMU, WORKER, QEMU, KVM, GUEST))
]


def test_the_picture_has_a_number_for_each_hop_where_it_happened_and_a_link_to_its_line():
    shown = Shown(
        Record("journey", "0" * 64, Status.PASSED, HOST, ""), "en", lambda path, line: f"https://example.org/{path}#L{line}"
    )
    heads = ("#", "who", "function", "what", "at", "ticks", "said")
    who, what = {actor: f"the {actor}" for actor in ACTORS}, {hop.key: f"does {hop.key}" for hop in HOPS}
    html = picture(HOPS, shown, title="A write", describe="{hops} hops", who=who, what=what, heads=heads)
    for svg in re.findall(r"<svg.*?</svg>", html):
        assert re.findall(r'"pic-on"[^>]*>(\d+)<', svg) == [str(number) for number, _ in enumerate(HOPS, 1)]
        assert re.findall(r'href="([^"]+)"', svg) == ["https://example.org/a/b.c#L7"] * len(HOPS)
        looks = re.findall(r'<circle class="pic-mark pic-(\d)"[^>]* r="9"', svg)
        assert [ACTORS[int(look) - 1] for look in looks] == [hop.actor for hop in HOPS]
        assert svg.count('class="pic-head"') == sum(one.actor != other.actor for one, other in pairwise(HOPS))
        assert ">8 hops</desc>" in svg
    rows = re.findall(r"<tr>(.*?)</tr>", html)
    assert len(rows) == 1 + len(HOPS)
    assert {row.count("<td") for row in rows[1:]} == {7}
    assert "<code>event</code>: <code>a&#124;b 3</code>" in rows[4]


def test_what_a_level_says():
    assert said("clock:        tsc\nits features: svm npt\nhypervisor:   \nL2: ready\n") == {
        "clock": "tsc",
        "its features": "svm npt",
        "hypervisor": "",
        "L2": "ready",
    }
